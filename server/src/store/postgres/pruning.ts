import { isAppError } from "@holdfast/protocol";
import { forgetIdleLimits } from "./gates.ts";
import { dropPartitions, makePartitions } from "./partitions.ts";
import { forgetPauses } from "./pauses.ts";
import type { Runner } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";

// What is past its retention is hidden at once by the floors in `meta`, by the absence of its run; its rows go with their
// partition. Rows of runs are deleted, in batches.

interface Floors {
  readonly now: number;
  readonly topic_floor: number;
  readonly log_floor: number;
}

/** Raises the moments before which topics and logs are gone. */
export function raiseFloors(db: Runner, runsMs: number, logsMs: number): Promise<Floors[]> {
  return db.run("raiseFloors", raiseText, [Math.ceil(runsMs), Math.ceil(logsMs)]);
}

const raiseText = `
  update holdfast.meta m set topic_floor = greatest(m.topic_floor, c.now - $1::bigint),
    log_floor = greatest(m.log_floor, c.now - $2::bigint)
  from (select holdfast.clock_ms() as now) c
  returning c.now, m.topic_floor, m.log_floor`;

/** Deletes whole trees, the longest ended first, until `limitRows` runs are gone. */
export function deleteTrees(db: Runner, runsMs: number, limitRows: number): Promise<{ runs: number; more: boolean }[]> {
  return db.run("deleteTrees", deleteTreesText, [Math.ceil(runsMs), limitRows]);
}

// As many roots as rows are looked at, since each tree has at least one.
const deleteTreesText = `
  with due as materialized (
    select r.id, r.ended_at from holdfast.runs r
    where r.parent_id is null and r.ended_at is not null and r.ended_at < (select holdfast.clock_ms()) - $1::bigint
      -- What has still to be ended outside keeps its tree.
      and not exists (select 1 from holdfast.obligations o where o.root_id = r.id and o.kind = 'external_job' and o.met_at is null)
    order by r.ended_at limit $2::bigint + 1
  ),
  sized as materialized (
    select d.id, 1 + (select count(*) from holdfast.runs b where b.root_id = d.id and b.parent_id is not null) as runs,
      row_number() over (order by d.ended_at, d.id) as place
    from due d
  ),
  summed as materialized (select s.*, sum(s.runs) over (order by s.place) - s.runs as before from sized s),
  roots as materialized (
    select r.id from holdfast.runs r where r.id in (select s.id from summed s where s.before < $2) for update of r skip locked
  ),
  doomed as materialized (
    select id from roots
    union all
    select b.id from roots d join holdfast.runs b on b.root_id = d.id where b.parent_id is not null
  ),
  -- What outlived its day; the rest goes with its partition.
  without_old_events as (delete from holdfast.events_default e using doomed d where e.run_id = d.id),
  without_edges as (delete from holdfast.edges e using doomed d where e.upstream = d.id),
  without_values as (delete from holdfast.values v using doomed d where v.scope_kind = 'step' and v.scope_id = d.id),
  without_state as (delete from holdfast.values v using doomed d where v.scope_kind = 'run' and v.scope_id = d.id
    returning v.object),
  loosened as (
    update holdfast.state_objects o set loose_since = holdfast.clock_ms() from without_state s where o.name = s.object and not o.condemned
  ),
  without_scopes as (delete from holdfast.state_scopes s using doomed d where s.scope_kind = 'run' and s.scope_id = d.id),
  without_waits as (delete from holdfast.waits w using doomed d where w.run_id = d.id),
  without_jobs as (delete from holdfast.external_jobs j using doomed d where j.run_id = d.id),
  without_signals as (delete from holdfast.signals s using doomed d where s.run_id = d.id),
  without_obligations as (delete from holdfast.obligations o using doomed d where o.run_id = d.id),
  nameless as (update holdfast.names n set run_gone = true from doomed d where n.run_id = d.id),
  gone as (delete from holdfast.runs r using doomed d where r.id = d.id returning 1)
  select (select count(*) from gone) as runs, (select count(*) from due) > (select count(*) from roots) as more`;

/** Deletes names whose retention and run are over. */
export function deleteNames(db: Runner, limitRows: number): Promise<unknown> {
  return db.run("deleteNames", deleteNamesText, [limitRows]);
}

const deleteNamesText = `
  delete from holdfast.names n where n.ctid = any (array(
    select k.ctid from holdfast.names k where k.run_gone and k.retained_until < (select holdfast.clock_ms())
    order by k.retained_until limit $1 for update of k skip locked))`;

/** Deletes members that ended longer than `endedMs` ago and hold nothing; answers how many. */
export function deleteMembers(db: Runner, endedMs: number, limitRows: number): Promise<{ members: number }[]> {
  return db.run("deleteMembers", deleteMembersText, [Math.ceil(endedMs), limitRows]);
}

// What a member holds that ended is still to be taken over, and is found through its row.
const deleteMembersText = `
  with gone as (
    delete from holdfast.members m where m.ctid = any (array(
      select e.ctid from holdfast.members e
      where e.ended_at is not null and e.ended_at < (select holdfast.clock_ms()) - $1::bigint
        and not exists (select 1 from holdfast.runs r where r.claimed_by = e.id)
        and not exists (select 1 from holdfast.external_jobs j where j.member_id = e.id)
      order by e.ended_at limit $2 for update of e skip locked))
    returning 1)
  select count(*) as members from gone`;

/** See `Store.prune`. */
export async function prune(
  pool: SessionPool,
  { runsMs, logsMs, limitRows }: { runsMs: number; logsMs: number; limitRows: number },
): Promise<{ runs: number; more: boolean }> {
  const [floors] = await raiseFloors(pool, runsMs, logsMs);
  const [deleted] = await deleteTrees(pool, runsMs, limitRows);
  await deleteNames(pool, limitRows);
  const [gone] = await deleteMembers(pool, runsMs, limitRows);
  const [forgotten] = await forgetIdleLimits(pool, limitRows);
  await forgetPauses(pool);
  if (floors !== undefined) await tendPartitions(pool, floors, deleted?.more !== true);
  const isFull = gone?.members === limitRows || forgotten?.limits === limitRows;
  return { runs: deleted?.runs ?? 0, more: deleted?.more === true || isFull };
}

async function tendPartitions(pool: SessionPool, floors: Floors, isPruned: boolean): Promise<void> {
  try {
    await pool.transaction(async (transaction) => {
      // A lock that is waited for stops everybody who comes after.
      transaction.start("limitLockWait", "set local lock_timeout = '500ms'");
      await makePartitions(transaction, floors.now);
      // While there are runs to be pruned, their history would be moved for nothing.
      if (isPruned) await dropPartitions(transaction, { events: floors.topic_floor, logs: floors.log_floor });
    });
  } catch (error) {
    // Somebody holds a partition, or another node makes the same ones at this moment: the next call finds them or tries again.
    if (!isAppError(error, "store_unavailable") && !isTaken(error)) throw error;
  }
}

/** 42P07: the table exists. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "42P07";
}
