import type { Json } from "@holdfast/protocol";
import type { JobChanges, JobOrder, JobRow, Ledger, WaitName } from "../../core/index.ts";
import { factsOf, type JobFacts } from "../job-facts.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import type { Runner } from "./session.ts";
import { findWaits } from "./wait-rows.ts";

// The table `holdfast.external_jobs`. Whoever lets something follow from a job for its run holds the row of the run first; who tracks
// it may change without, and whoever changes that passes over rows that others hold. Whoever waits for a
// job holds its run, and those who hold a job without its run wait for none.

export interface StoredJob {
  readonly id: string;
  readonly run_id: string;
  readonly root_id: string;
  readonly namespace: string;
  readonly generation: number;
  readonly key: string;
  readonly number: number;
  readonly service: string;
  readonly submission: JobRow["submission"];
  readonly status: JobRow["status"];
  readonly ref: string | null;
  readonly member_id: string | null;
  readonly epoch: number;
  readonly reason: string | null;
  readonly timed_out: boolean;
  readonly opened_at: number;
  readonly ended_at: number | null;
  readonly facts: string;
  readonly spec: string;
  readonly result: string;
}

const named = `j.id, j.run_id, j.root_id, j.namespace, j.generation, j.key, j.number, j.service, j.submission, j.status,
  j.member_id, j.epoch, j.reason, j.timed_out, j.opened_at, j.ended_at, j.facts`;
export const jobColumns = `${named}, j.ref, j.spec, j.result`;
/** Lists show neither names nor specs nor results, each of which may be large: they are not read. */
export const leanJobColumns = `${named}, null::text as ref, 'null' as spec, 'null' as result`;

export function toJob(row: StoredJob): JobRow {
  return {
    ...(JSON.parse(row.facts) as JobFacts),
    id: row.id,
    runId: row.run_id,
    rootId: row.root_id,
    namespace: row.namespace,
    generation: row.generation,
    key: row.key,
    number: row.number,
    service: row.service,
    submission: row.submission,
    status: row.status,
    ref: row.ref === null ? null : (JSON.parse(row.ref) as Json),
    memberId: row.member_id,
    epoch: row.epoch,
    reason: row.reason,
    timedOut: row.timed_out,
    openedAt: row.opened_at,
    endedAt: row.ended_at,
    spec: JSON.parse(row.spec) as Json,
    result: JSON.parse(row.result) as Json,
  };
}

/** What never changes of jobs: by whom they are waited for. */
export function findJobNames(db: Runner, ids: readonly string[]): Promise<(WaitName & { readonly id: string })[]> {
  return db.run("findJobNames", namesText, [textArray(ids)]);
}

const namesText = `
  select j.id, j.run_id as "runId", j.generation, j.key from unnest($1::text[]) n(id)
    join holdfast.external_jobs j on j.id = n.id`;

/** Locks jobs, whose runs are held. */
export async function lockJobs(db: Runner, ids: readonly string[]): Promise<JobRow[]> {
  if (ids.length === 0) return [];
  return (await db.run<StoredJob>("lockJobs", lockText, [textArray(ids)])).map(toJob);
}

const lockText = `
  select ${jobColumns} from holdfast.external_jobs j where j.id in (select unnest($1::text[])) order by j.id for update of j`;

/** Locks the open jobs of runs, which are held. */
export async function lockOpenJobs(db: Runner, runIds: readonly string[]): Promise<JobRow[]> {
  return (await db.run<StoredJob>("lockOpenJobs", lockOpenText, [textArray(runIds)])).map(toJob);
}

const lockOpenText = `
  select ${jobColumns} from holdfast.external_jobs j
  where j.run_id in (select unnest($1::text[])) and j.ended_at is null order by j.id for update of j`;

/** Open jobs of trees whose runs ended without them: to be looked at only. */
export async function listOwedJobs(db: Runner, rootIds: readonly string[]): Promise<JobRow[]> {
  return (await db.run<StoredJob>("listOwedJobs", owedText, [textArray(rootIds)])).map(toJob);
}

const owedText = `
  select ${jobColumns} from unnest($1::text[]) n(root_id)
    join holdfast.obligations o on o.root_id = n.root_id and o.kind = 'external_job' and o.met_at is null
    join holdfast.external_jobs j on j.id = o.subject and j.ended_at is null`;

/** Locks jobs, whose runs are held, with what waits for them. */
export async function loadJobs(
  transaction: Runner,
  names: readonly (WaitName & { readonly id: string })[],
): Promise<(ledger: Ledger) => void> {
  if (names.length === 0) return () => undefined;
  const ids = names.map(({ id }) => id);
  const [jobs, waits] = await Promise.all([lockJobs(transaction, ids), findWaits(transaction, names)]);
  return (ledger) => {
    ledger.loadJobs({ jobs });
    ledger.loadWaits({ waits });
  };
}

/** The highest numbers under keys that have any. */
export function findLastNumbers(
  db: Runner,
  names: readonly WaitName[],
): Promise<(WaitName & { readonly number: number })[]> {
  return db.run("findLastNumbers", lastNumbersText, [
    textArray(names.map(({ runId }) => runId)),
    numberArray(names.map(({ generation }) => generation)),
    textArray(names.map(({ key }) => key)),
  ]);
}

const lastNumbersText = `
  select n.run_id as "runId", n.generation, n.key, last.number
  from unnest($1::text[], $2::int[], $3::text[]) n(run_id, generation, key)
    cross join lateral (
      select j.number from holdfast.external_jobs j
      where j.run_id = n.run_id and j.generation = n.generation and j.key = n.key order by j.number desc limit 1
    ) last`;

