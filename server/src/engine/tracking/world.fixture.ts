import type { Json } from "@holdfast/protocol";
import { type JobRow, type NewJob, type NewRun, rootId } from "../../core/index.ts";
import { silentLog } from "../../log.ts";
import { jobNames } from "../../operations/job-names.ts";
import { JobSuccessors } from "../../operations/job-successor.ts";
import type { Random } from "../../random.ts";
import { openMemoryStore } from "../../store/memory/memory-store.ts";
import type { Store } from "../../store/store.ts";
import { VirtualClock } from "../../testing/virtual-clock.ts";
import { Bell, runLoop } from "../loop.ts";
import { Triggerer, type TriggererOptions } from "../triggerer.ts";
import { classOf, OutsideService, settleMs } from "./service.fixture.ts";

const namespace = "shop";
const dayMs = 86_400_000;
const middling: Random = { fraction: () => 0.5, bytes: (count) => new Uint8Array(count) };

export interface JobWish {
  readonly service?: string;
  readonly connection?: string | null;
  readonly submission?: NewJob["submission"];
  readonly onUnknown?: NewJob["onUnknown"];
  readonly callbackHash?: string | null;
  readonly timeoutMs?: number;
}

/** A process that may die between any two moments at which something is written down or somebody is called. */
export class Life {
  /** Moments so far. */
  moments = 0;
  readonly names: string[] = [];
  /** At this moment it dies: what it asks from then on never arrives, and what it has asked is never answered. */
  readonly diesAt: number;

  constructor(diesAt = Number.POSITIVE_INFINITY) {
    this.diesAt = diesAt;
  }

  get isOver(): boolean {
    return this.moments >= this.diesAt;
  }

  /** The same object, in whose calls the process dies before or after. */
  lead<T extends object>(target: T, part: string, verbs: ReadonlySet<string>): T {
    return new Proxy(target, {
      get: (_, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (!verbs.has(String(name))) return value.bind(target);
        return async (...given: unknown[]) => {
          await this.#pass(`before ${part}.${String(name)}`);
          const answer: unknown = await value.apply(target, given);
          await this.#pass(`after ${part}.${String(name)}`);
          return answer;
        };
      },
    });
  }

  async #pass(name: string): Promise<void> {
    if (this.isOver) await new Promise(() => undefined);
    this.moments += 1;
    this.names.push(name);
    if (this.isOver) await new Promise(() => undefined);
  }
}

const storeVerbs = new Set(["noteJobs"]);
const serviceVerbs = new Set(["submit", "find", "poll", "cancel"]);

export interface TestNode {
  readonly triggerer: Triggerer;
  readonly memberId: string;
  readonly life: Life;
  /** Its membership ends, as a judge ends it; a node that lives on hears of it. */
  takeAway(): Promise<void>;
  /** It stops as a node does. */
  stop(): Promise<void>;
  /** Its lease is at risk, or not. */
  risk(isAtRisk: boolean): void;
}

/** Runs that wait for jobs outside, on a memory store and a clock that stands still. */
export class TrackingWorld {
  readonly clock = new VirtualClock();
  readonly store: Store = openMemoryStore({ clock: this.clock, randomId: () => "incarnation" });
  readonly outside = new OutsideService(this.clock);
  #runs = 0;
  #members = 0;
  readonly #nodes: { stop: AbortController; bell: Bell; triggerer: Triggerer }[] = [];

  static async open(): Promise<TrackingWorld> {
    const world = new TrackingWorld();
    await world.#join("bodies");
    return world;
  }

  /** A run whose body waits for a job. Answers the job's id. */
  async openJob(wish: JobWish = {}): Promise<string> {
    this.#runs += 1;
    const { service = "token", connection = null, onUnknown = "ask", callbackHash = null, timeoutMs = null } = wish;
    const run = this.#newRun(this.#runs);
    await this.store.enqueueRuns({ rows: [{ run, key: null, request: null, claimFor: "bodies" }] });
    const place = { runId: run.id, generation: 1, key: "job" };
    const { submission, settleMs: ms, ...made } = this.#newJob(place, 1, service);
    const job: NewJob = {
      ...made,
      connection,
      onUnknown,
      callbackHash,
      settleMs: ms,
      submission: wish.submission ?? submission,
    };
    const opens = [
      { key: "job", kind: "external", hash: "h", delayMs: timeoutMs, signal: null, child: null, job },
    ] as const;
    const suspend = { groups: [["job"]], ranMs: 1 };
    const row = { runId: run.id, epoch: 1, generation: 1, opens, settles: [], suspend };
    const [result] = await this.store.openWaits({ rows: [row] });
    if (result?.outcome !== "suspended") throw new Error(`The wait was answered ${JSON.stringify(result)}`);
    return job.id;
  }

