import { setImmediate, setTimeout } from "node:timers";
import {
  AppError,
  asWaitRecord,
  type ChannelCall,
  type ChannelParams,
  type ChannelResult,
  type ErrorCode,
  errorCodes,
  isAppError,
  isStanding,
  type Json,
  limits,
  type RunError,
  type StepRecord,
  type WaitRecord,
  type WaitSpec,
} from "@holdfast/protocol";
import type { Asked, Repeated } from "./asked-waits.ts";
import type { Submit } from "./external/external-job.ts";
import { leftJob, startOwn } from "./own-submission.ts";
import { originHere, placedAt } from "./placed-errors.ts";
import { Leaf, type RaceNode, type WaitNode } from "./wait-nodes.ts";
import { dropped, outcomeOf, used } from "./wait-records.ts";

// The waits of one activation. What is asked for in one turn of the event loop travels together: with the suspension, when the
// body does nothing but wait at its end, else beside what it does.
//
// 1  The activation is suspended when a wait is awaited, no call of the context is under way, and one turn has passed.
// 2  Once it is, nothing that the body awaits ever resolves or rejects: no `catch` and no `finally` sees it.
// 3  What is recorded answers; what failed or timed out in an earlier try is asked for again.

const firstPauseMs = 50;
const longestPauseMs = 5_000;

interface Awaited {
  readonly node: WaitNode;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Settles = { readonly key: string; readonly value: Json; readonly drops: string[] }[];

export interface WaitsOptions {
  readonly call: ChannelCall;
  readonly attempt: number;
  /** What this run's generation has recorded, by key, in the order of recording; records that come are added. */
  readonly recorded: Map<string, Json>;
  readonly warn: (text: string) => void;
}

export class Waits {
  readonly #options: WaitsOptions;
  readonly #asked = new Map<string, Asked>();
  readonly #races = new Set<RaceNode>();
  readonly #awaited = new Set<Awaited>();
  #unsent: WaitSpec[] = [];
  #ranks = 0;
  #underWay = 0;
  #isScheduled = false;
  /** Something happened while a message was on its way. */
  #isBehind = false;
  #sending: Promise<boolean> | undefined;
  readonly #suspended = Promise.withResolvers<void>();
  #isOver = false;
  #isClosed = false;

  constructor(options: WaitsOptions) {
    this.#options = options;
    this.#ranks = options.recorded.size;
  }

  /** Resolves when the activation is over without a word of its body: its run waits, or is not its any more. */
  get suspended(): Promise<void> {
    return this.#suspended.promise;
  }

