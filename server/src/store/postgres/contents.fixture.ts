import type postgres from "postgres";
import type { RunRow } from "../../core/index.ts";
import { plain } from "../contract/world.contract.ts";
import { jobColumns, type StoredJob, toJob } from "./job-rows.ts";
import { runColumns, type StoredRun, toRun } from "./run-rows.ts";
import type { Contents } from "./serial-model.fixture.ts";

/** Everything that a database holds, past the store, in the words of the model. */
export async function contentsOf(sql: postgres.Sql): Promise<Contents> {
  const [rows, edges, members, events, lines, steps, obligations, schedules, jobs, waits] = await Promise.all([
    sql.unsafe<StoredRun[]>(`select ${runColumns} from holdfast.runs r order by r.ord`, [], { prepare: true }),
    sql<
      { edge: string }[]
    >`select upstream || ' ' || downstream as edge from holdfast.edges where not flipped order by 1`,
    sql<OfRun[]>`
      select '' as run, jsonb_build_object('id', id, 'kind', kind, 'name', name, 'namespace', namespace,
        'serves', serves::jsonb, 'joinedAt', joined_at, 'leaseUntil', lease_until, 'endedAt', ended_at) as value from holdfast.members order by id`,
    sql<OfRun[]>`
      select run_id as run, jsonb_build_object('runId', run_id, 'rootId', root_id, 'definition', definition, 'name', name,
        'number', number, 'type', type, 'at', at, 'data', data::jsonb) as value
      from (${sql.unsafe(eventsText)}) e order by run_id, number`,
    sql<OfRun[]>`
      select run_id as run, jsonb_build_object('runId', run_id, 'epoch', epoch, 'seq', seq, 'at', at, 'stream', stream,
        'level', level, 'text', text) as value
      from holdfast.logs where written_at >= (select log_floor from holdfast.meta) order by id`,
    sql<OfRun[]>`
      select v.scope_id as run, jsonb_build_object('key', v.key, 'value', v.value::jsonb) as value
      from holdfast.values v join holdfast.runs r on r.id = v.scope_id and r.generation = v.generation
      where scope_kind = 'step' order by v.ord`,
    sql<OfRun[]>`
      select run_id as run, jsonb_build_object('kind', kind, 'runId', run_id, 'rootId', root_id, 'namespace', namespace,
        'subject', subject, 'memberId', member_id, 'reason', reason, 'orderedAt', ordered_at, 'forcedAt', forced_at,
        'tries', tries, 'lastTryAt', last_try_at, 'error', error, 'metAt', met_at) as value
      from holdfast.obligations order by run_id, kind, subject`,
    sql<OfRun[]>`
      select '' as run, jsonb_build_object('id', id, 'version', version, 'paused', paused, 'dueAt', due_at,
        'pausedAt', paused_at, 'pauseReason', pause_reason, 'resumedAt', resumed_at, 'state', state::jsonb,
        'spec', spec::jsonb || jsonb_build_object('params', params::jsonb)) as value
      from holdfast.schedules order by id`,
    sql.unsafe<StoredJob[]>(`select ${jobColumns} from holdfast.external_jobs j order by j.id`, [], { prepare: true }),
    sql<{ wait: string }[]>`
      select concat_ws(' ', run_id, generation, key, kind, child_id, job_id, groups) as wait from holdfast.waits order by 1`,
  ]);
  const runs: RunRow[] = rows.map(toRun);
  const [eventsOf, linesOf, stepsOf] = [byRun(events), byRun(lines), byRun(steps)];
  const histories = runs.map(({ id }) => ({
    id,
    events: eventsOf.get(id) ?? [],
    lines: linesOf.get(id) ?? [],
    steps: stepsOf.get(id) ?? [],
  }));
  return plain({
    runs,
    edges: edges.map(({ edge }) => edge),
    members: members.map(({ value }) => value),
    obligations: obligations.map(({ value }) => value),
    schedules: schedules.map(({ value }) => value),
    jobs: jobs.map(toJob),
    waits: waits.map(({ wait }) => wait),
    histories,
  });
}

interface OfRun {
  readonly run: string;
  readonly value: unknown;
}

