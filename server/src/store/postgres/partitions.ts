import { numberArray } from "./arrays.ts";
import type { Runner, Transaction } from "./session.ts";

// Events and log lines lie in one partition a day (UTC). Partitions are made ahead; what finds none goes to the default one.

const dayMs = 86_400_000;
/** Days for which partitions are made, today included. */
const daysAhead = 4;

/** The server's clock may have been set back by so much while a run lived: where its events and lines are looked for. */
export const spanMarginMs = dayMs;

type Parted = "events" | "logs";

interface Partition {
  readonly table: Parted;
  readonly name: string;
  readonly from: number;
}

/** The dated partitions that exist. */
export async function listPartitions(db: Runner): Promise<Partition[]> {
  const rows = await db.run<{ name: string }>("listPartitions", listText);
  return rows.flatMap(({ name }) => parse(name) ?? []);
}

const listText = `
  select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = any (array['holdfast.events'::regclass, 'holdfast.logs'::regclass]::oid[]) order by c.relname`;

/** Which days, of those given, have rows in the default partition already: they cannot get one of their own. */
function listSettledDays(db: Runner, table: Parted, days: readonly number[]): Promise<{ day: number }[]> {
  return db.run("listSettledDays", settledText[table], [numberArray(days), dayMs]);
}

const settledText = {
  events: `select d.day from unnest($1::bigint[]) d(day)
    where exists (select 1 from holdfast.events_default e where e.at >= d.day and e.at < d.day + $2::bigint)`,
  logs: `select d.day from unnest($1::bigint[]) d(day)
    where exists (select 1 from holdfast.logs_default l where l.written_at >= d.day and l.written_at < d.day + $2::bigint)`,
};

/** Makes the partitions of today and the days after it. `now`: the store's clock. */
export async function makePartitions(transaction: Transaction, now: number): Promise<void> {
  const today = Math.floor(now / dayMs) * dayMs;
  const days = Array.from({ length: daysAhead }, (_, index) => today + index * dayMs);
  const existing = new Set((await listPartitions(transaction)).map(({ name }) => name));
  for (const table of ["events", "logs"] as const) {
    const missing = days.filter((day) => !existing.has(nameOf(table, day)));
    if (missing.length === 0) continue;
    const settled = new Set((await listSettledDays(transaction, table, missing)).map(({ day }) => day));
    for (const day of missing) if (!settled.has(day)) await makePartition(transaction, table, day);
  }
}

async function makePartition(transaction: Transaction, table: Parted, day: number): Promise<void> {
  const name = nameOf(table, day);
  await transaction.run(
    "makePartition",
    `create table holdfast.${name} partition of holdfast.${table} for values from (${day}) to (${day + dayMs})`,
  );
  if (table === "logs") {
    await transaction.run("makePartition", `create unique index ${name}_once on holdfast.${name} (run_id, epoch, seq)`);
  }
}

/**
 * Drops partitions all of whose rows are older than the floors. History of runs that still exist moves to the default
 * partition. Gives up quietly where others hold the tables: the next call does it.
 */
export async function dropPartitions(
  transaction: Transaction,
  floors: { readonly events: number; readonly logs: number },
): Promise<void> {
  const old = (await listPartitions(transaction)).filter(({ table, from }) => from + dayMs <= floors[table]);
  for (const { table, name } of old) {
    if (table === "events") await findKept(transaction, name);
    // From here on nobody reads or writes the whole table until the end of the transaction.
    await transaction.run("detachPartition", `alter table holdfast.${table} detach partition holdfast.${name}`);
    if (table === "events") await transaction.run("keepLiveHistory", keepText(name));
    await transaction.run("dropPartition", `drop table holdfast.${name}`);
  }
}

/**
 * Puts aside the history of runs that still exist, page by page, so that no statement takes long, and while others go on. What
 * comes into the partition meanwhile has positions after those that were given out before.
 */
async function findKept(transaction: Transaction, name: string): Promise<void> {
  await transaction.run("forgetKept", "drop table if exists pg_temp.kept, pg_temp.topics_before");
  await transaction.run(
    "noteTopics",
    "create temporary table topics_before on commit drop as select t.namespace, t.last from holdfast.topics t",
  );
  await transaction.run(
    "makeKept",
    `create temporary table kept on commit drop as select e.* from holdfast.${name} e where false`,
  );
  let place: { readonly run_id: string; readonly number: number } | undefined = { run_id: "", number: 0 };
  while (place !== undefined) {
    const parameters: [string, number, number] = [place.run_id, place.number, pageRows];
    [place] = await transaction.run<{ run_id: string; number: number }>("findKept", findKeptText(name), parameters);
  }
}

/** Events that are looked at by one statement. */
const pageRows = 10_000;

function findKeptText(name: string): string {
  return `
    with page as materialized (
      select e.* from holdfast.${name} e where (e.run_id, e.number) > ($1, $2::integer)
      order by e.run_id, e.number limit $3
    ),
    found as (
      insert into pg_temp.kept select p.* from page p
      where exists (select 1 from holdfast.runs r where r.id = p.run_id)
    )
    select p.run_id, p.number from page p order by p.run_id desc, p.number desc limit 1`;
}

function keepText(name: string): string {
  return `
    insert into holdfast.events
    select k.* from pg_temp.kept k
    union all
    select e.* from pg_temp.topics_before t
      join holdfast.${name} e on e.namespace = t.namespace and e.position > t.last
      where exists (select 1 from holdfast.runs r where r.id = e.run_id)`;
}

function nameOf(table: Parted, day: number): string {
  return `${table}_${new Date(day).toISOString().slice(0, 10).replaceAll("-", "")}`;
}

function parse(name: string): Partition | undefined {
  const match = /^(events|logs)_(\d{4})(\d{2})(\d{2})$/.exec(name);
  if (match === null) return undefined;
  const [, table, year, month, day] = match;
  return { table: table as Parted, name, from: Date.UTC(Number(year), Number(month) - 1, Number(day)) };
}