  /**
   * A wait under a key of its own. `read`: makes of a payload or output what the body gets; it may throw. `submit`: starts the job
   * that is waited for.
   */
  ask(spec: WaitSpec, read: (payload: Json) => unknown, submit?: Submit): Leaf {
    const { key } = spec;
    const known = this.#asked.get(key);
    if (known !== undefined) {
      if (known.leaf.outcome === undefined) throw used(key, "is open already");
      this.#options.warn(
        `${JSON.stringify(key)} was used before in this body: its record answers. Give each use a key of its own.`,
      );
      return known.leaf;
    }
    const leaf = new Leaf(key);
    const asked: Asked = { leaf, spec, read, submit, origin: originHere() };
    this.#asked.set(key, asked);
    const recorded = this.#options.recorded.get(key);
    if (recorded !== undefined && isStanding(recorded, this.#options.attempt))
      this.#take(asked, recorded, this.#rankOf(key));
    else {
      this.#options.recorded.delete(key);
      if (submit === undefined) this.#unsent.push(spec);
      else void this.#start(asked, submit);
      this.#schedule();
    }
    return leaf;
  }

  /** A race under a key of its own. */
  race(node: RaceNode): void {
    const recorded = this.#options.recorded.get(node.key);
    const winner =
      typeof recorded === "object" && recorded !== null && "winner" in recorded ? recorded.winner : undefined;
    if (typeof winner === "string") node.winner = winner;
    else if (recorded !== undefined) throw used(node.key, "is the key of something else");
    this.#races.add(node);
  }

  /** Resolves or rejects as the node does; never, once the activation is suspended. */
  outcome(node: WaitNode): Promise<unknown> {
    node.noteAwaited();
    return new Promise((resolve, reject) => {
      this.#awaited.add({ node, resolve, reject });
      this.#advance();
      this.#schedule();
    });
  }

  /** A call of the context: it begins once nothing is on its way that may end the activation, which is not suspended while it goes on. */
  async underWay<T>(act: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    try {
      if (this.#sending !== undefined || this.#isOver) await this.stayed();
      return await act();
    } finally {
      this.#leave();
    }
  }

  #leave(): void {
    this.#underWay -= 1;
    this.#schedule();
  }

  /** Resolves once nothing that was sent may still end the activation; never, when it has. */
  async stayed(): Promise<void> {
    while (this.#sending !== undefined || this.#isOver) await (this.#isOver ? never : this.#sending);
  }

  /** Resolves when every run that the body called has ended, and every external job. */
  async callsDone(): Promise<void> {
    await this.stayed();
    await this.#letGo();
    const calls = [...this.#asked.values()].filter(({ spec: { kind } }) => kind !== "sleep" && kind !== "signal");
    for (const { leaf, spec } of calls) {
      const wasAwaited = leaf.isAwaited;
      await this.outcome(leaf).catch((error: unknown) => {
        if (!wasAwaited) this.#options.warn(`Nobody awaited ${JSON.stringify(spec.key)}: ${String(error)}`);
      });
    }
  }

  /** The body has ended, and how is about to be said: nothing is sent any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Lets the body start its job; until that is known, the activation is not suspended. */
  #start(asked: Asked, submit: Submit): Promise<void> {
    const { leaf, spec } = asked;
    return this.underWay(async () => {
      try {
        const record = await startOwn(
          spec,
          { submit, calling: (called) => (asked.called = called) },
          (method, params) => this.#repeated(method, params),
        );
        if (record !== undefined) this.#takeAll([{ key: leaf.key, value: record }], []);
      } catch (error) {
        this.#fail(error, [leaf.key], []);
        asked.isLeft = !this.#isOver;
      }
      this.#advance();
    });
  }

  /** What the body has not started and does not want any more is dropped: nothing would ever end it. */
  async #letGo(): Promise<void> {
    const left = [...this.#asked.values()].filter(({ isLeft }) => isLeft === true);
    if (left.length === 0) return;
    const settles = left.map(({ leaf: { key } }) => ({ key: `${key} was not started`, value: true, drops: [key] }));
    await this.#repeated("wait.open", { waits: [], settles });
    for (const { spec, called, leaf } of left) {
      if (called !== undefined) this.#options.warn(leftJob(spec, called, errorOf(leaf.outcome)));
    }
    for (const asked of left) asked.isLeft = false;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isOver) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#isBehind ||= this.#sending !== undefined;
      if (this.#sending !== undefined || this.#isOver || this.#isClosed) return;
      this.#sending = this.#turn();
      void this.#sending.then((hasSent) => {
        this.#sending = undefined;
        if (hasSent || this.#isBehind) this.#schedule();
        this.#isBehind = false;
      });
    });
  }

  /** Sends what there is to be sent. False when there is nothing. Never rejects. */
  async #turn(): Promise<boolean> {
    const waits = this.#unsent.splice(0, limits.openWaitsPerRun);
    const decided = this.#decide();
    const groups = [...this.#awaited].flatMap(({ node }) => node.groups());
    const isIdle = this.#underWay === 0 && groups.length > 0 && decided.length === 0 && this.#unsent.length === 0;
    if (!isIdle && waits.length + decided.length === 0) return false;
    const settles: Settles = decided.map(({ race, name, losers }) => ({
      key: race.key,
      value: { winner: name },
      drops: losers.map(({ key }) => key),
    }));
    try {
      if (isIdle) await this.#suspend(waits, groups);
      else {
        const { records, refused } = await this.#repeated("wait.open", { waits, settles });
        this.#takeAll(records, refused);
      }
      for (const { race, name, losers } of decided) {
        race.winner = name;
        race.isDeciding = false;
        for (const leaf of losers) leaf.outcome = { error: dropped(leaf.key) };
      }
    } catch (error) {
      this.#fail(error, [...waits.map(({ key }) => key), ...(isIdle ? groups.flat() : [])], decided);
    }
    this.#advance();
    return true;
  }

