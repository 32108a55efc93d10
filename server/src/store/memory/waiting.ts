import type { JobLoad, SignalRow, WaitLoad, WaitsOrder, WaitsResult } from "../../core/index.ts";
import type { SignalledResult, SignalRequest } from "../wait-verbs.ts";
import type { Memory } from "./memory.ts";
import { signalName } from "./names.ts";

export function openWaits(memory: Memory, rows: readonly WaitsOrder[]): WaitsResult[] {
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(rows.flatMap(({ runId }) => memory.runs.find(runId) ?? []));
  for (const row of rows) ledger.loadWaits(knownOf(memory, row));
  ledger.loadJobs({ numbers: rows.flatMap((row) => numbersOf(memory, row)) });
  // Those whose calls are dropped are ordered to end.
  for (const { runId, settles } of rows) {
    const dropped = new Set(settles.flatMap(({ drops }) => drops));
    const calls = memory.waits.of(runId).filter(({ key }) => dropped.has(key));
    ledger.load(calls.flatMap(({ childId }) => memory.runs.find(childId ?? "") ?? []));
  }
  const results = rows.map((row) => ledger.openWaits(row));
  memory.commit(ledger);
  return results;
}

export function signalRun(memory: Memory, { request, ...order }: SignalRequest): SignalledResult {
  const { runId } = order;
  const now = memory.now();
  const known = request === null ? undefined : memory.names.find(signalName(runId, request.key));
  if (known !== undefined) return { outcome: known.hash === request?.hash ? "repeated" : "request_conflict" };
  const ledger = memory.decisions.newLedger(now);
  const run = memory.runs.find(runId);
  ledger.load(run === undefined ? [] : [run]);
  const waits = memory.waits.of(runId).filter(({ signal }) => signal === order.name);
  ledger.loadWaits({ waits, signals: memory.waits.signalsOf(runId) });
  const result = ledger.signal(order);
  memory.commit(ledger);
  const isDone = result.outcome === "delivered" || result.outcome === "kept";
  if (isDone && request !== null) memory.names.keep(signalName(runId, request.key), request, { runId }, now);
  return result;
}

/** Ends waits whose moment has come; answers how many. */
export function endDueWaits(memory: Memory, limitRows: number): number {
  const now = memory.now();
  const ledger = memory.decisions.newLedger(now);
  let ended = 0;
  for (let wait = memory.waits.takeDue(now); wait !== undefined; wait = memory.waits.takeDue(now)) {
    const run = memory.runs.find(wait.runId);
    ledger.load(run === undefined ? [] : [run]);
    ledger.loadWaits({ waits: [wait] });
    ledger.endWait(wait);
    ended += 1;
    if (ended === limitRows) break;
  }
  if (ended > 0) memory.commit(ledger);
  return ended;
}

/** What is known of the keys that an order names. */
function knownOf(memory: Memory, { runId, opens, settles, suspend }: WaitsOrder): WaitLoad {
  const generation = memory.runs.find(runId)?.generation ?? 0;
  const named = [...opens, ...settles].map(({ key }) => key);
  const keys = new Set([...named, ...settles.flatMap(({ drops }) => drops), ...(suspend?.groups.flat() ?? [])]);
  const recorded = memory.steps.find(runId, generation, keys);
  const wantsSignals = opens.some(({ signal }) => signal !== null);
  const signals: readonly SignalRow[] = wantsSignals ? memory.waits.signalsOf(runId) : [];
  return {
    waits: memory.waits.of(runId).filter(({ key }) => keys.has(key)),
    records: recorded.map(({ key, value }) => ({ runId, generation, key, value })),
    signals,
    used: [{ runId, ...memory.steps.used(runId, generation) }],
  };
}

/** The last submissions under the keys for which jobs are to be opened. */
function numbersOf(memory: Memory, { runId, opens }: WaitsOrder): NonNullable<JobLoad["numbers"]> {
  const generation = memory.runs.find(runId)?.generation ?? 0;
  return opens.flatMap(({ key, job }) => {
    const number = job === undefined ? 0 : memory.jobs.lastNumber({ runId, generation, key });
    return number === 0 ? [] : [{ runId, generation, key, number }];
  });
}
