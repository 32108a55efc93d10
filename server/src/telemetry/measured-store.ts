import { isAppError } from "@holdfast/protocol";
import { type JobNoteResult, memberGone, type RunRow, type StateResult, type StateTransaction } from "../core/index.ts";
import type { Forced, Store, StoreVerb } from "../store/store.ts";
import type { Metrics } from "./metrics.ts";
import type { EndedActivation, Observer } from "./observer.ts";
import type { Telemetry } from "./telemetry.ts";

/** Told of a call's answer; the arguments are what was asked. */
type Readers = {
  readonly [V in StoreVerb]?: (answer: Awaited<ReturnType<Store[V]>>, args: Parameters<Store[V]>[0]) => void;
};

/**
 * The same store, whose calls are timed and whose answers are counted. It belongs below `mergeCalls`: there a call is a batch,
 * and is answered once.
 */
export function measureStore(store: Store, { metrics, observer }: Pick<Telemetry, "metrics" | "observer">): Store {
  const readers = readersFor(metrics, observer);
  const measured = new Map<PropertyKey, unknown>();
  return new Proxy(store, {
    get(target, name) {
      const known = measured.get(name);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const call = unmeasured.has(name)
        ? value.bind(target)
        : timed({ metrics, verb: String(name), call: value.bind(target), read: readers[name as StoreVerb] });
      measured.set(name, call);
      return call;
    },
  });
}

/** No calls of the database, or such as last as long as somebody listens. */
const unmeasured: ReadonlySet<PropertyKey> = new Set(["ring", "onRing", "close"]);

interface Timing {
  readonly metrics: Metrics;
  readonly verb: string;
  readonly call: (args: unknown) => unknown;
  readonly read: ((answer: never, args: never) => void) | undefined;
}

function timed({ metrics, verb, call, read }: Timing): (args: unknown) => unknown {
  return (args) => {
    const began = performance.now();
    const answer = call(args);
    if (!(answer instanceof Promise)) return answer;
    if (hasRows(args)) metrics.batchRows.observe(args.rows.length, verb);
    return answer.then(
      (result) => {
        metrics.storeSeconds.observe((performance.now() - began) / 1_000, verb);
        read?.(result as never, args as never);
        return result;
      },
      (error: unknown) => {
        metrics.storeSeconds.observe((performance.now() - began) / 1_000, verb);
        metrics.storeErrors.add(1, verb, isAppError(error) ? error.code : "internal");
        throw error;
      },
    );
  };
}

/** Nobody knows how long it ran; where the run stands since then, another answer tells. */
function takenOver(run: RunRow): EndedActivation {
  const error = memberGone(run.claimedBy ?? "");
  return { run, outcome: "lost", status: "ready", error, ranMs: 0, at: Date.now() };
}

function hasRows(args: unknown): args is { readonly rows: readonly unknown[] } {
  return typeof args === "object" && args !== null && "rows" in args && Array.isArray(args.rows);
}

/** What transactions of state have told of assets. */
function assetsChanged(metrics: Metrics, results: readonly StateResult[], rows: readonly StateTransaction[]): void {
  for (const [index, result] of results.entries()) {
    if (result.outcome !== "applied") continue;
    for (const [place, { emitted, changed }] of result.results.entries()) {
      if (emitted === true) metrics.assetEvents.add(1);
      if (changed === true && rows[index]?.ops[place]?.op === "advance") metrics.watermarks.add(1);
    }
  }
}

function readersFor(metrics: Metrics, observer: Observer): Readers {
  const claimed = (run: RunRow) => {
    const queue = metrics.queues.of(run.queue);
    metrics.runsClaimed.add(1, queue);
    if (run.epoch !== 1 || run.parentId !== null || run.claimedAt === null) return;
    metrics.startDelay.observe(Math.max(0, run.claimedAt - run.createdAt) / 1_000, queue);
  };
  const jobsNoted = (results: readonly JobNoteResult[]) => {
    for (const result of results) {
      if (result.outcome === "noted" && result.ended !== undefined) observer.runsEnded(result.ended);
    }
  };
  return {
    enqueueRuns: (results) => {
      for (const result of results) {
        if (result.outcome !== "created") {
          metrics.enqueueRepeats.add(1, result.outcome);
          continue;
        }
        metrics.runsEnqueued.add(1, metrics.definitions.of(result.run.definition));
        if (result.run.claimedBy !== null) claimed(result.run);
      }
    },
    claimRuns: (runs) => runs.forEach(claimed),
    expandRuns: (results, { rows }) => {
      for (const [index, result] of results.entries()) {
        if (result.outcome !== "finished" || result.status !== "waiting") continue;
        for (const child of rows[index]?.children ?? []) {
          metrics.runsEnqueued.add(1, metrics.definitions.of(child.definition));
        }
      }
    },
    finishActivations: (results) => {
      for (const result of results) {
        if (result.outcome === "finished" && result.ended !== undefined) observer.runsEnded(result.ended);
      }
    },
    noteJobs: jobsNoted,
    judgeMembers: ({ judged, taken, ended = [], lost = [] }) => {
      for (const run of lost) observer.activationEnded(takenOver(run));
      observer.runsEnded(ended);
      metrics.judgedMembers.add(judged.length);
      metrics.takeovers.add(taken);
    },
    forceEnds: ({ ended = [] }) => observer.runsEnded(ended),
    forceOverdue: ({ ended = [] }) => observer.runsEnded(ended),
    carryOutOnce: (result, { call }) => {
      if (result.outcome !== "done") return;
      if (call.verb === "transactState") assetsChanged(metrics, result.answer as StateResult[], call.args.rows);
      if (call.verb === "noteJobs") jobsNoted(result.answer as JobNoteResult[]);
      if (call.verb === "forceEnds") observer.runsEnded((result.answer as Forced).ended ?? []);
    },
    transactState: (results, { rows }) => assetsChanged(metrics, results, rows),
    consumeEvents: (results, { rows }) => {
      for (const [index, result] of results.entries()) {
        if (result.outcome !== "consumed" || result.run.outcome !== "created") continue;
        metrics.startedByEvents.add(1, metrics.definitions.of(rows[index]?.definition ?? ""));
      }
    },
    renewMember: (renewed) => metrics.renewals.add(1, renewed ? "renewed" : "refused"),
    sequenceEvents: ({ moved }) => metrics.sequenced.add(moved),
    wakeRuns: ({ woken }) => metrics.woken.add(woken),
    expireRuns: ({ expired }) => metrics.expired.add(expired),
  };
}
