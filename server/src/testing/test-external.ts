import { AppError, isEnded, isEndedJob, type JobView, type Json, type SubmissionClass } from "@holdfast/protocol";
import type { JobRow } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import type { FakeEnd, FakeServices } from "./fake-services.ts";

// The jobs of other systems in a test. They run until the test says how they end: before or after the body has asked for them.

/** One external job, as a test sees it. */
export interface TestJob {
  readonly key: string;
  /** The run that waits for it. */
  readonly runId: string;
  /** Which submission under that key it is. */
  readonly number: number;
  readonly service: string;
  readonly connection: string | null;
  readonly status: JobView["status"];
  /** What was to be started; null for a job that somebody else had started. */
  readonly spec: Json;
  readonly token: string;
}

interface Pending {
  readonly key: string;
  readonly end: FakeEnd;
}

const open = ["submitting", "running", "cancelling"] as const;

export class TestExternal {
  readonly #services: FakeServices;
  readonly #store: Store;
  readonly #namespace: string;
  readonly #settle: () => Promise<void>;
  #pending: Pending[] = [];

  constructor(parts: { services: FakeServices; store: Store; namespace: string; settle: () => Promise<void> }) {
    this.#services = parts.services;
    this.#store = parts.store;
    this.#namespace = parts.namespace;
    this.#settle = parts.settle;
  }

  /** The job under this key ends well. One that is not open yet ends as soon as it is. */
  finish(key: string, result: Json = null): Promise<void> {
    return this.#end({ key, end: { phase: "succeeded", result } });
  }

  fail(key: string, { message = "It failed.", code = "failed" }: { message?: string; code?: string } = {}) {
    return this.#end({ key, end: { phase: "failed", message, code } });
  }

  /** It is cancelled by somebody else. */
  cancelled(key: string): Promise<void> {
    return this.#end({ key, end: { phase: "cancelled" } });
  }

  /** Its service does not know it any more. */
  lose(key: string): Promise<void> {
    return this.#end({ key, end: { phase: "gone" } });
  }

  /** From now on the service answers nobody, or answers again. What is under way there goes on. */
  away(service: string, away = true): void {
    this.#services.setAway(service, away);
  }

  /** What the service promises of submissions (P5): default `token`, so that a job is started once, whatever crashes. */
  declare(service: string, submission: SubmissionClass): void {
    this.#services.declare(service, submission);
  }

  /** How often the service was called to start a job. */
  submissions(service: string): number {
    return this.#services.submissionsOf(service);
  }

  /** Every job, the oldest first; at most 1,000. */
  async list(): Promise<TestJob[]> {
    return (await this.#whole({})).map(testJob).reverse();
  }

  /** Ends what was to end before it was there. True when there was something. */
  async catchUp(): Promise<boolean> {
    if (this.#pending.length === 0) return false;
    const pending = this.#pending;
    this.#pending = [];
    for (const each of pending) if (!(await this.#tell(each))) this.#pending.push(each);
    return this.#pending.length < pending.length;
  }

  /**
   * Throws where a run waits for nothing but jobs that run, and whose end nobody has told: such a test would never end.
   */
  async checkOpen(runId: string): Promise<void> {
    if (this.#pending.length > 0) return;
    const tree = await this.#store.listTree({ rootId: runId, limitRows: 1_000 });
    const live = tree.filter(({ status }) => !isEnded(status));
    if (live.some(({ status, expiresAt }) => (status !== "waiting" && status !== "pending") || expiresAt !== null))
      return;
    const waits = await Promise.all(live.map(({ id }) => this.#store.listWaits({ runId: id, limitRows: 100 })));
    const leaves = waits.flat().filter(({ kind }) => kind !== "call");
    const [first] = leaves;
    if (first === undefined || leaves.some(({ kind, dueAt }) => kind !== "external" || dueAt !== null)) return;
    const jobs = await this.#whole({ runId: first.runId });
    const isHeld = jobs.every(({ status, ref }) => {
      return isEndedJob(status) || (status === "running" && !this.#services.hasEnded(ref));
    });
    if (!isHeld) return;
    throw new AppError(
      "invalid_request",
      `The run waits for the external job "${first.key}", which the test does not end.`,
      {
        hint: `Say how it ends: await holdfast.external.finish(${JSON.stringify(first.key)}, { … }).`,
      },
    );
  }

  /** Jobs with what lists leave out, the newest first; at most 1,000. */
  async #whole(of: { readonly runId?: string; readonly statuses?: typeof open }): Promise<JobRow[]> {
    const { jobs } = await this.#store.listJobs({ namespace: this.#namespace, limitRows: 1_000, ...of });
    return (await Promise.all(jobs.map(({ id }) => this.#store.findJob({ id })))).flatMap((job) => job ?? []);
  }

  /** Throws for what was said of jobs that never came. */
  check(): void {
    const [left] = this.#pending;
    if (left === undefined) return;
    throw new AppError("invalid_request", `There was never an external job under the key "${left.key}".`, {
      hint: "Check the key: it is the one that ctx.external was given.",
    });
  }

  async #end(asked: Pending): Promise<void> {
    await this.#settle();
    if (!(await this.#tell(asked))) this.#pending.push(asked);
    await this.#settle();
  }

  async #tell({ key, end }: Pending): Promise<boolean> {
    const jobs = await this.#whole({ statuses: open });
    const found = jobs.filter((job) => job.key === key && job.ref !== null);
    for (const { ref, externalId, links, group } of found) {
      this.#services.end({ ref, externalId: externalId ?? "", links: [...links], group: group ?? "" }, end);
    }
    return found.length > 0;
  }
}

function testJob({ key, runId, number, service, connection, status, spec, token }: JobRow): TestJob {
  return { key, runId, number, service, connection, status, spec, token };
}
