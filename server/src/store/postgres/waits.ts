import { Ledger, type WaitName, type WaitRow, type WaitsOrder, type WaitsResult } from "../../core/index.ts";
import type { RingTopic } from "../store.ts";
import type { SignalledResult, SignalRequest } from "../wait-verbs.ts";
import { findLastNumbers } from "./job-rows.ts";
import { findNames, takeNames } from "./names.ts";
import { toRun } from "./run-rows.ts";
import type { Transaction } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";
import { decideAndWrite, lockFreeRuns, lockRuns, nowOf } from "./settling.ts";
import {
  findNextDueWait,
  findRecords,
  findSignalWait,
  findUsed,
  findWaits,
  listDueWaits,
  listSignals,
} from "./wait-rows.ts";

// What bodies wait for (core/waits.ts has the rules). Whoever opens or ends a wait of a run, or sends it a signal, holds the run's
// row: a suspension that looks for records and a wait that ends never pass each other (W2).

/** See `Store.openWaits`. */
export async function openWaits(
  pool: SessionPool,
  rows: readonly WaitsOrder[],
): Promise<{ results: WaitsResult[]; topics: readonly RingTopic[] }> {
  const { value, topics } = await pool.transaction(async (transaction) => {
    const ids = [...new Set(rows.map(({ runId }) => runId))];
    const stored = await lockRuns(transaction, ids);
    const ledger = new Ledger(nowOf(stored));
    ledger.load(stored.map(toRun));
    await loadKnown(transaction, ledger, rows);
    return decideAndWrite(transaction, ledger, () => rows.map((row) => ledger.openWaits(row)));
  });
  return { results: value, topics };
}

/** What is known of the keys that orders name. */
async function loadKnown(transaction: Transaction, ledger: Ledger, rows: readonly WaitsOrder[]): Promise<void> {
  const names = rows.flatMap(({ runId, opens, settles, suspend }): WaitName[] => {
    const run = ledger.row(runId);
    if (run === undefined) return [];
    const named = [...opens, ...settles].map(({ key }) => key);
    const dropped = settles.flatMap(({ drops }) => drops);
    const keys = new Set([...named, ...dropped, ...(suspend?.groups.flat() ?? [])]);
    return [...keys].map((key) => ({ runId, generation: run.generation, key }));
  });
  if (names.length === 0) return;
  const ids = [...new Set(names.map(({ runId }) => runId))];
  const signalled = rows.filter(({ opens }) => opens.some(({ signal }) => signal !== null)).map(({ runId }) => runId);
  const named = rows.flatMap(({ runId, opens }) => {
    const { generation = 0 } = ledger.row(runId) ?? {};
    return opens.flatMap(({ key, job }) => (job === undefined ? [] : { runId, generation, key }));
  });
  const [waits, records, used, signals, numbers] = await Promise.all([
    findWaits(transaction, names),
    findRecords(transaction, names),
    findUsed(transaction, ids),
    signalled.length === 0 ? [] : listSignals(transaction, [...new Set(signalled)]),
    named.length === 0 ? [] : findLastNumbers(transaction, named),
  ]);
  ledger.loadWaits({ waits, records, used, signals });
  ledger.loadJobs({ numbers });
  const dropped = new Set(
    rows.flatMap(({ runId, settles }) => settles.flatMap(({ drops }) => drops.map((key) => `${runId}/${key}`))),
  );
  const calls = waits.flatMap(({ runId, key, childId }) =>
    dropped.has(`${runId}/${key}`) && childId !== null ? childId : [],
  );
  // Those whose calls are dropped are ordered to end.
  if (calls.length > 0) ledger.load((await lockRuns(transaction, calls)).map(toRun));
}

/** See `Store.signalRun`. */
export function signalRun(
  pool: SessionPool,
  order: SignalRequest,
): Promise<{ result: SignalledResult; topics: readonly RingTopic[] }> {
  return pool.transaction((transaction) => signalRunWithin(transaction, order));
}

/** The same as a part of a transaction. */
export async function signalRunWithin(
  transaction: Transaction,
  { request, ...order }: SignalRequest,
): Promise<{ result: SignalledResult; topics: readonly RingTopic[] }> {
  const { runId, name } = order;
  const stored = await lockRuns(transaction, [runId]);
  const ledger = new Ledger(nowOf(stored));
  ledger.load(stored.map(toRun));
  const { namespace = "" } = ledger.row(runId) ?? {};
  const named = {
    namespace,
    kind: "signal",
    definition: runId,
    name: request?.key ?? "",
    hash: request?.hash ?? "",
  } as const;
  const names = [{ ...named, runId, retentionMs: request?.retentionMs ?? 0 }];
  const [waits, signals, [known]] = await Promise.all([
    findSignalWait(transaction, runId, name),
    listSignals(transaction, [runId]),
    request === null ? [] : findNames(transaction, names),
  ]);
  if (known !== undefined) {
    return { result: { outcome: known.hash === request?.hash ? "repeated" : "request_conflict" }, topics: [] };
  }
  ledger.loadWaits({ waits, signals });
  const { value, topics } = await decideAndWrite(transaction, ledger, () => ledger.signal(order));
  const isDone = value.outcome === "delivered" || value.outcome === "kept";
  if (isDone && request !== null) await takeNames(transaction, names);
  return { result: value, topics };
}

/** Until the next look at waits whose runs others held. */
const passedOverMs = 50;

/** Ends waits whose moment has come; answers how many, and how long until the next one's. */
export async function endDueWaits(
  pool: SessionPool,
  limitRows: number,
): Promise<{ ended: number; nextInMs: number | null; topics: readonly RingTopic[] }> {
  const due = await listDueWaits(pool, limitRows);
  const { value: ended, topics } = due.length === 0 ? { value: 0, topics: [] } : await endThem(pool, due);
  const [next] = await findNextDueWait(pool);
  // Those that were passed over are due all the same.
  const leastMs = ended < due.length ? passedOverMs : 0;
  return { ended, nextInMs: next === undefined ? null : Math.max(next.in_ms, leastMs), topics };
}

function endThem(pool: SessionPool, due: readonly WaitRow[]) {
  return pool.transaction(async (transaction) => {
    // Runs that others hold are passed over: a node may have been stopped with one in its hands, and all nodes look at the same page.
    const stored = await lockFreeRuns(transaction, [...new Set(due.map(({ runId }) => runId))]);
    const held = new Set(stored.map(({ id }) => id));
    const ledger = new Ledger(nowOf(stored));
    ledger.load(stored.map(toRun));
    // As they are now that their runs are held: another node may have ended them.
    ledger.loadWaits({ waits: await findWaits(transaction, due) });
    return decideAndWrite(
      transaction,
      ledger,
      () => due.filter((wait) => held.has(wait.runId) && ledger.endWait(wait)).length,
    );
  });
}
