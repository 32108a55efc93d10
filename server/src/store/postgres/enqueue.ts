import { claimed, type NewRun, type RunRow, rankOf, startingRun } from "../../core/index.ts";
import type { EnqueueResult, EnqueueRow, RingTopic } from "../store.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import { passGates } from "./gates.ts";
import { isOutdatedText, judgeNames, type Verdict } from "./names.ts";
import { outboxColumns } from "./outbox.ts";
import { limitsText, valueText } from "./run-rows.ts";
import type { Runner, Transaction } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";

/** A root that was inserted, with the moment and whether it was claimed in the same step; or one that is outdated. */
type InsertedRoot =
  | { readonly outdated: false; readonly id: string; readonly now: number; readonly claimed: boolean }
  | { readonly outdated: true; readonly id: string };

/** Inserts roots, whose ids differ, where they are new, claims those that ask for it and can start, and puts down their events. */
export function insertRoots(db: Runner, rows: readonly EnqueueRow[]): Promise<InsertedRoot[]> {
  const text = (of: (run: NewRun) => string | null) => textArray(rows.map((row) => of(row.run)));
  return db.run<InsertedRoot>("insertRoots", insertRootsText, [
    text((run) => run.id),
    text((run) => run.namespace),
    text((run) => run.kind),
    text((run) => run.definition),
    text((run) => run.workflow),
    text((run) => run.manifestHash),
    text((run) => run.name),
    text((run) => run.key),
    text((run) => run.queue),
    numberArray(rows.map((row) => row.run.priority)),
    text((run) => run.rule),
    text((run) => valueText(run.input)),
    msArray(rows.map((row) => row.run.startAfter)),
    msArray(rows.map((row) => row.run.expiresAfterMs)),
    textArray(rows.map((row) => row.claimFor)),
    numberArray(rows.map((row) => row.run.depth)),
    textArray(rows.map((row) => String(row.onlyIfCurrent === true))),
    text((run) => limitsText(run.limits)),
    text((run) => run.limits[0]?.id ?? null),
    text((run) => run.trace ?? null),
    // What its rank lies behind the moment at which it comes.
    msArray(rows.map((row) => rankOf(row.run, 0))),
    textArray(rows.map((row) => String(row.run.cleansUp === true))),
  ]);
}

// The data of the events is what core's `enqueuedData` and `claimed` say.
const insertRootsText = `
  with given as materialized (
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
      $9::text[], $10::int[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::int[], $17::boolean[],
      $18::text[], $19::text[], $20::text[], $21::bigint[], $22::boolean[])
      with ordinality n(id, namespace, kind, definition, workflow, manifest_hash, name, key, queue, priority, rule, input,
        start_after, expires_after, claim_for, depth, only_if_current, limits, gate, trace, rank, cleans_up, place)
  ),
  outdated as materialized (
    select g.id from given g
    where g.only_if_current and ${isOutdatedText("g")}
  ),
  alive as materialized (
    select m.id from holdfast.members m
    where m.id in (select claim_for from given) and m.ended_at is null for key share of m
  ),
  pausing as materialized (
    select p.any_pause, p.version = (select holdfast.latest_pausing()) as current
    from holdfast.pausing p where exists (select 1 from alive)
  ),
  moment as materialized (select holdfast.clock_ms() as now from (select count(*) from alive) a, (select count(*) from pausing) p),
  starting as materialized (
    select g.*, moment.now, case when g.start_after > moment.now then g.start_after end as wake_at,
      case when g.start_after > moment.now or g.limits is not null then null
        when (select p.current and not p.any_pause from pausing p)
          or ((select p.current from pausing p)
            and holdfast.pause_over(g.namespace, g.queue, g.definition, g.id, null) is null) then a.id end as claimer
    from given g cross join moment left join alive a on a.id = g.claim_for
    where g.id not in (select o.id from outdated o)
  ),
  fresh as (
    insert into holdfast.runs (id, root_id, namespace, kind, definition, workflow, manifest_hash, name, key, depth, queue,
      priority, rule, status, generation, attempt, epoch, losses, takeovers, input, blocked_by, upstream_succeeded,
      upstream_failed, upstream_skipped, open_children, children_succeeded, children_failed, children_skipped, wake_at,
      limits, trace, rank, cleans_up, gate, expires_at, ran_ms, claimed_by, claimed_at, last_event, created_at, started_at)
    select s.id, s.id, s.namespace, s.kind, s.definition, s.workflow, s.manifest_hash, s.name, s.key, s.depth, s.queue,
      s.priority, s.rule, case when s.claimer is null then 'ready' else 'running' end, 1, 1,
      case when s.claimer is null then 0 else 1 end, 0, 0, s.input, 0, 0, 0, 0, 0, 0, 0, 0, s.wake_at,
      s.limits, s.trace, s.now + s.rank, s.cleans_up, case when s.wake_at is null then s.gate end, s.now + s.expires_after, 0, s.claimer, case when s.claimer is not null then s.now end,
      case when s.claimer is null then 1 else 2 end, s.now, case when s.claimer is not null then s.now end
    from starting s order by s.place
    on conflict (id) do nothing
    returning id, ord, namespace, kind, definition, name, queue, claimed_by, created_at
  ),
  told as (
    insert into holdfast.outbox (${outboxColumns})
    select f.namespace, f.id, f.id, f.definition, f.name, e.number, e.type, f.created_at, e.data
    from fresh f cross join lateral (values
      (1, 'run.enqueued',
        '{"kind":' || to_json(f.kind)::text || ',"parentId":null,"queue":' || to_json(f.queue)::text || '}'),
      (2, 'run.started', '{"attempt":1,"epoch":1,"member":' || to_json(f.claimed_by)::text || '}')
    ) e(number, type, data)
    where e.number = 1 or f.claimed_by is not null
    order by f.ord, e.number
  )
  select false as outdated, f.id, f.created_at as now, f.claimed_by is not null as claimed from fresh f
  union all select true, o.id, null, null from outdated o`;

