import { type JobNote, type JobNoteResult, type JobRow, withJobAftermath } from "../../core/index.ts";
import { admitNotes } from "../job-admission.ts";
import { isOfOpenOnes, jobCursor, jobPlace } from "../job-cursor.ts";
import type { JobFilter } from "../job-verbs.ts";
import { isMember, memberGoneError } from "./claims.ts";
import { type Connection, listText } from "./connection.ts";
import { loadJobs, selectJobs, selectLeanJobs } from "./job-rows.ts";
import { ringChanges } from "./rings.ts";
import { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";
import { waitsOf } from "./wait-rows.ts";

// External jobs, and what is said of them (core/jobs.ts has the rules).

/** As the index external_jobs_free has it. */
const free = `member_id IS NULL AND ended_at IS NULL AND status <> 'unknown' AND (status <> 'submitting' OR submission <> 'own')`;

export function claimJobs(
  { db }: Turn,
  { memberId, namespace, limitRows }: { memberId: string; namespace: string; limitRows: number },
): JobRow[] {
  if (!isMember(db, memberId)) throw memberGoneError(memberId);
  // A body that starts it by itself may still say its name.
  const found = selectJobs(
    db,
    `INDEXED BY external_jobs_free WHERE namespace = ? AND ${free}
       AND NOT (submission = 'own' AND ref IS NULL
         AND EXISTS (SELECT 1 FROM runs r WHERE r.id = run_id AND r.claimed_by IS NOT NULL))
     ORDER BY opened_at, id LIMIT ?`,
    namespace,
    limitRows,
  );
  for (const { id } of found) {
    db.run("UPDATE external_jobs SET member_id = ?, epoch = epoch + 1 WHERE id = ?", memberId, id);
  }
  return found.map((job) => ({ ...job, memberId, epoch: job.epoch + 1 }));
}

export function listTracked(
  { db }: Turn,
  args: { memberId: string; orderedOnly: boolean; after?: string; limitRows: number },
): JobRow[] {
  const { memberId, orderedOnly, after = "", limitRows } = args;
  const which = orderedOnly
    ? "INDEXED BY external_jobs_ordered WHERE member_id = ? AND member_id IS NOT NULL AND status = 'cancelling'"
    : "INDEXED BY external_jobs_tracked WHERE member_id = ? AND member_id IS NOT NULL";
  return selectLeanJobs(db, `${which} AND id > ? ORDER BY id LIMIT ?`, memberId, after, limitRows);
}

export function noteJobs(turn: Turn, { rows }: { rows: readonly JobNote[] }): JobNoteResult[] {
  admitNotes(rows);
  const { db, now } = turn;
  const jobs = loadJobs(
    db,
    rows.map(({ jobId }) => jobId),
  );
  const stored = new StoredLedger(db, now);
  stored.load([...new Set(jobs.map(({ runId }) => runId))]);
  stored.ledger.loadJobs({ jobs });
  stored.ledger.loadWaits({ waits: waitsOf(db, jobs) });
  const results = rows.map((row) => stored.ledger.noteJob(row));
  stored.settle();
  ringChanges(turn, stored.write(), stored);
  return withJobAftermath(results, stored.ledger);
}

export function listJobs({ db }: Turn, filter: JobFilter): { jobs: JobRow[]; cursor: string | null } {
  const { namespace, runId, key, statuses, service, cursor, limitRows } = filter;
  const place = cursor === undefined ? undefined : jobPlace(cursor);
  const parts: [sql: string, ...values: (string | number)[]][] = [["namespace = ?", namespace]];
  if (runId !== undefined) parts.push(["run_id = ?", runId]);
  if (key !== undefined) parts.push(["key = ?", key]);
  if (service !== undefined) parts.push(["service = ?", service]);
  if (statuses !== undefined) parts.push(["status IN (SELECT value FROM json_each(?))", listText([...statuses])]);
  if (place !== undefined) parts.push(["(opened_at, id) < (?, ?)", place.openedAt, place.id]);
  if (isOfOpenOnes(filter)) parts.push(["ended_at IS NULL"]);
  const all = isOfOpenOnes(filter) ? "external_jobs_open" : "external_jobs_listed";
  const index = runId === undefined ? all : "external_jobs_key";
  const found = selectLeanJobs(
    db,
    `INDEXED BY ${index} WHERE ${parts.map(([sql]) => sql).join(" AND ")} ORDER BY opened_at DESC, id DESC LIMIT ?`,
    ...parts.flatMap(([, ...values]) => values),
    limitRows + 1,
  );
  const jobs = found.slice(0, limitRows);
  return { jobs, cursor: jobCursor(jobs.at(-1), found.length > limitRows) };
}

export function findJob({ db }: Turn, { id }: { id: string }): JobRow | undefined {
  return selectJobs(db, "WHERE id = ?", id)[0];
}

/** Jobs that ended members track are anybody's again, and are otherwise as they were. True when some are left. */
export function giveJobsBack({ db, ring }: Turn, limitRows: number): boolean {
  const found = trackedByEnded(db, limitRows + 1);
  const given = found.slice(0, limitRows);
  for (const id of given) db.run("UPDATE external_jobs SET member_id = NULL, epoch = epoch + 1 WHERE id = ?", id);
  if (given.length > 0) ring("jobs");
  return found.length > limitRows;
}

/** By hopping from tracker to tracker in the index. */
function trackedByEnded(db: Connection, limitRows: number): string[] {
  const rows = db.list<{ id: string }>(
    `WITH RECURSIVE hop (id) AS (
       SELECT min(member_id) FROM external_jobs WHERE member_id IS NOT NULL
       UNION ALL
       SELECT (SELECT min(member_id) FROM external_jobs WHERE member_id > hop.id) FROM hop WHERE hop.id IS NOT NULL)
     SELECT j.id AS id FROM hop JOIN members m ON m.id = hop.id AND m.ended_at IS NOT NULL
       JOIN external_jobs j INDEXED BY external_jobs_tracked ON j.member_id = hop.id LIMIT ?`,
    limitRows,
  );
  return rows.map(({ id }) => id);
}
