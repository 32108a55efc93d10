import { AppError, type ErrorCode, isAppError, type LogLine, limits } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Expansion, Finish, JobNote, StateTransaction, WaitsOrder } from "../core/index.ts";
import type { AssetVerbs } from "./asset-verbs.ts";
import { intentsOf } from "./intents.ts";
import { isRepeatable, type StateQuery } from "./state-verbs.ts";
import type { DefinitionRow, EnqueueRow, ScopeQuery, StepRow, Store } from "./store.ts";

// Concurrent calls of the hot verbs travel together: what arrives in one turn of the event loop, and what gathers while
// earlier batches are under way, becomes one call of the store and so one commit.
//
// 1  A call is never split: it stays one atomic step and is answered with the results of its own rows.
// 2  What is wrong with one call harms no other: a batch that is refused is halved until the call that is at fault stands
//    alone, and only its caller gets the error.
// 3  `store_unavailable` says nothing about any row, so the whole batch is repeated; the verbs are idempotent.
// 4  Log lines keep their order, so their batches go one at a time.

export interface MergingOptions {
  /** Waits between repeats. */
  readonly clock: Pick<Clock, "sleep">;
  /** Batches of one verb that may be under way at once; default 2. */
  readonly inFlight?: number;
  /** How often a batch is repeated while the store is unavailable, before its callers hear of it; default 4. */
  readonly repeats?: number;
  /** The first pause before a repeat; each further one is twice as long; default 50. */
  readonly repeatMs?: number;
}

const maxBatchBytes = 16 * 1024 * 1024;
const longestPauseMs = 2_000;
/** More than this waits only when the store is far too slow for its callers: they are told. */
const maxWaitingCalls = 100_000;

/** Errors that no row has caused: to try its halves would only repeat them. */
const storeCodes: ReadonlySet<ErrorCode> = new Set(["store_unavailable", "store_full", "store_newer", "not_the_owner"]);

/**
 * The same store, whose concurrent calls of `enqueueRuns`, `finishActivations`, `commitSteps`, `transactState`, `readState`, `appendLogs`,
 * `expandRuns`, `openWaits`, `noteJobs`, `findScopes` and `findDefinition` merge.
 */
export function mergeCalls(store: Store, options: MergingOptions): Store {
  const { inFlight = 2 } = options;
  const enqueue = new Line((rows: readonly EnqueueRow[]) => store.enqueueRuns({ rows }), options, inFlight);
  const finish = new Line((rows: readonly Finish[]) => store.finishActivations({ rows }), options, inFlight);
  const steps = new Line((rows: readonly StepRow[]) => store.commitSteps({ rows }), options, inFlight);
  const state = new Line((rows: readonly StateTransaction[]) => store.transactState({ rows }), options, inFlight);
  const reads = new Line((rows: readonly StateQuery[]) => store.readState({ rows }), options, inFlight, readBytes);
  const logs = new Line((rows: readonly LogLine[]) => store.appendLogs({ rows }), options, 1);
  const expand = new Line((rows: readonly Expansion[]) => store.expandRuns({ rows }), options, inFlight);
  const waits = new Line((rows: readonly WaitsOrder[]) => store.openWaits({ rows }), options, inFlight);
  const jobs = new Line((rows: readonly JobNote[]) => store.noteJobs({ rows }), options, inFlight);
  const scopes = new Line((rows: readonly ScopeQuery[]) => store.findScopes({ rows }), options, inFlight);
  const definitions = new Line((rows: readonly DefinitionName[]) => findTogether(store, rows), options, inFlight);
  const intents = intentsOf(store);
  const lines = [enqueue, finish, steps, state, reads, logs, expand, waits, jobs, scopes, definitions];
  return {
    describe: () => store.describe(),
    close: async () => {
      await Promise.all(lines.map((line) => line.drained()));
      await store.close();
    },
    applyManifests: (args) => store.applyManifests(args),
    findDefinition: async (args) => (await definitions.call([args]))[0],
    enqueueRuns: ({ rows }) => enqueue.call(rows),
    claimRuns: (args) => store.claimRuns(args),
    finishActivations: ({ rows }) => finish.call(rows),
    commitSteps: ({ rows }) => steps.call(rows),
    // What cannot be said again is said once, by itself.
    transactState: ({ rows }) => (isRepeatable(rows) ? state.call(rows) : store.transactState({ rows })),
    readState: ({ rows }) => reads.call(rows),
    listState: (args) => store.listState(args),
    sweepState: (args) => store.sweepState(args),
    ...assetsOf(store),
    announceObjects: (args) => store.announceObjects(args),
    condemnObjects: (args) => store.condemnObjects(args),
    forgetObjects: (args) => store.forgetObjects(args),
    knownObjects: (args) => store.knownObjects(args),
    appendLogs: ({ rows }) => logs.call(rows),
    expandRuns: ({ rows }) => expand.call(rows),
    openWaits: ({ rows }) => waits.call(rows),
    signalRun: (args) => store.signalRun(args),
    listWaits: (args) => store.listWaits(args),
    listSignals: (args) => store.listSignals(args),
    noteJobs: ({ rows }) => jobs.call(rows),
    claimJobs: (args) => store.claimJobs(args),
    listTracked: (args) => store.listTracked(args),
    listJobs: (args) => store.listJobs(args),
    findJob: (args) => store.findJob(args),
    orderEnd: (args) => store.orderEnd(args),
    spreadOrders: (args) => store.spreadOrders(args),
    listClaimed: (args) => store.listClaimed(args),
    wakeRuns: (args) => store.wakeRuns(args),
    expireRuns: (args) => store.expireRuns(args),
    findScopes: ({ rows }) => scopes.call(rows),
    declareLimits: (args) => store.declareLimits(args),
    listLimits: (args) => store.listLimits(args),
    findLimit: (args) => store.findLimit(args),
    ...readsOf(store),
    ...controlOf(store),
    joinMember: (args) => store.joinMember(args),
    renewMember: (args) => store.renewMember(args),
    leaveMember: (args) => store.leaveMember(args),
    judgeMembers: (args) => store.judgeMembers(args),
    sequenceEvents: (args) => store.sequenceEvents(args),
    prune: (args) => store.prune(args),
    ring: (topics) => store.ring(topics),
    onRing: (listener) => store.onRing(listener),
    ...(intents === undefined ? {} : { intents }),
  };
}

