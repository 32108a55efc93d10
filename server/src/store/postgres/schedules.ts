import type { ListedSchedule, ScheduleRow } from "../../core/index.ts";
import type {
  DueSchedule,
  EnqueueResult,
  EnqueueRow,
  FiringResult,
  RingTopic,
  ScheduleDeclaration,
  ScheduleFiring,
  Store,
} from "../store.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import { judgeAndInsert, topicsOf } from "./enqueue.ts";
import { fittingText } from "./fitting.ts";
import type { Runner, Transaction, Work } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";

// P3: a tick's runs and its schedule's next moment are one transaction, begun by locking the schedule in the version that was
// seen. Who finds it locked passes on: it is being fired, paused or declared by another, and looked at again soon.

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];

interface StoredListing {
  readonly namespace: string;
  readonly id: string;
  readonly definition: string;
  readonly spec: string;
  readonly paused: boolean;
  readonly due_at: number | null;
  readonly state: string;
  readonly version: number;
  readonly declared_at: number;
  readonly paused_at: number | null;
  readonly pause_reason: string | null;
  readonly resumed_at: number | null;
}

interface StoredSchedule extends StoredListing {
  readonly params: string;
}

const listedColumns = `s.namespace, s.id, s.definition, s.spec, s.paused, s.due_at, s.state, s.version, s.declared_at,
  s.paused_at, s.pause_reason, s.resumed_at`;
const columns = `${listedColumns}, s.params`;

function toListed({ spec, state, due_at, declared_at, ...row }: StoredListing): ListedSchedule {
  return {
    namespace: row.namespace,
    id: row.id,
    definition: row.definition,
    paused: row.paused,
    version: row.version,
    spec: JSON.parse(spec) as ListedSchedule["spec"],
    state: JSON.parse(state) as ScheduleRow["state"],
    dueAt: due_at,
    declaredAt: declared_at,
    pausedAt: row.paused_at,
    pauseReason: row.pause_reason,
    resumedAt: row.resumed_at,
  };
}

function toSchedule({ params, ...stored }: StoredSchedule): ScheduleRow {
  const listed = toListed(stored);
  return { ...listed, spec: { ...listed.spec, params: JSON.parse(params) as ScheduleRow["spec"]["params"] } };
}

/** Holds the schedules of definitions, in one order for all who declare. */
export function lockDefinitionSchedules(
  db: Runner,
  namespace: string,
  definitions: readonly string[],
): Promise<{ id: string }[]> {
  return db.run("lockDefinitionSchedules", lockDefinitionsText, [namespace, textArray(definitions)]);
}

const lockDefinitionsText = `
  select s.id from holdfast.schedules s
  where s.namespace = $1 and s.definition = any ($2::text[]) order by s.id for update of s`;

/** Withdraws the schedules of definitions but for those that are named. */
export function withdrawSchedules(
  db: Runner,
  { namespace, definitions, named }: { namespace: string; definitions: readonly string[]; named: readonly string[] },
): Promise<{ id: string }[]> {
  return db.run("withdrawSchedules", withdrawText, [namespace, textArray(definitions), textArray(named)]);
}

const withdrawText = `
  delete from holdfast.schedules s
  where s.namespace = $1 and s.definition = any ($2::text[]) and s.id <> all ($3::text[])
  returning s.id`;

/** Puts schedules in place that are not there, and changes those that are there in the version that was seen; answers these. */
export function putSchedules(
  db: Runner,
  namespace: string,
  rows: readonly ScheduleDeclaration[],
): Promise<{ id: string }[]> {
  return db.run("putSchedules", putText, [
    namespace,
    textArray(rows.map(({ id }) => id)),
    textArray(rows.map(({ definition }) => definition)),
    textArray(rows.map(({ spec: { params: _, ...spec } }) => JSON.stringify(spec))),
    msArray(rows.map(({ dueAt }) => dueAt)),
    textArray(rows.map(({ state }) => JSON.stringify(state))),
    numberArray(rows.map(({ version }) => version)),
    textArray(rows.map(({ spec }) => JSON.stringify(spec.params))),
  ]);
}

