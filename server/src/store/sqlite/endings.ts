import type { Json, RunStatus } from "@holdfast/protocol";
import {
  belowOf,
  type Ending,
  type Expansion,
  expiryData,
  expiryEnding,
  type Finish,
  type FinishResult,
  leastDueMs,
  type RunRow,
  withAftermath,
} from "../../core/index.ts";
import { admitExpansions, admitFinishes, admitText } from "../admission.ts";
import { anySpreading } from "./claims.ts";
import { listText } from "./connection.ts";
import { arriveAtGates, endStarts, nextStartEnd, reviewGates } from "./gates.ts";
import { letGoSome } from "./pauses.ts";
import { ringChanges } from "./rings.ts";
import { loadRuns, selectLeanRuns } from "./run-rows.ts";
import { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";
import { endDueWaits } from "./waits.ts";

// Ends and what follows from them, decided by core's ledger (P2, P3, P6).

export function finishActivations(turn: Turn, { rows }: { rows: readonly Finish[] }): FinishResult[] {
  admitFinishes(rows);
  return follow(turn, rows, (stored, row) => stored.ledger.finish(row));
}

export function expandRuns(turn: Turn, { rows }: { rows: readonly Expansion[] }): FinishResult[] {
  admitExpansions(rows);
  return follow(turn, rows, (stored, row) => stored.ledger.expand(row));
}

function follow<Row extends { readonly runId: string }>(
  turn: Turn,
  rows: readonly Row[],
  decide: (stored: StoredLedger, row: Row) => FinishResult,
): FinishResult[] {
  const stored = new StoredLedger(turn.db, turn.now);
  stored.load([...new Set(rows.map((row) => row.runId))]);
  const results = rows.map((row) => decide(stored, row));
  stored.settle();
  ringChanges(turn, stored.write(), stored);
  return withAftermath(results, rows, stored.ledger);
}

export function orderEnd(
  turn: Turn,
  { runId, ending, data, limitRows }: { runId: string; ending: Ending; data: Json; limitRows: number },
): { requested: number; status: RunStatus } | undefined {
  admitText([{ runId, ending, data }]);
  const { ledger } = spread(turn, [runId], limitRows, ({ ledger }) =>
    ledger.order(runId, ending, data) ? [runId] : [],
  );
  const status = ledger.row(runId)?.status;
  return status === undefined ? undefined : { requested: ledger.reached, status };
}

export function spreadOrders(turn: Turn, { limitRows }: { limitRows: number }): { reached: number; more: boolean } {
  const { db, ring } = turn;
  const ids = db
    .list<{ id: string }>(
      "SELECT id FROM runs INDEXED BY runs_spreading WHERE spreading = 1 ORDER BY root_id, seq LIMIT ?",
      limitRows,
    )
    .map(({ id }) => id);
  if (ids.length === 0) return { reached: 0, more: false };
  const { ledger } = spread(turn, ids, limitRows, () => ids);
  const more = anySpreading(db);
  // What lies beside a run that was ordered may be claimed again.
  if (!more) ring("ready");
  return { reached: ledger.reached, more };
}

export function expireRuns(
  turn: Turn,
  { limitRows }: { limitRows: number },
): { expired: number; nextInMs: number | null } {
  const { db, now } = turn;
  const due = db.list<{ id: string; createdAt: number; expiresAt: number; expiresFrom: number | null }>(
    `SELECT id, created_at AS createdAt, expires_at AS expiresAt, expires_from AS expiresFrom FROM runs INDEXED BY runs_expiring
     WHERE expires_at IS NOT NULL AND ending IS NULL AND ended_at IS NULL AND expires_at <= ?
     ORDER BY expires_at, seq LIMIT ?`,
    now,
    limitRows,
  );
  if (due.length > 0) {
    const ids = due.map(({ id }) => id);
    spread(turn, ids, limitRows, ({ ledger }) => {
      for (const run of due) ledger.order(run.id, expiryEnding(run), expiryData);
      return ids;
    });
  }
  const next = db.find<{ at: number }>(
    `SELECT expires_at AS at FROM runs INDEXED BY runs_expiring
     WHERE expires_at IS NOT NULL AND ending IS NULL AND ended_at IS NULL ORDER BY expires_at LIMIT 1`,
  );
  return { expired: due.length, nextInMs: next === undefined ? null : Math.max(0, next.at - now) };
}

/** Loads runs and hands the orders of those that `decide` answers on to `limitRows` runs below, level by level. */
function spread(
  turn: Turn,
  ids: readonly string[],
  limitRows: number,
  decide: (stored: StoredLedger) => readonly string[],
): StoredLedger {
  const stored = new StoredLedger(turn.db, turn.now);
  const { ledger } = stored;
  stored.take(loadRuns(turn.db, ids));
  let parents = decide(stored).filter((id) => ledger.row(id)?.spreading === true);
  for (let left = limitRows; parents.length > 0 && left > 0; ) {
    const found = unreachedBelow(turn, parents, left);
    stored.take(found);
    parents = ledger.spread(belowOf(parents, found, left));
    left -= found.length;
  }
  stored.settle();
  ringChanges(turn, stored.write(), stored);
  return stored;
}

/** For each of the parents in turn its live children that no order has reached, in the order of insertion. */
function unreachedBelow({ db }: Turn, parentIds: readonly string[], limitRows: number): RunRow[] {
  const found: RunRow[] = [];
  for (const parentId of parentIds) {
    if (found.length === limitRows) break;
    const rows = selectLeanRuns(
      db,
      `INDEXED BY runs_unreached
       WHERE parent_id = ? AND parent_id IS NOT NULL AND ending IS NULL AND ended_at IS NULL ORDER BY seq LIMIT ?`,
      parentId,
      limitRows - found.length,
    );
    found.push(...rows.map(({ run }) => run));
  }
  return found;
}

export function wakeRuns(turn: Turn, { limitRows }: { limitRows: number }): { woken: number; nextInMs: number | null } {
  const { db, now } = turn;
  const due = db.list<{ seq: number; limits: number }>(
    `SELECT seq, limits IS NOT NULL AS limits FROM runs INDEXED BY runs_due
     WHERE status = 'ready' AND wake_at IS NOT NULL AND wake_at <= ? ORDER BY wake_at, seq LIMIT ?`,
    now,
    limitRows,
  );
  if (due.length > 0) {
    db.run(
      "UPDATE runs SET wake_at = NULL WHERE seq IN (SELECT value FROM json_each(?))",
      listText(due.map((row) => row.seq)),
    );
    arriveAtGates(
      db,
      due.filter(({ limits }) => limits === 1).map(({ seq }) => seq),
      now,
    );
    turn.ring("ready");
  }
  const waits = endDueWaits(turn, limitRows);
  const woken = due.length + waits.ended;
  const ended = endStarts(db, now, limitRows);
  const { admitted, more } = reviewGates(db, now);
  if (ended.admitted + admitted > 0) turn.ring("ready");
  const held = letGoSome(turn, limitRows);
  if (more.length > 0 || held.more) return { woken, nextInMs: 0 };
  const next = db.find<{ at: number }>(
    `SELECT wake_at AS at FROM runs INDEXED BY runs_due
     WHERE status = 'ready' AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1`,
  );
  const startAt = nextStartEnd(db);
  const moments = [next?.at, waits.nextAt, startAt === undefined ? undefined : Math.max(startAt, now + leastDueMs)];
  const nextAt = Math.min(...moments.map((at) => at ?? Number.POSITIVE_INFINITY));
  return { woken, nextInMs: nextAt === Number.POSITIVE_INFINITY ? null : Math.max(0, nextAt - now) };
}
