import { DatabaseSync } from "node:sqlite";
import { batchesOf, type Copies, copiedTables, daysOf, idColumns, placeText, scatter, timeColumns } from "./copies.ts";
import { unitRuns } from "./unit.ts";

// As in PostgreSQL: indexes are made after the copies.

const tables = [...copiedTables, "keys"] as const;
type CopiedTable = (typeof tables)[number];

/** Copies the runs that the store at `path` holds, as often as `copies` says. No process may have it open. */
export function copyInSqlite(path: string, copies: Copies): void {
  const db = new DatabaseSync(path);
  try {
    // What breaks here is made anew. The store opens the file with settings of its own.
    db.exec(
      "pragma journal_mode = delete; pragma synchronous = off; pragma cache_size = -524288; pragma temp_store = file",
    );
    makeUnit(db);
    const indexes = db
      .prepare("select name, sql from sqlite_schema where type = 'index' and sql is not null")
      .all() as unknown as { name: string; sql: string }[];
    for (const { name } of indexes) db.exec(`drop index "${name}"`);
    const plan = { ...copies, now: Date.now() };
    for (const table of tables) copyTable(db, table, plan);
    db.exec(`update topics set last = (select max(position) from events where namespace = topics.namespace)`);
    for (const { sql } of indexes) {
      copies.tell(sql.split("\n")[0] ?? "");
      db.exec(sql);
    }
  } finally {
    db.close();
  }
}

function makeUnit(db: DatabaseSync): void {
  const order = { runs: "seq", events: "position", values: "seq", logs: "id", edges: "upstream", keys: "key" };
  const runs = db.prepare("select id, seq from runs order by seq").all() as unknown as { id: string; seq: number }[];
  for (const table of tables) {
    db.exec(`create temp table unit_${table} as
      select t.*, row_number() over (order by t.${order[table]}) as nth from main."${table}" t order by nth`);
    for (const name of columnsOf(db, table)) {
      if (!isId(table, name)) continue;
      const replace = db.prepare(`update unit_${table} set "${name}" = ? where "${name}" = ?`);
      for (const [place, { id }] of runs.entries()) replace.run(placeText(place), id);
    }
  }
  // There an event names its run by its place.
  const place = db.prepare("update unit_events set run = ? where run = ?");
  for (const [index, { seq }] of runs.entries()) place.run(-index, seq);
}

/** What a run's row says of the runs before it are numbers. */
function isId(table: CopiedTable, name: string): boolean {
  return idColumns.has(name) && !(table === "runs" && name === "upstream");
}

function columnsOf(db: DatabaseSync, table: CopiedTable): string[] {
  const columns = db.prepare(`pragma table_info("${table}")`).all() as unknown as { name: string }[];
  const given = table === "logs" ? ["id"] : ["values"].includes(table) ? ["seq"] : [];
  return columns.map(({ name }) => name).filter((name) => !given.includes(name));
}

function copyTable(db: DatabaseSync, table: CopiedTable, plan: Copies & { now: number }): void {
  const { rows } = db.prepare(`select count(*) as rows from unit_${table}`).get() as unknown as { rows: number };
  const columns = columnsOf(db, table);
  const value = (name: string): string => {
    if (table === "runs" && name === "seq") return `${unitRuns} * (n + 1) + t.nth`;
    if (table === "events" && name === "run") return `${unitRuns} * (n + 1) + 1 - t.run`;
    if (isId(table, name)) return `head || t."${name}"`;
    if (timeColumns.has(name)) return `t."${name}" - shift`;
    if (name === "position") return `${rows} * (n + 1) + t.nth`;
    return table === "keys" && name === "key" ? "t.key || n" : `t."${name}"`;
  };
  const copy = db.prepare(`
    with recursive numbers (n) as (select cast(?1 as integer) union all select n + 1 from numbers where n < ?2),
    heads (n, head, shift) as (
      select n, ?3 || printf('%08x', ${scatter}), round((?4 - n) * ?5) from numbers)
    insert into "${table}" (${columns.map((name) => `"${name}"`)})
    select ${columns.map(value)} from heads cross join unit_${table} t`);
  for (const { first, last, prefix, stepMs } of batchesOf({ ...plan, of: daysOf(table, plan) })) {
    db.exec("begin");
    copy.run(first, last, prefix, plan.count, stepMs);
    db.exec("commit");
    if ((first / (last - first + 1)) % 10 === 0) plan.tell(`${table}: ${first.toLocaleString("en")}`);
  }
}
