import type { Json, RunStatus } from "@holdfast/protocol";
import {
  type Ending,
  type Expansion,
  expiryData,
  expiryEnding,
  type Finish,
  type FinishResult,
  isEnded,
  type LedgerChanges,
  type RunRow,
} from "../../core/index.ts";
import { admitExpansions, admitFinishes, admitText } from "../admission.ts";
import { listText } from "./connection.ts";
import { selectLeanRuns } from "./run-rows.ts";
import { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";

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
  ringChanges(turn, stored.write(), stored.ledger.readied);
  return results;
}

export function orderEnd(
  turn: Turn,
  { runId, ending, data }: { runId: string; ending: Ending; data: Json },
): { requested: number; status: RunStatus } | undefined {
  admitText([{ runId, ending, data }]);
  const stored = new StoredLedger(turn.db, turn.now);
  stored.take(liveTree(turn, runId));
  const requested = stored.ledger.order(runId, ending, data);
  stored.settle();
  ringChanges(turn, stored.write(), stored.ledger.readied);
  const status = stored.ledger.row(runId)?.status;
  return status === undefined ? undefined : { requested, status };
}

export function expireRuns(
  turn: Turn,
  { limitRows }: { limitRows: number },
): { expired: number; nextInMs: number | null } {
  const { db, now } = turn;
  const due = db.list<{ id: string; createdAt: number; expiresAt: number }>(
    `SELECT id, created_at AS createdAt, expires_at AS expiresAt FROM runs INDEXED BY runs_expiring
     WHERE expires_at IS NOT NULL AND ending IS NULL AND ended_at IS NULL AND expires_at <= ?
     ORDER BY expires_at, seq LIMIT ?`,
    now,
    limitRows,
  );
  // All of them first and then what follows: a run whose time is over is not skipped for want of another such.
  const stored = new StoredLedger(db, now);
  for (const { id } of due) stored.take(liveTree(turn, id));
  const expired = due.filter((run) => stored.ledger.order(run.id, expiryEnding(run), expiryData) > 0).length;
  if (due.length > 0) {
    stored.settle();
    ringChanges(turn, stored.write(), stored.ledger.readied);
  }
  const next = db.find<{ at: number }>(
    `SELECT expires_at AS at FROM runs INDEXED BY runs_expiring
     WHERE expires_at IS NOT NULL AND ending IS NULL AND ended_at IS NULL ORDER BY expires_at LIMIT 1`,
  );
  return { expired, nextInMs: next === undefined ? null : Math.max(0, next.at - now) };
}

export function wakeRuns(turn: Turn, { limitRows }: { limitRows: number }): { woken: number; nextInMs: number | null } {
  const { db, now } = turn;
  const due = db.list<{ seq: number }>(
    `SELECT seq FROM runs INDEXED BY runs_due
     WHERE status = 'ready' AND wake_at IS NOT NULL AND wake_at <= ? ORDER BY wake_at, seq LIMIT ?`,
    now,
    limitRows,
  );
  if (due.length > 0) {
    db.run(
      "UPDATE runs SET wake_at = NULL WHERE seq IN (SELECT value FROM json_each(?))",
      listText(due.map((row) => row.seq)),
    );
    turn.ring("ready");
  }
  const next = db.find<{ at: number }>(
    `SELECT wake_at AS at FROM runs INDEXED BY runs_due
     WHERE status = 'ready' AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1`,
  );
  return { woken: due.length, nextInMs: next === undefined ? null : Math.max(0, next.at - now) };
}

/** The run and the live ones below it: an ended run has none below. */
function liveTree({ db }: Turn, id: string): RunRow[] {
  const rows = selectLeanRuns(db, "WHERE id = ?", id).map((row) => row.run);
  let parents = rows.filter((run) => !isEnded(run.status));
  while (parents.length > 0) {
    const ids = listText(parents.map((run) => run.id));
    const below = selectLeanRuns(
      db,
      "INDEXED BY runs_children WHERE parent_id IN (SELECT value FROM json_each(?)) AND ended_at IS NULL",
      ids,
    );
    parents = below.map((row) => row.run);
    rows.push(...parents);
  }
  return rows;
}

/** Rings for what a ledger has changed. */
export function ringChanges({ ring }: Turn, changes: LedgerChanges, readied: number): void {
  if (changes.events.length > 0) ring("events");
  if (readied > 0) ring("ready");
  for (const run of changes.updated) {
    if (isEnded(run.status)) ring("ended");
    else if (run.status === "cancelling" && run.claimedBy !== null) ring("cancelling");
  }
}
