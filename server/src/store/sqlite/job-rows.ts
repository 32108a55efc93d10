import type { Json } from "@holdfast/protocol";
import { isTrackable, type JobChanges, type JobRow, orderedJob, owedChange, type WaitName } from "../../core/index.ts";
import { factsOf, type JobFacts } from "../job-facts.ts";
import { type Connection, listText } from "./connection.ts";
import { followObligations } from "./obligations.ts";

// The rows of external jobs.

interface StoredJob extends Omit<JobRow, keyof JobFacts | "ref" | "timedOut" | "spec" | "result"> {
  readonly ref: string | null;
  readonly timedOut: number;
  readonly facts: string;
  readonly spec: string;
  readonly result: string;
}

const named = `id, run_id AS runId, root_id AS rootId, namespace, generation, key, number, service, submission, status,
  member_id AS memberId, epoch, reason, timed_out AS timedOut, opened_at AS openedAt, ended_at AS endedAt, facts`;
const whole = `${named}, ref, spec, result`;
/** Lists show neither names nor specs nor results, each of which may be large: they are not read. */
const lean = `${named}, NULL AS ref, 'null' AS spec, 'null' AS result`;

type Values = readonly (string | number | null)[];

export function selectJobs(db: Connection, rest: string, ...values: Values): JobRow[] {
  return db.list<StoredJob>(`SELECT ${whole} FROM external_jobs ${rest}`, ...values).map(toJob);
}

export function selectLeanJobs(db: Connection, rest: string, ...values: Values): JobRow[] {
  return db.list<StoredJob>(`SELECT ${lean} FROM external_jobs ${rest}`, ...values).map(toJob);
}

export function loadJobs(db: Connection, ids: readonly string[]): JobRow[] {
  if (ids.length === 0) return [];
  return selectJobs(db, "WHERE id IN (SELECT value FROM json_each(?))", listText([...new Set(ids)]));
}

/** The highest number under a key; undefined: there is none. */
export function lastNumber(db: Connection, { runId, generation, key }: WaitName): number | undefined {
  const row = db.find<{ number: number }>(
    `SELECT number FROM external_jobs WHERE run_id = ? AND generation = ? AND key = ? ORDER BY number DESC LIMIT 1`,
    runId,
    generation,
    key,
  );
  return row?.number;
}

/**
 * Writes what a ledger changed, and carries its orders out. `owed`: for how many jobs an end was ordered; `free`: whether somebody may
 * track what was written.
 */
export function writeJobs(
  db: Connection,
  { opened, updated, ordered }: JobChanges,
  now: number,
): { readonly owed: number; readonly free: boolean } {
  for (const job of opened) insertJob(db, job);
  for (const job of updated) updateJob(db, job);
  let owed = 0;
  for (const order of ordered) {
    const one = order.jobId === null ? "" : "AND id = ? ";
    const names = order.jobId === null ? [order.runId] : [order.runId, order.jobId];
    for (const job of selectJobs(db, `WHERE run_id = ? AND ended_at IS NULL ${one}ORDER BY id`, ...names)) {
      if (job.status !== "cancelling") updateJob(db, orderedJob(job, order));
      followObligations(db, [owedChange(job, order, now)]);
      owed += 1;
    }
  }
  return { owed, free: [...opened, ...updated].some(isTrackable) };
}

function insertJob(db: Connection, job: JobRow): void {
  db.run(
    `INSERT INTO external_jobs (id, run_id, root_id, namespace, generation, key, number, service, submission, status, ref, member_id,
       epoch, reason, timed_out, opened_at, ended_at, facts, spec, result)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[job.id, job.runId, job.rootId, job.namespace, job.generation, job.key, job.number, job.service, job.submission],
    ...standing(job),
    JSON.stringify(job.spec),
    JSON.stringify(job.result),
  );
}

function updateJob(db: Connection, job: JobRow): void {
  db.run(
    `UPDATE external_jobs SET status = ?, ref = ?, member_id = ?, epoch = ?, reason = ?, timed_out = ?, opened_at = ?, ended_at = ?,
       facts = ?, result = ? WHERE id = ?`,
    ...standing(job),
    JSON.stringify(job.result),
    job.id,
  );
}

/** What of a job changes, in the order of the columns. */
function standing(job: JobRow): (string | number | null)[] {
  const { status, ref, memberId, epoch, reason, timedOut, openedAt, endedAt } = job;
  const name = ref === null ? null : JSON.stringify(ref);
  return [status, name, memberId, epoch, reason, Number(timedOut), openedAt, endedAt, JSON.stringify(factsOf(job))];
}

function toJob({ ref, timedOut, facts, spec, result, ...row }: StoredJob): JobRow {
  return {
    ...row,
    ...(JSON.parse(facts) as JobFacts),
    ref: ref === null ? null : (JSON.parse(ref) as Json),
    timedOut: timedOut === 1,
    spec: JSON.parse(spec) as Json,
    result: JSON.parse(result) as Json,
  };
}