function byRun(rows: readonly OfRun[]): Map<string, unknown[]> {
  const runs = new Map<string, unknown[]>();
  for (const { run, value } of rows) runs.set(run, [...(runs.get(run) ?? []), value]);
  return runs;
}

/** Events with and without a place in their topic. */
const eventsText = `
  select run_id, root_id, definition, name, number, type, at, data from holdfast.outbox
  union all select run_id, root_id, definition, name, number, type, at, data from holdfast.events`;

/** What must hold whenever no transaction is under way, whatever happened before. Answers what does not. */
export async function breachesOf(sql: postgres.Sql): Promise<string[]> {
  const asked = Object.entries(invariants).map(
    ([promise, text]) => `select '${promise.replaceAll("'", "''")}: ' || id as breach from (${text}) b`,
  );
  const rows = await sql.unsafe<{ breach: string }[]>(asked.join(" union all "), [], { prepare: true });
  return rows.map(({ breach }) => breach);
}

const endTypes = "('run.succeeded', 'run.failed', 'run.cancelled', 'run.skipped')";
const ended = "('succeeded', 'failed', 'cancelled', 'skipped')";

const invariants: Readonly<Record<string, string>> = {
  "P2 only a member that is there holds runs": `
    select r.id from holdfast.runs r left join holdfast.members m on m.id = r.claimed_by
    where r.claimed_by is not null and m.ended_at is not null`,
  "P2 a running run is held, and what is held runs or is being ended": `
    select r.id from holdfast.runs r
    where (r.status = 'running') and r.claimed_by is null
      or r.claimed_by is not null and r.status not in ('running', 'cancelling')`,
  "P2 each start has an epoch of its own, and none is above the run's": `
    select r.id from holdfast.runs r join (${eventsText}) e on e.run_id = r.id where e.type = 'run.started'
    group by r.id, r.epoch
    having count(*) <> count(distinct e.data::jsonb -> 'epoch') or max((e.data::jsonb ->> 'epoch')::int) > r.epoch`,
  "P3 an edge is flipped when its upstream has ended, and only then": `
    select e.upstream || ' ' || e.downstream as id from holdfast.edges e join holdfast.runs u on u.id = e.upstream
    where e.flipped <> (u.ended_at is not null)`,
  "P3 a run counts its upstreams": `
    select r.id from holdfast.runs r
    left join lateral (
      select count(*) filter (where not e.flipped) as open,
        count(*) filter (where u.status = 'succeeded') as succeeded, count(*) filter (where u.status = 'skipped') as skipped,
        count(*) filter (where u.ended_at is not null) as all
      from holdfast.edges e join holdfast.runs u on u.id = e.upstream where e.downstream = r.id
    ) e on true
    where r.ended_at is null and (r.blocked_by <> e.open
      or r.upstream_succeeded + r.upstream_failed + r.upstream_skipped <> e.all or r.upstream_succeeded <> e.succeeded)`,
  "P3 a run counts its children": `
    select r.id from holdfast.runs r
    left join lateral (
      select count(*) filter (where c.ended_at is null) as open, count(*) filter (where c.ended_at is not null) as over,
        count(*) filter (where c.status = 'succeeded') as succeeded
      from holdfast.runs c where c.parent_id = r.id and c.parent_generation = r.generation
    ) c on true
    where r.ended_at is null and (r.open_children <> c.open or r.children_succeeded <> c.succeeded
      or r.children_succeeded + r.children_failed + r.children_skipped <> c.over)`,
  "P1 nobody waits for what has come": `
    select r.id from holdfast.runs r where r.status = 'pending' and r.blocked_by = 0
      or r.status = 'waiting' and r.open_children = 0 and r.waiting is null
      or r.status = 'cancelling' and r.open_children = 0 and r.claimed_by is null
        and coalesce((r.waiting::jsonb ->> 'externals')::int, 0) = 0`,
  "P3 a run counts what it waits for outside": `
    select r.id from holdfast.runs r
    left join lateral (
      select count(*) as open from holdfast.waits w where w.run_id = r.id and w.generation = r.generation and w.kind = 'external'
    ) w on true
    where r.ended_at is null and coalesce((r.waiting::jsonb ->> 'externals')::int, 0) <> w.open`,
  "P1 a wait for a job has one that is open": `
    select w.run_id as id from holdfast.waits w left join holdfast.external_jobs j on j.id = w.job_id
    where w.kind = 'external' and (j.id is null or j.ended_at is not null)`,
  "P5 what is submitted under a key has ended but the last, or is to end": `
    select j.id from holdfast.external_jobs j where j.ended_at is null and j.status <> 'cancelling' and exists (
      select 1 from holdfast.external_jobs n
      where n.run_id = j.run_id and n.generation = j.generation and n.key = j.key and n.number > j.number)`,
  "P6 a job is owed from its order until its end, and no longer": `
    select j.id from holdfast.external_jobs j left join holdfast.obligations o
      on o.run_id = j.run_id and o.kind = 'external_job' and o.subject = j.id and o.met_at is null
    where (j.status = 'cancelling') <> (o.subject is not null)`,
  "P6 the order to end a run has come to its jobs, and a run that has ended leaves none that is not owed": `
    select j.id from holdfast.external_jobs j join holdfast.runs r on r.id = j.run_id
    where j.ended_at is null and j.status <> 'cancelling'
      and (r.status = 'cancelling' or r.ended_at is not null or r.generation <> j.generation)`,
  "P2 only a member that is there tracks jobs": `
    select j.id from holdfast.external_jobs j join holdfast.members m on m.id = j.member_id where m.ended_at is not null`,
  "P3 a run ends with its last event, and once more only where it was let start again": `
    select r.id from holdfast.runs r left join (${eventsText}) e on e.run_id = r.id
    group by r.id, r.status, r.ended_at, r.last_event
    having (r.ended_at is not null) <> (r.status in ${ended})
      or count(*) filter (where e.type in ${endTypes})
        > count(*) filter (where e.type in ('run.restarted', 'run.reset', 'run.reopened', 'run.marked'))
          + (case when r.status in ${ended} then 1 else 0 end)
      or r.status in ${ended} and max(e.number) filter (where e.type in ${endTypes}) is distinct from r.last_event`,
  "P6 whoever is at work for a run that is to end owes its end": `
    select r.id from holdfast.runs r
    where r.status = 'cancelling' and r.claimed_by is not null and not exists (
      select 1 from holdfast.obligations o
      where o.run_id = r.id and o.kind = 'activation' and o.subject = r.epoch::text and o.member_id = r.claimed_by and o.met_at is null)`,
  "P6 nothing is owed for which nobody waits, unless its run was ended without it": `
    select o.run_id as id from holdfast.obligations o left join holdfast.runs r on r.id = o.run_id
    where o.met_at is null and o.forced_at is null and o.kind = 'activation'
      and (r.status is distinct from 'cancelling' or r.claimed_by is null or r.epoch::text <> o.subject)`,
  "P10 events are numbered without holes": `
    select r.id from holdfast.runs r left join (${eventsText}) e on e.run_id = r.id group by r.id, r.last_event
    having count(*) <> r.last_event or count(distinct e.number) <> r.last_event or max(e.number) <> r.last_event
      or min(e.number) <> 1`,
  "V5 a scope counts what it holds": `
    select s.scope_id as id from holdfast.state_scopes s left join holdfast.values v
      on v.scope_kind = s.scope_kind and v.scope_id = s.scope_id and v.generation = s.generation
    group by s.scope_kind, s.scope_id, s.generation
    having s.keys <> count(v.key) or s.bytes <> coalesce(sum(octet_length(v.value)), 0)
      or s.object_bytes <> coalesce(sum(v.object_bytes), 0) or s.last < coalesce(max(v.version), 0)`,
  "V6 what a value names is announced and not condemned": `
    select v.object as id from holdfast.values v left join holdfast.state_objects o on o.name = v.object
    where v.object is not null and (o.name is null or o.condemned)`,
  "P12 a run counts its steps": `
    select r.id from holdfast.runs r left join holdfast.values v
      on v.scope_kind = 'step' and v.scope_id = r.id and v.generation = r.generation
    group by r.id, r.step_count having r.step_count <> count(v.key)`,
};
