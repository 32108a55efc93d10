import type { Json } from "@holdfast/protocol";
import {
  type GateChange,
  Ledger,
  letGo,
  limitsAside,
  type PauseRow,
  type PauseTarget,
  pauseId,
  pausesOver,
  type RunRow,
} from "../../core/index.ts";
import { admitText } from "../admission.ts";
import type { PauseResult } from "../store.ts";
import { type Connection, listText } from "./connection.ts";
import { appendEvents } from "./events.ts";
import { passGates } from "./gates.ts";
import { loadRuns, selectLeanRuns, updateRun } from "./run-rows.ts";
import type { Turn } from "./turn.ts";

// Pauses and their gates (core/pauses.ts).

const columns = "namespace, kind, name, since, reason";

export function pauseRuns(turn: Turn, { target, reason }: { target: PauseTarget; reason: string | null }): PauseResult {
  admitText([{ target, reason }]);
  const { db, now } = turn;
  const refusal = refuse(db, target);
  if (refusal !== undefined) return refusal;
  const before = findPause(db, pauseId(target));
  if (before !== undefined) return { outcome: "unchanged", since: before.since };
  db.run(
    `INSERT INTO pauses (id, ${columns}) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET since = excluded.since, reason = excluded.reason, over = 0`,
    pauseId(target),
    target.namespace,
    target.kind,
    target.name,
    now,
    reason,
  );
  remark(turn, target, "run.paused", { reason });
  return { outcome: "done", since: now };
}

export function resumeRuns(turn: Turn, { target, limitRows }: { target: PauseTarget; limitRows: number }): PauseResult {
  const { db } = turn;
  const refusal = refuse(db, target);
  if (refusal !== undefined) return refusal;
  const before = findPause(db, pauseId(target));
  if (before === undefined) return { outcome: "unchanged", since: null };
  db.run("UPDATE pauses SET over = 1 WHERE id = ?", pauseId(target));
  remark(turn, target, "run.resumed", { since: before.since });
  letGoSome(turn, limitRows);
  return { outcome: "done", since: before.since };
}

export function listPauses(
  { db }: Turn,
  args: { namespace: string; kind?: PauseRow["kind"]; after?: string; limitRows: number },
): PauseRow[] {
  const { namespace, kind = null, after = "", limitRows } = args;
  return db.list<PauseRow>(
    `SELECT ${columns} FROM pauses p
     WHERE namespace = ? AND over = 0 AND id > ? AND (? IS NULL OR kind = ?)
       AND (kind <> 'run' OR EXISTS (SELECT 1 FROM runs r WHERE r.id = p.name AND r.ended_at IS NULL))
     ORDER BY id LIMIT ?`,
    namespace,
    after,
    kind,
    kind,
    limitRows,
  );
}

export function findPauses({ db }: Turn, { runId }: { runId: string }): PauseRow[] {
  const [run] = loadRuns(db, [runId]);
  return run === undefined || run.endedAt !== null ? [] : pausesOf(db, run);
}

/** True where something is paused: mostly nothing is. */
export function anyPause(db: Connection): boolean {
  return db.find("SELECT 1 FROM pauses WHERE over = 0 LIMIT 1") !== undefined;
}

/** The pauses that stand over a run. */
export function pausesOf(db: Connection, run: RunRow): PauseRow[] {
  const ids = pausesOver([run, ...loadAbove(db, run)]);
  const rows = db.list<PauseRow>(
    `SELECT ${columns} FROM pauses WHERE id IN (SELECT value FROM json_each(?)) AND over = 0`,
    listText(ids),
  );
  const byId = new Map(rows.map((row) => [pauseId(row), row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** Puts claimable runs at the gates of the pauses that stand over them. */
export function putAside(
  db: Connection,
  paused: readonly { readonly run: RunRow; readonly pause: PauseRow }[],
  now: number,
): void {
  const changes = paused.map(({ run, pause }) => {
    db.run("UPDATE runs SET gate = ? WHERE id = ?", pauseId(pause), run.id);
    return { run, frees: limitsAside(run).map(({ id }) => id), arrives: false };
  });
  passGates(
    db,
    changes.filter(({ frees }) => frees.length > 0),
    now,
  );
}

/** Lets go of those who stand at gates of pauses that are over. */
export function letGoSome({ db, now, ring }: Turn, limitRows: number): { more: boolean } {
  let left = limitRows;
  const arrived: GateChange[] = [];
  for (const { id } of db.list<{ id: string }>(
    "SELECT id FROM pauses INDEXED BY pauses_over WHERE over = 1 ORDER BY id",
  )) {
    const standing = selectLeanRuns(
      db,
      "INDEXED BY runs_at_gates WHERE gate = ? ORDER BY rank, seq LIMIT ?",
      id,
      left + 1,
    );
    for (const { run } of standing.slice(0, left)) {
      const free = letGo(run);
      db.run("UPDATE runs SET gate = ? WHERE id = ?", free.gate, run.id);
      if (free.gate !== null) arrived.push({ run: free, frees: [], arrives: true });
    }
    if (standing.length > left) {
      left = 0;
      break;
    }
    left -= standing.length;
    db.run("DELETE FROM pauses WHERE id = ?", id);
  }
  passGates(db, arrived, now);
  if (left < limitRows) ring("ready");
  return { more: db.find("SELECT 1 FROM pauses INDEXED BY pauses_over WHERE over = 1 LIMIT 1") !== undefined };
}

/** Forgets the pauses of these runs. */
export function forgetPausesOf(db: Connection, runIds: readonly string[]): void {
  if (runIds.length === 0) return;
  db.run("DELETE FROM pauses WHERE kind = 'run' AND name IN (SELECT value FROM json_each(?))", listText(runIds));
}

/** Forgets the pauses of runs that are over. */
export function forgetPauses(db: Connection): void {
  db.run(
    `DELETE FROM pauses WHERE kind = 'run'
       AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = pauses.name AND r.ended_at IS NULL)`,
  );
}

/** The pause of this id that holds. */
export function findPause(db: Connection, id: string): PauseRow | undefined {
  return db.find<PauseRow>(`SELECT ${columns} FROM pauses WHERE id = ? AND over = 0`, id);
}

function loadAbove(db: Connection, run: RunRow): RunRow[] {
  const [parent] = run.parentId === null ? [] : loadRuns(db, [run.parentId]);
  return parent === undefined ? [] : [parent, ...loadAbove(db, parent)];
}

function refuse(db: Connection, { kind, name, namespace }: PauseTarget): PauseResult | undefined {
  if (kind !== "run") return undefined;
  const [run] = loadRuns(db, [name]);
  if (run === undefined || run.namespace !== namespace) return { outcome: "not_found" };
  return run.endedAt === null ? undefined : { outcome: "ended" };
}

function remark(
  { db, now, ring }: Turn,
  { kind, name }: PauseTarget,
  type: "run.paused" | "run.resumed",
  data: Json,
): void {
  if (kind !== "run") return;
  const ledger = new Ledger(now);
  ledger.load(loadRuns(db, [name]));
  ledger.remark(name, type, data);
  const { updated, events } = ledger.changes();
  for (const run of updated) updateRun(db, run);
  appendEvents(db, events);
  ring("events");
}