const putText = `
  with given as materialized (
    select * from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::int[], $8::text[])
      n(id, definition, spec, due_at, state, version, params)
  ),
  made as (
    insert into holdfast.schedules (namespace, id, definition, spec, params, paused, due_at, state, version, declared_at)
    select $1, g.id, g.definition, g.spec, g.params, false, g.due_at, g.state, 1, holdfast.clock_ms()
    from given g where g.version is null order by g.id
    on conflict do nothing returning id
  ),
  changed as (
    update holdfast.schedules s set spec = g.spec, params = g.params, due_at = g.due_at, state = g.state, version = s.version + 1,
      declared_at = holdfast.clock_ms()
    from given g where s.namespace = $1 and s.id = g.id and s.version = g.version
    returning s.id
  )
  select m.id from made m union all select c.id from changed c`;

/** See `Store.declareSchedules`. */
export async function declareSchedules(
  pool: SessionPool,
  { namespace, definitions, rows, kept }: Args<"declareSchedules">,
): Promise<{ results: ("declared" | "stale")[]; withdrawn: string[] }> {
  const named = [...kept, ...rows.map(({ id }) => id)];
  return pool.transaction(async (transaction) => {
    const [, withdrawn, put] = await Promise.all([
      lockDefinitionSchedules(transaction, namespace, definitions),
      withdrawSchedules(transaction, { namespace, definitions, named }),
      putSchedules(transaction, namespace, rows),
    ]);
    const done = new Set(put.map(({ id }) => id));
    const results = rows.map(({ id }) => (done.has(id) ? ("declared" as const) : ("stale" as const)));
    return { results, withdrawn: withdrawn.map(({ id }) => id).sort() };
  });
}

/** See `Store.listSchedules`. */
export async function listSchedules(db: Runner, args: Args<"listSchedules">): Promise<ListedSchedule[]> {
  const { namespace, definition, after = "", limitRows } = args;
  const rows =
    definition === undefined
      ? await db.run<StoredListing>("listSchedules", listText, [namespace, after, limitRows])
      : await db.run<StoredListing>("listDefinitionSchedules", listDefinitionText, [
          namespace,
          definition,
          after,
          limitRows,
        ]);
  return rows.map(toListed);
}

const listText = `
  select ${listedColumns} from holdfast.schedules s where s.namespace = $1 and s.id > $2 order by s.id limit $3`;
const listDefinitionText = `
  select ${listedColumns} from holdfast.schedules s
  where s.namespace = $1 and s.definition = $2 and s.id > $3 order by s.id limit $4`;

/** See `Store.findSchedule`. */
export async function findSchedule(
  db: Runner,
  { namespace, id }: Args<"findSchedule">,
): Promise<ScheduleRow | undefined> {
  const [row] = await db.run<StoredSchedule>("findSchedule", findText, [namespace, id]);
  return row === undefined ? undefined : toSchedule(row);
}

const findText = `select ${columns} from holdfast.schedules s where s.namespace = $1 and s.id = $2`;

/** Schedules that are due, the longest due first, with their definitions' current manifests. */
export function listDue(
  db: Runner,
  { namespace, limitRows }: Args<"dueSchedules">,
): Promise<(StoredSchedule & { manifest_hash: string | null })[]> {
  return db.run("listDueSchedules", dueText, [namespace, limitRows]);
}

const dueText = fittingText(
  `select ${columns}, d.manifest_hash, row_number() over (order by s.due_at, s.id) as nth
  from holdfast.schedules s
  left join holdfast.definitions d on d.namespace = s.namespace and d.id = s.definition
  where s.namespace = $1 and not s.paused and s.due_at is not null and s.due_at <= (select holdfast.clock_ms())
  order by s.due_at, s.id limit $2`,
  { order: "nth", bytes: "octet_length(t.params)" },
);

/** The moment, and how long until the next schedule is due. */
export function findNextDue(db: Runner, namespace: string): Promise<{ now: number; in_ms: number | null }[]> {
  return db.run("findNextDueSchedule", nextDueText, [namespace]);
}

const nextDueText = `
  select c.now, (
    select greatest(0, s.due_at - c.now) from holdfast.schedules s
    where s.namespace = $1 and not s.paused and s.due_at is not null order by s.due_at, s.id limit 1) as in_ms
  from (select holdfast.clock_ms() as now) c`;

/** See `Store.dueSchedules`. */
export async function dueSchedules(
  pool: SessionPool,
  args: Args<"dueSchedules">,
): Promise<{ due: DueSchedule[]; now: number; nextInMs: number | null }> {
  const rows = await listDue(pool, args);
  // Afterwards, so that no schedule is said to be due later than at this moment.
  const [next] = await findNextDue(pool, args.namespace);
  const due = rows.map(({ manifest_hash, ...row }) => ({ schedule: toSchedule(row), manifestHash: manifest_hash }));
  return { due, now: next?.now ?? 0, nextInMs: next?.in_ms ?? null };
}

