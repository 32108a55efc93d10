import type { DatabaseSync } from "node:sqlite";
import postgres from "postgres";

// Ended runs by the million: copies of one that was really carried out, with its events and their places in the topic's log,
// under ids of their own.

const copiesAtATime = 50_000;
const eventsPerRun = 3;

const tables = ["runs", "events"] as const;

/** What a column of copy number `n` holds. */
function copied(column: string, id: string): string {
  if (column === "id" || column === "root_id" || column === "run_id") return id;
  if (column === "position") return `t.position + ${eventsPerRun} * (n + 1)`;
  return `t."${column}"`;
}

/** Statements per batch: from copy $1 to copy $2 of the run $3. */
function* batches(count: number): Generator<[number, number]> {
  for (let from = 0; from < count; from += copiesAtATime) yield [from, Math.min(count, from + copiesAtATime) - 1];
}

export async function copyInPostgres(url: string, template: string, count: number): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const id = "substr($3, 1, 7) || lpad(n::text, 13, '0')";
    const copies: string[] = [];
    for (const table of tables) {
      const rows = await sql<{ name: string }[]>`
        select column_name as name from information_schema.columns
        where table_schema = 'holdfast' and table_name = ${table} and is_identity = 'NO' and is_generated = 'NEVER'`;
      const names = rows.map(({ name }) => name);
      const key = table === "runs" ? "id" : "run_id";
      copies.push(
        `insert into holdfast.${table} (${names.map((name) => `"${name}"`)})
         select ${names.map((name) => copied(name, id))}
         from generate_series($1::bigint, $2::bigint) n, holdfast.${table} t where t.${key} = $3`,
      );
    }
    for (const [from, to] of batches(count)) for (const text of copies) await sql.unsafe(text, [from, to, template]);
    await sql.unsafe("update holdfast.topics set last = (select max(position) from holdfast.events)");
    await sql.unsafe("vacuum analyze");
  } finally {
    await sql.end();
  }
}

export function copyInSqlite(database: DatabaseSync, template: string, count: number): void {
  const id = "substr(?3, 1, 7) || printf('%013d', n)";
  const numbers = "with recursive numbers(n) as (select ?1 union all select n + 1 from numbers where n < ?2)";
  const from = {
    runs: "numbers, runs t where t.id = ?3",
    // There an event names its run by its place.
    events: `numbers join runs r on r.id = ${id}, runs o join events t on t.run = o.seq where o.id = ?3`,
  };
  const copies = tables.map((table) => {
    const rows = database.prepare(`pragma table_info(${table})`).all() as { name: string }[];
    const names = rows.map(({ name }) => name).filter((name) => name !== "seq");
    const values = names.map((name) => (name === "run" ? "r.seq" : copied(name, id)));
    return database.prepare(
      `${numbers} insert into ${table} (${names.map((name) => `"${name}"`)}) select ${values} from ${from[table]}`,
    );
  });
  for (const [first, last] of batches(count)) {
    database.exec("begin");
    for (const copy of copies) copy.run(first, last, template);
    database.exec("commit");
  }
  database.exec("update topics set last = (select max(position) from events)");
}
