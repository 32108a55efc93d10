import postgres from "postgres";
import { batchesOf, type Copies, copiedTables, daysOf, idColumns, placeText, scatter, timeColumns } from "./copies.ts";

// The indexes are dropped before the copies come and made again after the last one: that is how a store of this size is
// restored from a dump, too. The last copies come while the indexes are there, as runs that go through all their states.

const tables = [...copiedTables, "names"] as const;
type CopiedTable = (typeof tables)[number];
const dayMs = 86_400_000;

type Sql = postgres.Sql;

/** Copies the runs that the store holds, as often as `copies` says. No process may have it open. */
export async function copyInPostgres(url: string, copies: Copies): Promise<void> {
  const sql = postgres(url, { max: 3, onnotice: () => {}, connection: { synchronous_commit: "off" } });
  try {
    await sql.unsafe("set maintenance_work_mem = '512MB'");
    await makePastPartitions(sql, copies.days);
    await makeUnit(sql);
    const indexes = await dropIndexes(sql);
    const plan = { ...copies, now: Date.now() };
    await Promise.all([
      copyTables(sql, ["runs", "values", "edges", "names"], plan),
      copyTables(sql, ["events", "logs"], plan),
    ]);
    const [{ last = 0 } = {}] = await sql<
      { last: number }[]
    >`select max(position)::float8 as last from holdfast.events`;
    await sql`update holdfast.topics set last = ${last}`;
    const chains: string[][] = [[], []];
    for (const [index, text] of indexes.entries()) chains[index % 2]?.push(text);
    await Promise.all(
      chains.map(async (texts) => {
        const own = await sql.reserve();
        await own.unsafe("set maintenance_work_mem = '512MB'");
        for (const text of texts) {
          copies.tell(text);
          await own.unsafe(text);
        }
        own.release();
      }),
    );
    copies.tell("vacuum analyze");
    await sql.unsafe("drop schema bench_unit cascade");
    await sql.unsafe("vacuum analyze");
  } finally {
    await sql.end();
  }
}

/** One partition a day, as nodes make them day by day. */
async function makePastPartitions(sql: Sql, days: number): Promise<void> {
  const today = Math.floor(Date.now() / dayMs) * dayMs;
  for (let day = today - Math.ceil(days) * dayMs; day < today; day += dayMs) {
    for (const table of ["events", "logs"]) {
      const name = `${table}_${new Date(day).toISOString().slice(0, 10).replaceAll("-", "")}`;
      await sql.unsafe(`create table if not exists holdfast.${name} partition of holdfast.${table}
        for values from (${day}) to (${day + dayMs})`);
      if (table === "logs") {
        await sql.unsafe(`create unique index if not exists ${name}_once on holdfast.${name} (run_id, epoch, seq)`);
      }
    }
  }
}

/** The pattern, in tables of its own: each id is replaced by its run's place. */
async function makeUnit(sql: Sql): Promise<void> {
  await sql.unsafe("create schema bench_unit");
  const order = { runs: "ord", events: "position", values: "ord", logs: "id", edges: "upstream", names: "name" };
  const runs = await sql<{ id: string }[]>`select id from holdfast.runs order by ord`;
  for (const table of tables) {
    await sql.unsafe(`create unlogged table bench_unit.${table} as
      select t.*, row_number() over (order by t.${order[table]}) as nth from holdfast.${table} t order by nth`);
    for (const { name } of await columnsOf(sql, table)) {
      if (!idColumns.has(name)) continue;
      for (const [place, { id }] of runs.entries()) {
        await sql.unsafe(`update bench_unit.${table} set "${name}" = $1 where "${name}" = $2`, [placeText(place), id]);
      }
    }
  }
}

async function columnsOf(sql: Sql, table: CopiedTable): Promise<{ name: string }[]> {
  const columns = await sql<{ name: string }[]>`
    select column_name as name from information_schema.columns
    where table_schema = 'holdfast' and table_name = ${table} and is_identity = 'NO' and is_generated = 'NEVER'
    order by ordinal_position`;
  // Given by their sequence, in the order of writing.
  return columns.filter(({ name }) => table !== "logs" || name !== "id");
}

async function copyTables(sql: Sql, names: readonly CopiedTable[], plan: Copies & { now: number }): Promise<void> {
  for (const table of names) {
    const [{ rows = 0 } = {}] = await sql.unsafe<{ rows: number }[]>(
      `select count(*)::int as rows from bench_unit.${table}`,
    );
    const columns = await columnsOf(sql, table);
    const value = (name: string): string => {
      if (idColumns.has(name)) return `h.head || t."${name}"`;
      if (timeColumns.has(name)) return `t."${name}" - h.shift`;
      if (name === "position") return `${rows}::bigint * (h.n + 1) + t.nth`;
      return table === "names" && name === "name" ? "t.name || h.n" : `t."${name}"`;
    };
    const text = `insert into holdfast.${table} (${columns.map(({ name }) => `"${name}"`)})
      select ${columns.map(({ name }) => value(name))}
      from (select n, $3::text || lpad(to_hex(${scatter}), 8, '0') as head,
        round(($4::bigint - n) * $5::float8)::bigint as shift from generate_series($1::bigint, $2::bigint) n) h
      cross join lateral (select u.* from bench_unit.${table} u where h.n >= 0 order by u.nth) t`;
    for (const { first, last, prefix, stepMs } of batchesOf({ ...plan, of: daysOf(table, plan) })) {
      await sql.unsafe(text, [first, last, prefix, plan.count, stepMs]);
      if ((first / (last - first + 1)) % 10 === 0) plan.tell(`${table}: ${first.toLocaleString("en")}`);
    }
  }
}

/** Drops what slows copying down; answers how it is made again. */
async function dropIndexes(sql: Sql): Promise<string[]> {
  const keys = await sql<{ name: string; table: string; text: string }[]>`
    select c.conname as name, c.conrelid::regclass::text as table, pg_get_constraintdef(c.oid) as text
    from pg_constraint c join pg_class t on t.oid = c.conrelid
    where c.contype = 'p' and t.relnamespace = 'holdfast'::regnamespace and t.relname = any (${[...tables]})`;
  for (const { name, table } of keys) await sql.unsafe(`alter table ${table} drop constraint ${name}`);
  const indexes = await sql<{ name: string; text: string }[]>`
    select indexname as name, indexdef as text from pg_indexes
    where schemaname = 'holdfast' and tablename = any (${[...tables]})`;
  for (const { name } of indexes) await sql.unsafe(`drop index holdfast.${name}`);
  return [
    ...keys.map(({ table, text }) => `alter table ${table} add ${text}`),
    // An index of a table with partitions is made on all of them.
    ...indexes.map(({ text }) => text.replace(" ON ONLY ", " ON ")),
  ];
}
