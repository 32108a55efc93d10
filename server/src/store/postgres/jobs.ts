import { type JobNote, type JobNoteResult, type JobRow, withJobAftermath } from "../../core/index.ts";
import { isOfOpenOnes, jobCursor, jobPlace } from "../job-cursor.ts";
import type { JobFilter } from "../job-verbs.ts";
import type { RingTopic } from "../store.ts";
import { textArray } from "./arrays.ts";
import { memberGoneError } from "./claim.ts";
import { findJobNames, jobColumns, leanJobColumns, loadJobs, type StoredJob, toJob } from "./job-rows.ts";
import type { Runner, Work } from "./session.ts";
import { settle } from "./settling.ts";

// External jobs, and what is said of them (core/jobs.ts has the rules).

/** See `Store.claimJobs`. */
export async function claimJobs(
  db: Runner,
  { memberId, namespace, limitRows }: { memberId: string; namespace: string; limitRows: number },
): Promise<JobRow[]> {
  type Row = (StoredJob | { readonly id: null }) & { readonly alive: boolean };
  const rows = await db.run<Row>("claimJobs", claimText, [memberId, namespace, limitRows]);
  if (rows[0]?.alive !== true) throw memberGoneError(memberId);
  return rows.flatMap((row) => (row.id === null ? [] : toJob(row)));
}

// The member's row is held against the judge. A body that starts a job by itself may still say its name.
const claimText = `
  with member as materialized (
    select m.id from holdfast.members m where m.id = $1 and m.ended_at is null for key share of m
  ),
  free as materialized (
    select j.id from holdfast.external_jobs j
    where j.namespace = $2 and j.member_id is null and j.ended_at is null and j.status <> 'unknown'
      and (j.status <> 'submitting' or j.submission <> 'own') and (select count(*) from member) = 1
      and not (j.submission = 'own' and j.ref is null
        and exists (select 1 from holdfast.runs r where r.id = j.run_id and r.claimed_by is not null))
    order by j.opened_at, j.id limit $3 for update of j skip locked
  ),
  taken as (
    update holdfast.external_jobs j set member_id = $1, epoch = j.epoch + 1 from free f where j.id = f.id returning j.*
  )
  select m.id is not null as alive, ${jobColumns}
  from (values (1)) one left join member m on true left join taken j on true order by j.opened_at, j.id`;

/** See `Store.listTracked`. */
export async function listTracked(
  db: Runner,
  args: { memberId: string; orderedOnly: boolean; after?: string; limitRows: number },
): Promise<JobRow[]> {
  const { memberId, orderedOnly, after = "", limitRows } = args;
  const parameters = [memberId, after, limitRows];
  const rows = orderedOnly
    ? await db.run<StoredJob>("listOrderedJobs", trackedText("and j.status = 'cancelling'"), parameters)
    : await db.run<StoredJob>("listTrackedJobs", trackedText(""), parameters);
  return rows.map(toJob);
}

function trackedText(which: string): string {
  return `
  select ${leanJobColumns} from holdfast.external_jobs j
  where j.member_id = $1 and j.member_id is not null ${which} and j.id > $2 order by j.id limit $3`;
}

/** See `Store.noteJobs`. */
export async function noteJobs(
  pool: Work,
  rows: readonly JobNote[],
): Promise<{ results: JobNoteResult[]; topics: readonly RingTopic[] }> {
  const names = await findJobNames(pool, [...new Set(rows.map(({ jobId }) => jobId))]);
  if (names.length === 0) return { results: rows.map(() => ({ outcome: "not_found" })), topics: [] };
  const { value, topics } = await pool.transaction((transaction) =>
    settle(
      transaction,
      [...new Set(names.map(({ runId }) => runId))],
      (ledger) => ({ ledger, results: rows.map((row) => ledger.noteJob(row)) }),
      () => loadJobs(transaction, names),
    ),
  );
  return { results: withJobAftermath(value.results, value.ledger), topics };
}

/** See `Store.listJobs`. */
export async function listJobs(db: Runner, filter: JobFilter): Promise<{ jobs: JobRow[]; cursor: string | null }> {
  const { namespace, runId = null, key = null, statuses, service = null, cursor, limitRows } = filter;
  const place = cursor === undefined ? undefined : jobPlace(cursor);
  const parameters = [namespace, limitRows + 1, key, service, statuses === undefined ? null : textArray(statuses)];
  const of = runId === null ? "" : "OfRun";
  const after = place === undefined ? "" : "After";
  const more = [...(runId === null ? [] : [runId]), ...(place === undefined ? [] : [place.openedAt, place.id])];
  const open = isOfOpenOnes(filter) ? "Open" : "";
  const text = listText({ isOfRun: runId !== null, isAfter: place !== undefined, isOpen: open !== "" });
  const found = await db.run<StoredJob>(`list${open}Jobs${of}${after}`, text, [...parameters, ...more]);
  const jobs = found.slice(0, limitRows).map(toJob);
  return { jobs, cursor: jobCursor(jobs.at(-1), found.length > limitRows) };
}

// A run's jobs are found before they are put in order: else the planner walks everybody's, the newest first.
function listText({ isOfRun, isAfter, isOpen }: { isOfRun: boolean; isAfter: boolean; isOpen: boolean }): string {
  const all = isOfRun ? "of_run" : "holdfast.external_jobs";
  const first = isOfRun
    ? "with of_run as materialized (select j.* from holdfast.external_jobs j where j.run_id = $6)"
    : "";
  const [at, id] = isOfRun ? ["$7", "$8"] : ["$6", "$7"];
  return `
  ${first} select ${leanJobColumns} from ${all} j
  where j.namespace = $1 and ($3::text is null or j.key = $3) and ($4::text is null or j.service = $4)
    and ($5::text[] is null or j.status = any($5::text[])) ${isOpen ? "and j.ended_at is null" : ""}
    ${isAfter ? `and (j.opened_at, j.id) < (${at}::bigint, ${id})` : ""}
  order by j.opened_at desc, j.id desc limit $2`;
}

/** See `Store.findJob`. */
export async function findJob(db: Runner, id: string): Promise<JobRow | undefined> {
  const [row] = await db.run<StoredJob>("findJob", findText, [id]);
  return row === undefined ? undefined : toJob(row);
}

const findText = `select ${jobColumns} from holdfast.external_jobs j where j.id = $1`;

/** Jobs that ended members track are anybody's again, and are otherwise as they were. Answers one row, with how many were found. */
export function giveJobsBack(db: Runner, limitRows: number): Promise<{ found: number }[]> {
  return db.run("giveJobsBack", giveBackText, [limitRows]);
}

// By hopping from tracker to tracker in the index: neither what live members track nor what has ended is read.
const giveBackText = `
  with recursive hop as (
    (select j.member_id as id from holdfast.external_jobs j where j.member_id is not null order by j.member_id limit 1)
    union all
    select (select j.member_id from holdfast.external_jobs j where j.member_id is not null and j.member_id > h.id
      order by j.member_id limit 1)
    from hop h where h.id is not null
  ),
  held as materialized (
    select o.id from hop h join holdfast.members m on m.id = h.id and m.ended_at is not null cross join lateral (
      select j.id from holdfast.external_jobs j where j.member_id = h.id and j.member_id is not null
      order by j.id limit $1::bigint + 1 for update of j skip locked
    ) o limit $1::bigint + 1
  ),
  given as (
    update holdfast.external_jobs j set member_id = null, epoch = j.epoch + 1
    from (select h.id from held h limit $1) h where j.id = h.id
  )
  select count(*) as found from held`;