type AssetVerb = keyof AssetVerbs;

/** The verbs of assets: none of them merges. */
function assetsOf(store: Store): Pick<Store, AssetVerb> {
  return {
    listAssets: (args) => store.listAssets(args),
    findAsset: (args) => store.findAsset(args),
    listAssetEvents: (args) => store.listAssetEvents(args),
    dueConsumers: (args) => store.dueConsumers(args),
    findConsumer: (args) => store.findConsumer(args),
    consumeEvents: (args) => store.consumeEvents(args),
    noteConsumer: (args) => store.noteConsumer(args),
    pruneAssetEvents: (args) => store.pruneAssetEvents(args),
    forgetAsset: (args) => store.forgetAsset(args),
  };
}

type ReadVerb =
  | "findRun"
  | "findRunIds"
  | "findKeyedRuns"
  | "listEnded"
  | "listRuns"
  | "listTree"
  | "listChildOutputs"
  | "listSteps"
  | "listUpstreams"
  | "listEvents"
  | "listTopic"
  | "listLogs"
  | "listMembers"
  | "measureBacklog"
  | "findManifest"
  | "listDefinitions";

/** The verbs by which somebody looks at runs, definitions and members: none of them merges. */
function readsOf(store: Store): Pick<Store, ReadVerb> {
  return {
    findRun: (args) => store.findRun(args),
    findRunIds: (args) => store.findRunIds(args),
    findKeyedRuns: (args) => store.findKeyedRuns(args),
    listEnded: (args) => store.listEnded(args),
    listRuns: (args) => store.listRuns(args),
    listTree: (args) => store.listTree(args),
    listChildOutputs: (args) => store.listChildOutputs(args),
    listSteps: (args) => store.listSteps(args),
    listUpstreams: (args) => store.listUpstreams(args),
    listEvents: (args) => store.listEvents(args),
    listTopic: (args) => store.listTopic(args),
    listLogs: (args) => store.listLogs(args),
    listMembers: (args) => store.listMembers(args),
    measureBacklog: (args) => store.measureBacklog(args),
    findManifest: (args) => store.findManifest(args),
    listDefinitions: (args) => store.listDefinitions(args),
  };
}

type ControlVerb =
  | "claimCleanUps"
  | "listOwed"
  | "noteObligations"
  | "listObligations"
  | "restartRuns"
  | "markRuns"
  | "forceEnds"
  | "forceOverdue"
  | "pauseRuns"
  | "resumeRuns"
  | "listPauses"
  | "findPauses"
  | "declareSchedules"
  | "listSchedules"
  | "findSchedule"
  | "dueSchedules"
  | "fireSchedules"
  | "pauseSchedule"
  | "removeSchedule"
  | "carryOutOnce"
  | "findAnswer";

/** The verbs by which people, schedules and obligations control runs: none of them merges. */
function controlOf(store: Store): Pick<Store, ControlVerb> {
  return {
    claimCleanUps: (args) => store.claimCleanUps(args),
    listOwed: (args) => store.listOwed(args),
    noteObligations: (args) => store.noteObligations(args),
    listObligations: (args) => store.listObligations(args),
    restartRuns: (args) => store.restartRuns(args),
    markRuns: (args) => store.markRuns(args),
    forceEnds: (args) => store.forceEnds(args),
    forceOverdue: (args) => store.forceOverdue(args),
    pauseRuns: (args) => store.pauseRuns(args),
    resumeRuns: (args) => store.resumeRuns(args),
    listPauses: (args) => store.listPauses(args),
    findPauses: (args) => store.findPauses(args),
    declareSchedules: (args) => store.declareSchedules(args),
    listSchedules: (args) => store.listSchedules(args),
    findSchedule: (args) => store.findSchedule(args),
    dueSchedules: (args) => store.dueSchedules(args),
    fireSchedules: (args) => store.fireSchedules(args),
    pauseSchedule: (args) => store.pauseSchedule(args),
    removeSchedule: (args) => store.removeSchedule(args),
    carryOutOnce: (args) => store.carryOutOnce(args),
    findAnswer: (args) => store.findAnswer(args),
  };
}

