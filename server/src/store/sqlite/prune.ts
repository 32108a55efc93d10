import { type Connection, listText } from "./connection.ts";
import { pruneTopics } from "./events.ts";
import { forgetIdleLimits } from "./gates.ts";
import { forgetPauses } from "./pauses.ts";
import type { Turn } from "./turn.ts";

// What retention deletes. Each call touches about `limitRows` rows of each table, so that nobody waits long for it.

export function prune(
  { db, now }: Turn,
  { runsMs, logsMs, limitRows }: { runsMs: number; logsMs: number; limitRows: number },
): { runs: number; more: boolean } {
  const before = now - runsMs;
  // One root more than may go tells whether any is left.
  const roots = db.list<{ id: string }>(
    `SELECT id FROM runs INDEXED BY runs_ended_roots
     WHERE parent_id IS NULL AND ended_at IS NOT NULL AND ended_at < ?
       -- What has still to be ended outside keeps its tree.
       AND NOT EXISTS (SELECT 1 FROM obligations o INDEXED BY obligations_tree
         WHERE o.root_id = runs.id AND o.kind = 'external_job' AND o.met_at IS NULL)
     ORDER BY ended_at, seq LIMIT ?`,
    before,
    limitRows + 1,
  );
  let runs = 0;
  let deleted = 0;
  for (const { id } of roots) {
    if (runs >= limitRows) break;
    runs += deleteTree(db, id, now);
    deleted += 1;
  }
  const moreTopics = pruneTopics(db, { before, limitRows });
  const moreLogs = pruneLogs(db, now - logsMs, limitRows);
  const moreKeys = pruneKeys(db, now, limitRows);
  const moreMembers = pruneMembers(db, before, limitRows);
  const moreLimits = forgetIdleLimits(db, limitRows);
  forgetPauses(db);
  const isFull = moreTopics || moreLogs || moreKeys || moreMembers || moreLimits;
  return { runs, more: roots.length > deleted || isFull };
}

function deleteTree(db: Connection, rootId: string, now: number): number {
  const below = db.list<{ id: string }>(
    "SELECT id FROM runs INDEXED BY runs_tree WHERE root_id = ? AND parent_id IS NOT NULL",
    rootId,
  );
  const ids = [rootId, ...below.map((run) => run.id)];
  const list = listText(ids);
  const among = "IN (SELECT value FROM json_each(?))";
  db.run(`DELETE FROM events WHERE run IN (SELECT seq FROM runs WHERE id ${among})`, list);
  db.run(`DELETE FROM "values" WHERE scope_kind = 'step' AND scope_id ${among}`, list);
  db.run(
    `UPDATE state_objects SET loose_since = ? WHERE condemned = 0 AND name IN
       (SELECT object FROM "values" WHERE scope_kind = 'run' AND object IS NOT NULL AND scope_id ${among})`,
    now,
    list,
  );
  db.run(`DELETE FROM "values" WHERE scope_kind = 'run' AND scope_id ${among}`, list);
  db.run(`DELETE FROM state_scopes WHERE scope_kind = 'run' AND scope_id ${among}`, list);
  db.run(`DELETE FROM waits WHERE run_id ${among}`, list);
  db.run(`DELETE FROM external_jobs WHERE run_id ${among}`, list);
  db.run(`DELETE FROM signals WHERE run_id ${among}`, list);
  db.run(`DELETE FROM logs WHERE run_id ${among}`, list);
  db.run(`UPDATE keys INDEXED BY keys_run SET run_gone = 1 WHERE run_id ${among}`, list);
  db.run(`DELETE FROM obligations WHERE run_id ${among}`, list);
  db.run(`DELETE FROM edges WHERE upstream ${among}`, list);
  db.run(`DELETE FROM runs WHERE id ${among}`, list);
  return ids.length;
}

/** Lines lie in the order of their writing, so that the old ones are at the front. True when more may be left. */
function pruneLogs(db: Connection, before: number, limitRows: number): boolean {
  const oldest = db.list<{ id: number; at: number }>(
    "SELECT id, written_at AS at FROM logs ORDER BY id LIMIT ?",
    limitRows,
  );
  const old = oldest.filter((line) => line.at < before);
  const last = old.at(-1);
  if (last !== undefined) db.run("DELETE FROM logs WHERE id <= ?", last.id);
  return old.length === limitRows;
}

function pruneKeys(db: Connection, now: number, limitRows: number): boolean {
  const { changes } = db.run(
    `DELETE FROM keys WHERE (namespace, kind, scope, key) IN
       (SELECT namespace, kind, scope, key FROM keys INDEXED BY keys_expiry
        WHERE run_gone = 1 AND expires_at < ? ORDER BY expires_at LIMIT ?)`,
    now,
    limitRows,
  );
  return changes === limitRows;
}

/** What a member holds that ended is still to be taken over, and is found through its row. */
function pruneMembers(db: Connection, before: number, limitRows: number): boolean {
  const { changes } = db.run(
    `DELETE FROM members WHERE id IN
       (SELECT id FROM members INDEXED BY members_ended
        WHERE ended_at IS NOT NULL AND ended_at < ?
          AND NOT EXISTS (SELECT 1 FROM runs INDEXED BY runs_claimed WHERE claimed_by = members.id)
          AND NOT EXISTS (SELECT 1 FROM external_jobs INDEXED BY external_jobs_tracked WHERE member_id = members.id)
        ORDER BY ended_at LIMIT ?)`,
    before,
    limitRows,
  );
  return changes === limitRows;
}
