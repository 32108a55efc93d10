import {
  AppError,
  asWaitRecord,
  isTrackingError,
  type Json,
  limits,
  type StepRecord,
  type TrackedJob,
  type Tracking,
  type WaitSpec,
} from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { JobRow, NewJob } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import type { HeldActivation } from "./completion.ts";
import { callbackHash, jobNames } from "./job-names.ts";
import { persist } from "./persistence.ts";

// What a body asks for outside becomes a job that the store can keep: named, with its token, and as its service wants it. No service
// is called here: what is wrong with it is told by key, and nothing is recorded.

export type ExternalSpec = Extract<WaitSpec, { kind: "external" }>;

/** Where one-time addresses of jobs lead. */
export interface Callbacks {
  /** The whole address at which the holder of a secret ends a job. */
  address(jobId: string, secret: string): string;
  /** A secret that nobody can guess. */
  newSecret(): string;
}

export interface ExternalWaitsOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Absent: nothing is started outside. */
  readonly tracking?: Tracking;
  /** Absent: jobs have no addresses of their own. */
  readonly callbacks?: Callbacks;
}

const firstPauseMs = 500;
const longestPauseMs = 15_000;
/** Where a text of a spec says so, its address stands in the end. */
const callbackMark = "{callback}";

export class ExternalWaits {
  readonly #options: ExternalWaitsOptions;
  #incarnation: Promise<string> | undefined;

  constructor(options: ExternalWaitsOptions) {
    this.#options = options;
  }