interface DefinitionName {
  readonly namespace: string;
  readonly id: string;
}

/** Many callers start runs of one definition: those that ask at the same time share one read, made after they all asked. */
function findTogether(store: Store, names: readonly DefinitionName[]): Promise<(DefinitionRow | undefined)[]> {
  const reads = new Map<string, Promise<DefinitionRow | undefined>>();
  const answers = names.map((name) => {
    const place = JSON.stringify([name.namespace, name.id]);
    const read = reads.get(place) ?? store.findDefinition(name);
    reads.set(place, read);
    return read;
  });
  return Promise.all(answers);
}

interface Call<Row, Result> {
  readonly rows: readonly Row[];
  readonly bytes: number;
  readonly resolve: (results: Result[]) => void;
  readonly reject: (error: unknown) => void;
}

/** The waiting calls of one verb. */
class Line<Row, Result> {
  readonly #verb: (rows: readonly Row[]) => Promise<Result[]>;
  readonly #options: MergingOptions;
  readonly #inFlight: number;
  readonly #weight: (rows: readonly Row[]) => number;
  #waiting: Call<Row, Result>[] = [];
  #underWay = 0;
  #scheduled = false;
  readonly #idle: (() => void)[] = [];

  /** `bytesOf`: what a call takes of a batch; absent: its rows as JSON. */
  constructor(
    verb: (rows: readonly Row[]) => Promise<Result[]>,
    options: MergingOptions,
    inFlight: number,
    bytesOf: (rows: readonly Row[]) => number = weight,
  ) {
    this.#verb = verb;
    this.#options = options;
    this.#inFlight = inFlight;
    this.#weight = bytesOf;
  }

  call(rows: readonly Row[]): Promise<Result[]> {
    if (rows.length === 0) return Promise.resolve([]);
    if (this.#waiting.length >= maxWaitingCalls) {
      return Promise.reject(new AppError("limit_exceeded", `${maxWaitingCalls} calls wait for the store already.`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, bytes: this.#weight(rows), resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      // After the callbacks of this turn, so that everything that arrived together goes together.
      setImmediate(() => {
        this.#scheduled = false;
        this.#send();
      });
    });
  }

  /** Resolves once nothing waits and nothing is under way. */
  drained(): Promise<void> {
    if (this.#underWay === 0 && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #send(): void {
    while (this.#underWay < this.#inFlight && this.#waiting.length > 0) {
      this.#underWay += 1;
      void this.#deliver(this.#takeBatch()).finally(() => {
        this.#underWay -= 1;
        this.#send();
      });
    }
    if (this.#underWay > 0 || this.#waiting.length > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #takeBatch(): Call<Row, Result>[] {
    let count = 0;
    let rows = 0;
    let bytes = 0;
    for (const call of this.#waiting) {
      rows += call.rows.length;
      bytes += call.bytes;
      if (count > 0 && (rows > limits.batchRows || bytes > maxBatchBytes)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Carries out a batch and answers its calls. Never rejects. */
  async #deliver(calls: readonly Call<Row, Result>[]): Promise<void> {
    try {
      const results = await this.#repeated(calls.flatMap((call) => call.rows));
      let from = 0;
      for (const call of calls) {
        call.resolve(results.slice(from, from + call.rows.length));
        from += call.rows.length;
      }
    } catch (error) {
      if (calls.length === 1 || (isAppError(error) && storeCodes.has(error.code))) {
        for (const call of calls) call.reject(error);
        return;
      }
      const half = calls.length >> 1;
      await this.#deliver(calls.slice(0, half));
      await this.#deliver(calls.slice(half));
    }
  }

  async #repeated(rows: readonly Row[]): Promise<Result[]> {
    const { clock, repeats = 4, repeatMs = 50 } = this.#options;
    for (let repeat = 0; ; repeat++) {
      try {
        return await this.#verb(rows);
      } catch (error) {
        if (repeat >= repeats || !isAppError(error, "store_unavailable")) throw error;
      }
      await clock.sleep(Math.min(longestPauseMs, repeatMs * 2 ** repeat));
    }
  }
}

/** What is asked for may be as large as values can be: so a batch's answer is bounded. */
function readBytes(rows: readonly StateQuery[]): number {
  return rows.reduce((sum, { keys }) => sum + keys.length, 0) * limits.stateValueBytes;
}

/** About how many bytes the rows take as JSON: enough to keep a batch within bounds. */
function weight(value: unknown): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 8;
  let bytes = 2;
  if (Array.isArray(value)) for (const item of value) bytes += weight(item);
  else for (const name in value) bytes += name.length + 3 + weight((value as Record<string, unknown>)[name]);
  return bytes;
}
