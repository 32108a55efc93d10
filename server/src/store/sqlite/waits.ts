import type { JobLoad, KeptSignal, WaitRow, WaitsOrder, WaitsResult } from "../../core/index.ts";
import { admitSignal, admitWaits } from "../wait-admission.ts";
import type { SignalledResult, SignalRequest } from "../wait-verbs.ts";
import type { Connection } from "./connection.ts";
import { lastNumber } from "./job-rows.ts";
import { findKey, insertKey } from "./keys.ts";
import { ringChanges } from "./rings.ts";
import { loadRuns } from "./run-rows.ts";
import { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";
import { knownOf, selectSignals, selectWaits } from "./wait-rows.ts";

// Open waits and kept signals (core/waits.ts has the rules).

export function openWaits(turn: Turn, { rows }: { rows: readonly WaitsOrder[] }): WaitsResult[] {
  admitWaits(rows);
  const { db, now } = turn;
  const stored = new StoredLedger(db, now);
  const { ledger } = stored;
  stored.take(loadRuns(db, [...new Set(rows.map(({ runId }) => runId))]));
  for (const row of rows) {
    const generation = ledger.row(row.runId)?.generation ?? 0;
    const known = knownOf(db, row, generation);
    ledger.loadWaits(known);
    ledger.loadJobs({ numbers: numbersOf(db, row, generation) });
    // Those whose calls are dropped are ordered to end.
    const dropped = new Set(row.settles.flatMap(({ drops }) => drops));
    const calls = (known.waits ?? []).filter(({ key }) => dropped.has(key));
    stored.take(
      loadRuns(
        db,
        calls.flatMap(({ childId }) => childId ?? []),
      ),
    );
  }
  const results = rows.map((row) => ledger.openWaits(row));
  stored.settle();
  ringChanges(turn, stored.write(), stored);
  return results;
}

/** The last submissions under the keys for which jobs are to be opened. */
function numbersOf(db: Connection, { runId, opens }: WaitsOrder, generation: number): NonNullable<JobLoad["numbers"]> {
  return opens.flatMap(({ key, job }) => {
    const number = job === undefined ? undefined : lastNumber(db, { runId, generation, key });
    return number === undefined ? [] : [{ runId, generation, key, number }];
  });
}

export function signalRun(turn: Turn, args: SignalRequest): SignalledResult {
  admitSignal(args);
  const { request, ...order } = args;
  const { db, now } = turn;
  const scope = { kind: "signal", scope: order.runId } as const;
  const stored = new StoredLedger(db, now);
  const { ledger } = stored;
  stored.take(loadRuns(db, [order.runId]));
  const namespace = ledger.row(order.runId)?.namespace ?? "";
  const known = request === null ? undefined : findKey(db, { ...scope, namespace, key: request.key });
  if (known !== undefined) return { outcome: known.hash === request?.hash ? "repeated" : "request_conflict" };
  const waits = selectWaits(db, "WHERE run_id = ? AND signal = ? ORDER BY seq LIMIT 1", order.runId, order.name);
  ledger.loadWaits({ waits, signals: selectSignals(db, order.runId) });
  const result = ledger.signal(order);
  const isDone = result.outcome === "delivered" || result.outcome === "kept";
  if (isDone && request !== null) {
    insertKey(db, { ...scope, namespace, uniqueness: request, runId: order.runId, now });
  }
  stored.settle();
  ringChanges(turn, stored.write(), stored);
  return result;
}

export function listWaits({ db }: Turn, { runId, limitRows }: { runId: string; limitRows: number }): WaitRow[] {
  return selectWaits(db, "WHERE run_id = ? ORDER BY seq LIMIT ?", runId, limitRows);
}

export function listSignals({ db }: Turn, { runId, limitRows }: { runId: string; limitRows: number }): KeptSignal[] {
  return db.list("SELECT number, name, at FROM signals WHERE run_id = ? ORDER BY number LIMIT ?", runId, limitRows);
}

/** Ends waits whose moment has come; answers how many, and when the next one's will. */
export function endDueWaits(turn: Turn, limitRows: number): { ended: number; nextAt: number | null } {
  const { db, now } = turn;
  const due = selectWaits(
    db,
    "INDEXED BY waits_due WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
    now,
    limitRows,
  );
  if (due.length > 0) {
    const stored = new StoredLedger(db, now);
    stored.take(loadRuns(db, [...new Set(due.map(({ runId }) => runId))]));
    stored.ledger.loadWaits({ waits: due });
    for (const wait of due) stored.ledger.endWait(wait);
    ringChanges(turn, stored.write(), stored);
  }
  const next = db.find<{ at: number }>(
    "SELECT due_at AS at FROM waits INDEXED BY waits_due WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1",
  );
  return { ended: due.length, nextAt: next?.at ?? null };
}