/** See `Store.enqueueRuns`. Rows without names and limits take one round trip. */
export async function enqueueRuns(
  pool: SessionPool,
  rows: readonly EnqueueRow[],
): Promise<{ results: EnqueueResult[]; topics: RingTopic[] }> {
  const isPlain = rows.every(({ key, request, run }) => key === null && request === null && run.limits.length === 0);
  const results = isPlain ? created(rows, await insertRoots(pool, distinct(rows))) : await insertJudged(pool, rows);
  return { results, topics: topicsOf(results) };
}

/** Whom these results concern. */
export function topicsOf(results: readonly EnqueueResult[]): RingTopic[] {
  const topics: RingTopic[] = [];
  if (results.some((result) => result.outcome === "created")) topics.push("events");
  if (results.some(mayStart)) topics.push("ready");
  return topics;
}

async function insertJudged(pool: SessionPool, rows: readonly EnqueueRow[]): Promise<EnqueueResult[]> {
  const { results } = await pool.transaction(async (transaction) => judgeAndInsert(transaction, rows));
  return results();
}

/** What `insertRoots` answers for rows that were judged: after the commit, with which the statement travels. */
interface JudgedInsertion {
  /** By row, undefined for one that is inserted. */
  readonly verdicts: readonly Verdict[];
  readonly results: () => Promise<EnqueueResult[]>;
}

/** Judges rows by their names and inserts those that may be; should that fail, the transaction does. */
export async function judgeAndInsert(transaction: Transaction, rows: readonly EnqueueRow[]): Promise<JudgedInsertion> {
  const verdicts = await judgeNames(transaction, rows);
  const wanted = rows.filter((_, index) => verdicts[index] === undefined);
  const judged = wanted.map((row) => ({ ...row, onlyIfCurrent: false }));
  const insertion = wanted.length === 0 ? Promise.resolve([]) : insertRoots(transaction, judged);
  insertion.catch(() => undefined);
  const limited = wanted.filter(({ run }) => run.limits.length > 0).map(({ run }) => startingRun(run, 0));
  const gates = limited.map((run) => ({ run, frees: [], arrives: true }));
  if (gates.length > 0) passGates(transaction, gates).catch(() => undefined);
  const results = async () => {
    const made = created(wanted, await insertion);
    return verdicts.map((verdict) => {
      const result = verdict ?? made.shift();
      if (result === undefined) throw new Error("a row without a verdict has no result");
      return result;
    });
  };
  return { verdicts, results };
}

/** One result a row. Of rows with one id the first is the one that was inserted. */
function created(rows: readonly EnqueueRow[], inserted: readonly InsertedRoot[]): EnqueueResult[] {
  const byId = new Map(inserted.map((root) => [root.id, root]));
  return rows.map(({ run, claimFor }) => {
    const root = byId.get(run.id);
    byId.delete(run.id);
    if (root === undefined) return { outcome: "existing", runId: run.id };
    if (root.outdated) return { outcome: "outdated" };
    const starting = startingRun(run, root.now);
    const isClaimed = root.claimed && claimFor !== null;
    return { outcome: "created", run: isClaimed ? claimed(starting, claimFor, root.now).row : starting };
  });
}

function distinct(rows: readonly EnqueueRow[]): EnqueueRow[] {
  const first = new Map<string, EnqueueRow>();
  for (const row of rows) if (!first.has(row.run.id)) first.set(row.run.id, row);
  return [...first.values()];
}

/** Also of a run that came to a gate: it may have passed it. */
function mayStart(result: EnqueueResult): boolean {
  const run: RunRow | undefined = result.outcome === "created" ? result.run : undefined;
  return run?.status === "ready" && run.wakeAt === null;
}