  async #suspend(waits: readonly WaitSpec[], groups: readonly (readonly string[])[]): Promise<void> {
    const unique = [...new Map(groups.map((keys) => [JSON.stringify(keys), [...keys]])).values()];
    const asked = { waits: [...waits], settles: [], groups: unique };
    const { suspended, records, refused } = await this.#repeated("run.suspend", asked);
    if (suspended) this.#end();
    else this.#takeAll(records, refused);
  }

  /** While the store is away it is said again: nothing of it happens twice. */
  async #repeated<M extends Repeated>(method: M, params: ChannelParams<M>): Promise<ChannelResult<M>> {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        return await this.#options.call(method, params);
      } catch (error) {
        if (!isAppError(error, "store_unavailable")) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** Races whose first member is over. */
  #decide() {
    return [...this.#races].flatMap((race) => {
      const leader = race.leader();
      if (leader === undefined || ![...this.#awaited].some(({ node }) => node === race)) return [];
      race.isDeciding = true;
      return [{ race, ...leader }];
    });
  }

  #takeAll(records: readonly StepRecord[], refused: readonly { key: string; error: RunError }[]): void {
    for (const { key, value } of records) {
      const asked = this.#asked.get(key);
      this.#options.recorded.set(key, value);
      this.#ranks += 1;
      if (asked !== undefined && asked.leaf.outcome === undefined) this.#take(asked, value, this.#ranks);
    }
    for (const { key, error } of refused) {
      const asked = this.#asked.get(key);
      if (asked !== undefined) asked.leaf.outcome = { error: placedAt(refusal(error), asked.origin) };
    }
  }

  /** Reads a record; a large output is fetched first. */
  #take(asked: Asked, value: Json, rank: number): void {
    const { leaf, spec } = asked;
    const record = asWaitRecord(value);
    leaf.rank = rank;
    if (record === undefined) leaf.outcome = { error: used(spec.key, "is the key of a step") };
    else if (record.large === true) void this.#fetch(asked, record);
    else leaf.outcome = outcomeOf(asked, record);
  }

  async #fetch(asked: Asked, { run = "", job }: Pick<WaitRecord, "run" | "job">): Promise<void> {
    this.#underWay += 1;
    try {
      const { output } = await this.#options.call("output.get", job === undefined ? { run } : { job: job.id });
      asked.leaf.outcome = { value: output };
    } catch (error) {
      asked.leaf.outcome = { error: placedAt(error, asked.origin) };
    }
    this.#advance();
    this.#leave();
  }

  #rankOf(key: string): number {
    return [...this.#options.recorded.keys()].indexOf(key) + 1;
  }

  #advance(): void {
    for (const awaited of [...this.#awaited]) {
      const { outcome } = awaited.node;
      if (outcome === undefined) continue;
      this.#awaited.delete(awaited);
      if ("error" in outcome) awaited.reject(outcome.error);
      else awaited.resolve(outcome.value);
    }
  }

  #fail(error: unknown, keys: readonly string[], decided: readonly { readonly race: RaceNode }[]): void {
    if (isAppError(error, "run_ended") || isAppError(error, "stale_epoch")) {
      this.#end();
      return;
    }
    for (const key of keys) {
      const asked = this.#asked.get(key);
      if (asked === undefined || asked.leaf.outcome !== undefined) continue;
      asked.leaf.outcome = { error: placedAt(error, asked.origin) };
    }
    for (const { race } of decided) race.failure = { error };
  }

  #end(): void {
    this.#isOver = true;
    this.#suspended.resolve();
  }
}

const never = new Promise<never>(() => undefined);

function refusal({ code, message, hint }: RunError): AppError {
  const known: ErrorCode = Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : "internal";
  return new AppError(known, message, hint === undefined ? {} : { hint });
}

function errorOf(outcome: Leaf["outcome"]): unknown {
  return outcome !== undefined && "error" in outcome ? outcome.error : undefined;
}