  /**
   * The numbers of the next submissions under the keys of a run, as far as a look says; absent: the first. The store refuses a number
   * that is not the next one.
   */
  async numbers({ run }: HeldActivation, waits: readonly WaitSpec[]): Promise<Map<string, number>> {
    const numbers = new Map<string, number>();
    // In its first try a run has no earlier submission, or its wait is open or recorded.
    if (run.attempt === 1 || !waits.some(({ kind }) => kind === "external")) return numbers;
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const place = cursor === undefined ? {} : { cursor };
      const of = { namespace: run.namespace, runId: run.id, limitRows: limits.pageRows };
      const page: Awaited<ReturnType<Store["listJobs"]>> = await this.#options.store.listJobs({ ...of, ...place });
      for (const { key, number, generation } of page.jobs) {
        if (generation === run.generation) numbers.set(key, Math.max(numbers.get(key) ?? 1, number + 1));
      }
      cursor = page.cursor;
    }
    return numbers;
  }

  /** Throws `invalid_request` and `unsupported` for what cannot be started, telling why. `called`: what people know the job by. */
  async newJob(
    { run, revoked }: HeldActivation,
    wait: ExternalSpec,
    { number, called = wait.key }: { readonly number: number; readonly called?: string | undefined },
  ): Promise<NewJob> {
    const { key, service, connection = null, onUnknown = "ask", spec, ref } = wait;
    const tracking = this.#tracking(called);
    const place = { runId: run.id, generation: run.generation, key };
    const names = jobNames(place, number, await this.#incarnationOf());
    const { id, token } = names;
    const made = { ...names, service, connection, onUnknown, callbackHash: null };
    if (ref !== undefined) {
      const job = await this.#told(() => tracking.adopt({ service, connection, ref }), { key, called, revoked });
      return { ...made, submission: "adopted", spec: null, job, settleMs: 0 };
    }
    if (spec === undefined) return { ...made, submission: "own", spec: null, job: null, settleMs: 0 };
    const addressed = wait.callback === true ? this.#addressed(spec, id, called) : { spec, callbackHash: null };
    const asked = { service, connection, spec: addressed.spec, token };
    const {
      submission,
      settleMs,
      job,
      spec: prepared,
    } = await this.#told(() => tracking.prepare(asked), {
      ...{ key, called, revoked },
    });
    return { ...made, submission, spec: prepared, job, settleMs, callbackHash: addressed.callbackHash };
  }

  /** The name of a job that a body has started by itself. Throws as `newJob`. */
  name({ revoked }: HeldActivation, job: JobRow, ref: Json): Promise<TrackedJob> {
    const { service, connection, key } = job;
    return this.#told(() => this.#tracking(key).adopt({ service, connection, ref }), { key, called: key, revoked });
  }

  /** The last submission under a key of a run; undefined: there is none. */
  async last({ run }: HeldActivation, key: string): Promise<JobRow | undefined> {
    const of = { namespace: run.namespace, runId: run.id, key, limitRows: limits.pageRows };
    const { jobs } = await this.#options.store.listJobs(of);
    const own = jobs.filter(({ generation }) => generation === run.generation);
    const last = own.reduce<JobRow | undefined>(
      (best, job) => (job.number > (best?.number ?? 0) ? job : best),
      undefined,
    );
    // A list does not read what its service calls it.
    return last && this.#options.store.findJob({ id: last.id });
  }

  /** What a job of a run returned. While the store is away, its body waits. Throws `not_found`. */
  async result({ run, revoked }: HeldActivation, id: string): Promise<Json> {
    const { store, clock } = this.#options;
    const job = await persist(clock, revoked, () => store.findJob({ id }));
    if (job?.runId !== run.id || job.status !== "succeeded") {
      throw new AppError("not_found", `Run ${run.id} has started no external job ${id} that succeeded.`);
    }
    return job.result;
  }

  /** A tracker's refusal as the body is told it. While the tracker process is away, or a user's module is broken, it is waited for. */
  async #told<T>(
    ask: () => Promise<T>,
    { key, called, revoked }: { readonly key: string; readonly called: string; readonly revoked: AbortSignal },
  ): Promise<T> {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        return await ask();
      } catch (error) {
        if (!isTrackingError(error)) throw error;
        const { message, hint, code, fault } = error.failure;
        if (fault === "permanent" || revoked.aborted) {
          throw new AppError("invalid_request", `"${called}" cannot be started: ${message}`, {
            ...(hint === undefined ? {} : { hint }),
            details: { key, code },
            cause: error,
          });
        }
      }
      await this.#options.clock.sleep(pauseMs, revoked);
    }
  }

  #tracking(called: string): Tracking {
    const { tracking } = this.#options;
    if (tracking !== undefined) return tracking;
    throw new AppError("unsupported", `This place starts no external jobs, and "${called}" asks for one.`, {
      hint: "Run it under `holdfast dev` or `holdfast server`; tests give openTest the jobs that are expected.",
    });
  }

  #addressed(spec: Json, id: string, called: string): { readonly spec: Json; readonly callbackHash: string } {
    const { callbacks } = this.#options;
    if (callbacks === undefined) {
      throw new AppError("unsupported", `"${called}" asks for an address to call back, and this place has none.`, {
        hint: 'Say publicUrl: "https://…" in holdfast.config.ts: the address under which services reach this server.',
      });
    }
    if (!JSON.stringify(spec).includes(callbackMark)) {
      throw new AppError(
        "invalid_request",
        `"${called}" asks for an address to call back, and its spec says it nowhere.`,
        {
          hint: `Write ${callbackMark} where the service finds the address.`,
        },
      );
    }
    const secret = callbacks.newSecret();
    const address = callbacks.address(id, secret);
    return {
      spec: withTexts(spec, (text) => text.replaceAll(callbackMark, address)),
      callbackHash: callbackHash(secret),
    };
  }

  #incarnationOf(): Promise<string> {
    this.#incarnation ??= this.#options.store.describe().then(({ incarnation }) => incarnation);
    // An outage is no answer to keep.
    this.#incarnation.catch(() => {
      this.#incarnation = undefined;
    });
    return this.#incarnation;
  }
}

/** The record of a wait for a job, where it is that of one. */
export function recordOf(records: readonly StepRecord[], key: string): Json | undefined {
  const value = records.find((record) => record.key === key)?.value;
  return value === undefined || asWaitRecord(value) === undefined ? undefined : value;
}

/** The same value with other texts. */
export function withTexts(value: Json, change: (text: string) => string): Json {
  if (typeof value === "string") return change(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withTexts(item, change));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withTexts(item, change)]));
}