/** Starts the statements that write what a ledger changed and carry its orders out, in this order. */
export function writeJobs(db: Runner, { opened, updated, ordered }: JobChanges): Promise<unknown>[] {
  const writes: Promise<unknown>[] = [];
  if (opened.length > 0) writes.push(insertJobs(db, opened));
  if (updated.length > 0) writes.push(updateJobs(db, updated));
  if (ordered.length > 0) writes.push(orderJobs(db, ordered));
  return writes;
}

/** Inserts jobs. */
export function insertJobs(db: Runner, jobs: readonly JobRow[]): Promise<unknown> {
  return db.run("insertJobs", insertText, [
    ...standing(jobs),
    textArray(jobs.map(({ runId }) => runId)),
    textArray(jobs.map(({ rootId }) => rootId)),
    textArray(jobs.map(({ namespace }) => namespace)),
    numberArray(jobs.map(({ generation }) => generation)),
    textArray(jobs.map(({ key }) => key)),
    numberArray(jobs.map(({ number }) => number)),
    textArray(jobs.map(({ service }) => service)),
    textArray(jobs.map(({ submission }) => submission)),
    msArray(jobs.map(({ openedAt }) => openedAt)),
    textArray(jobs.map(({ spec }) => JSON.stringify(spec))),
  ]);
}

const standingTypes = `$1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::boolean[], $8::bigint[], $9::text[],
    $10::text[]`;
const standingNames = "id, status, ref, member_id, epoch, reason, timed_out, ended_at, facts, result";

const insertText = `
  insert into holdfast.external_jobs (${standingNames}, run_id, root_id, namespace, generation, key, number, service, submission,
    opened_at, spec)
  select n.* from unnest(${standingTypes}, $11::text[], $12::text[], $13::text[], $14::int[], $15::text[], $16::int[],
    $17::text[], $18::text[], $19::bigint[], $20::text[]) n`;

/** Writes what of jobs changes. */
export function updateJobs(db: Runner, jobs: readonly JobRow[]): Promise<unknown> {
  return db.run("updateJobs", updateText, standing(jobs));
}

const updateText = `
  update holdfast.external_jobs j set status = n.status, ref = n.ref, member_id = n.member_id, epoch = n.epoch, reason = n.reason,
    timed_out = n.timed_out, ended_at = n.ended_at, facts = n.facts, result = n.result
  from unnest(${standingTypes}) n(${standingNames}) where j.id = n.id`;

/** What of jobs changes, in the order of `standingNames`. */
function standing(jobs: readonly JobRow[]): string[] {
  return [
    textArray(jobs.map(({ id }) => id)),
    textArray(jobs.map(({ status }) => status)),
    textArray(jobs.map(({ ref }) => (ref === null ? null : JSON.stringify(ref)))),
    textArray(jobs.map(({ memberId }) => memberId)),
    numberArray(jobs.map(({ epoch }) => epoch)),
    textArray(jobs.map(({ reason }) => reason)),
    textArray(jobs.map(({ timedOut }) => String(timedOut))),
    msArray(jobs.map(({ endedAt }) => endedAt)),
    textArray(jobs.map((job) => JSON.stringify(factsOf(job)))),
    textArray(jobs.map(({ result }) => JSON.stringify(result))),
  ];
}

/** Orders the end of open jobs, and writes that it is owed (core's `orderedJob`, `owedChange`). Several orders for one are the first of them, and forced where any is. */
export function orderJobs(db: Runner, orders: readonly JobOrder[]): Promise<unknown> {
  return db.run("orderJobs", orderText, [
    textArray(orders.map(({ runId }) => runId)),
    textArray(orders.map(({ jobId }) => jobId)),
    textArray(orders.map(({ reason }) => reason)),
    textArray(orders.map(({ timedOut }) => String(timedOut))),
    textArray(orders.map(({ forced }) => String(forced))),
  ]);
}

const orderText = `
  with given as materialized (
    select * from unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::boolean[])
      with ordinality n(run_id, job_id, reason, timed_out, forced, place)
  ),
  held as materialized (
    select j.id, j.run_id, j.root_id, j.namespace, j.status, j.reason from holdfast.external_jobs j
    where j.run_id in (select g.run_id from given g) and j.ended_at is null
      and exists (select 1 from given g where g.run_id = j.run_id and (g.job_id is null or g.job_id = j.id))
    order by j.id for update of j
  ),
  meant as materialized (
    select h.*, o.given_reason, o.timed_out, o.forced from held h cross join lateral (
      select (array_agg(g.reason order by g.place))[1] as given_reason, (array_agg(g.timed_out order by g.place))[1] as timed_out,
        bool_or(g.forced) as forced
      from given g where g.run_id = h.run_id and (g.job_id is null or g.job_id = h.id)
    ) o
  ),
  ordered as (
    update holdfast.external_jobs j set status = 'cancelling', reason = m.given_reason, timed_out = j.timed_out or m.timed_out
    from meant m where j.id = m.id and m.status <> 'cancelling'
  )
  insert into holdfast.obligations as o (run_id, kind, subject, root_id, namespace, reason, ordered_at, forced_at)
  select m.run_id, 'external_job', m.id, m.root_id, m.namespace, coalesce(m.reason, m.given_reason), c.now,
    case when m.forced then c.now end
  from meant m cross join (select holdfast.clock_ms() as now) c order by m.run_id, m.id
  on conflict (run_id, kind, subject) do update set forced_at = coalesce(excluded.forced_at, o.forced_at)
    where o.met_at is null and excluded.forced_at is not null`;