  async job(id: string): Promise<JobRow> {
    const job = await this.store.findJob({ id });
    if (job === undefined) throw new Error(`There is no job ${id}`);
    return job;
  }

  async startNode(life = new Life(), options: Partial<TriggererOptions> = {}): Promise<TestNode> {
    this.#members += 1;
    const memberId = `node-${this.#members}`;
    await this.#join(memberId);
    const bell = new Bell();
    const stop = new AbortController();
    const membership: { id: string | undefined; heldId: string | undefined; lose: () => void } = {
      id: memberId,
      heldId: memberId,
      lose: () => Object.assign(membership, { id: undefined, heldId: undefined }),
    };
    const successors = new JobSuccessors({ store: this.store, tracking: this.outside });
    const triggerer = new Triggerer({
      ...{ membership, clock: this.clock, random: middling, log: silentLog, namespace, pollMs: 1_000, bell },
      store: life.lead(this.store, "store", storeVerbs),
      tracking: life.lead(this.outside, "service", serviceVerbs),
      successorOf: (row) => successors.successorOf(row),
      ...options,
    });
    this.store.onRing((topics) => topics.includes("jobs") && triggerer.hear());
    void runLoop(triggerer, { clock: this.clock, signal: stop.signal, log: silentLog, bell });
    this.#nodes.push({ stop, bell, triggerer });
    return {
      ...{ triggerer, memberId, life },
      takeAway: async () => {
        await this.store.leaveMember({ id: memberId });
        membership.lose();
        bell.ring();
      },
      stop: async () => {
        const stopped = triggerer.stop();
        await this.pass(0);
        await stopped;
        stop.abort();
        membership.lose();
        await this.store.leaveMember({ id: memberId });
      },
      risk: (isAtRisk) => {
        membership.id = isAtRisk ? undefined : memberId;
        bell.ring();
      },
    };
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advanceMs(ms);
  }

  /** Lets time pass until it holds, at most so long. */
  async until(holds: () => boolean | Promise<boolean>, withinMs = 3_600_000): Promise<void> {
    const endMs = this.clock.monotonicMs() + withinMs;
    await this.pass(0);
    while (!(await holds())) {
      if (this.clock.monotonicMs() >= endMs) throw new Error(`It does not hold within ${withinMs} ms.`);
      await this.pass(250);
    }
  }

  async untilEnded(id: string, withinMs?: number): Promise<JobRow> {
    await this.until(async () => (await this.job(id)).endedAt !== null, withinMs);
    return await this.job(id);
  }

  /** Orders the end of a job's run. */
  async cancel(id: string): Promise<void> {
    const { runId } = await this.job(id);
    const error = { code: "cancelled", message: "Not needed any more." };
    await this.store.orderEnd({ runId, ending: { status: "cancelled", error }, data: {}, limitRows: 100 });
  }

  async runStatus(id: string): Promise<string | undefined> {
    return (await this.store.findRun({ id: (await this.job(id)).runId }))?.status;
  }

  close(): void {
    for (const { stop } of this.#nodes) stop.abort();
  }

  #newJob(place: { runId: string; generation: number; key: string }, number: number, service: string): NewJob {
    const { id, token } = jobNames(place, number, "incarnation");
    const submission = classOf(service);
    const spec: Json = { sql: "SELECT 1" };
    const name = `J-${token}`;
    const job = service.startsWith("named") ? { ref: name, externalId: name, links: [], group: service } : null;
    return {
      ...{ id, number, token, service, connection: null, submission, spec, job },
      ...{ settleMs: submission === "listed" ? settleMs : 0, onUnknown: "ask", callbackHash: null },
    };
  }

  async #join(id: string): Promise<void> {
    await this.store.joinMember({ id, kind: "node", name: id, namespace, serves: null, leaseMs: 10_000 * dayMs });
  }

  #newRun(number: number): NewRun {
    const tail = new Uint8Array(9);
    new DataView(tail.buffer).setUint32(2, number);
    const id = rootId(1_800_000_000_000, tail);
    return {
      ...{ id, rootId: id, parentId: null, workflow: null, namespace, kind: "task", definition: "scan" },
      ...{ manifestHash: "5f2a", name: "scan", item: null, itemIndex: null, key: null, depth: 0, queue: "default" },
      ...{ priority: 0, rule: "all_success", limits: [], input: null, startAfter: null, expiresAfterMs: null },
      blockedBy: 0,
    };
  }
}