/** Holds schedules that are there in the version that was seen and that nobody else is at. */
export function lockSchedules(
  db: Runner,
  rows: readonly Pick<ScheduleFiring, "namespace" | "id" | "version">[],
): Promise<{ namespace: string; id: string }[]> {
  return db.run("lockSchedules", lockText, [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ id }) => id)),
    numberArray(rows.map(({ version }) => version)),
  ]);
}

const lockText = `
  select s.namespace, s.id from unnest($1::text[], $2::text[], $3::int[]) n(namespace, id, version)
  join holdfast.schedules s on s.namespace = n.namespace and s.id = n.id and s.version = n.version
  for update of s skip locked`;

/** Moves schedules on that are held. */
export function moveSchedules(db: Runner, rows: readonly ScheduleFiring[]): Promise<unknown> {
  return db.run("moveSchedules", moveText, [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ id }) => id)),
    msArray(rows.map(({ dueAt }) => dueAt)),
    textArray(rows.map(({ state }) => JSON.stringify(state))),
  ]);
}

const moveText = `
  update holdfast.schedules s set due_at = n.due_at, state = n.state, version = s.version + 1
  from unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) n(namespace, id, due_at, state)
  where s.namespace = n.namespace and s.id = n.id`;

/** See `Store.fireSchedules`. */
export async function fireSchedules(
  pool: SessionPool,
  rows: readonly ScheduleFiring[],
): Promise<{ results: FiringResult[]; topics: RingTopic[] }> {
  return pool.transaction(async (transaction) => {
    const held = new Set((await lockSchedules(transaction, rows)).map(placeOf));
    // Of two rows for one schedule the first is the one whose version was right.
    const fired = new Set(rows.filter((row) => held.delete(placeOf(row))));
    const started = await fire(transaction, [...fired]);
    const results = rows.map((row): FiringResult => {
      if (!fired.has(row)) return { outcome: "stale" };
      return { outcome: "fired", runs: started.splice(0, row.runs.length) };
    });
    return { results, topics: topicsOf(results.flatMap((result) => (result.outcome === "fired" ? result.runs : []))) };
  });
}

async function fire(transaction: Transaction, rows: readonly ScheduleFiring[]): Promise<EnqueueResult[]> {
  if (rows.length === 0) return [];
  // It travels with what follows; should it fail, the transaction does.
  moveSchedules(transaction, rows).catch(() => undefined);
  const runs: EnqueueRow[] = rows.flatMap((row) => row.runs);
  return runs.length === 0 ? [] : (await judgeAndInsert(transaction, runs)).results();
}

function placeOf({ namespace, id }: { readonly namespace: string; readonly id: string }): string {
  return JSON.stringify([namespace, id]);
}

/** Pauses a schedule or lets it go on, where it is not so already. */
export function setPaused(
  db: Runner,
  { namespace, id, paused, reason }: Args<"pauseSchedule">,
): Promise<{ id: string }[]> {
  return db.run("pauseSchedule", pauseText, [namespace, id, paused, reason]);
}

const pauseText = `
  update holdfast.schedules s set paused = $3, version = s.version + 1,
    paused_at = case when $3 then holdfast.clock_ms() end, pause_reason = case when $3 then $4::text end,
    resumed_at = case when $3 then s.resumed_at else holdfast.clock_ms() end
  where s.namespace = $1 and s.id = $2 and s.paused <> $3 returning s.id`;

/** See `Store.pauseSchedule`. */
export function pauseSchedule(
  pool: Work,
  args: Args<"pauseSchedule">,
): Promise<{ changed: boolean; schedule: ScheduleRow } | undefined> {
  return pool.transaction(async (transaction) => {
    const [changed, schedule] = await Promise.all([setPaused(transaction, args), findSchedule(transaction, args)]);
    return schedule === undefined ? undefined : { changed: changed.length > 0, schedule };
  });
}

/** See `Store.removeSchedule`. */
export async function removeSchedule(
  db: Runner,
  { namespace, id }: Args<"removeSchedule">,
): Promise<{ removed: boolean }> {
  const rows = await db.run("removeSchedule", removeText, [namespace, id]);
  return { removed: rows.length > 0 };
}

const removeText = `
  delete from holdfast.schedules s where s.namespace = $1 and s.id = $2 returning s.id`;
