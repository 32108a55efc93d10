/**
 * `node --conditions=@holdfast/source bench/state.ts [--seconds N] [--rows N]`: how many steps and transactions of state a second the stores take from 1, 10 and 50 writers,
 * beside what the bare drivers do, and how long a value takes to be read beside none and beside many; see README.md beside this file.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import postgres from "postgres";
import type { StateOp } from "../protocol/src/index.ts";
import { mergeCalls } from "../server/src/store/merging.ts";
import { openPostgresStore } from "../server/src/store/postgres/postgres-store.ts";
import { openSqliteStore } from "../server/src/store/sqlite/open.ts";
import type { Store } from "../server/src/store/store.ts";
import { startPostgres } from "../test/postgres.ts";
import { quantile } from "./quantile.ts";
import { rootRun } from "./root-run.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "3" }, rows: { type: "string", default: "1000000" } },
});
const spanMs = Number(values.seconds) * 1_000;
const manyRows = Number(values.rows);
const namespace = "shop";
const writerCounts = [1, 10, 50] as const;

interface Writer {
  readonly runId: string;
  readonly epoch: number;
}

/** One write after the other by each writer, until the time is over; answers how many a second. */
async function rate(writers: number, write: (writer: number, number: number) => Promise<void>): Promise<number> {
  const begin = performance.now();
  const counts = await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      let number = 0;
      for (; performance.now() - begin < spanMs; number++) await write(writer, number);
      return number;
    }),
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  return Math.round((total * 1_000) / (performance.now() - begin));
}

let lastRun = 0;

/** Activations that write: a new one for each measurement, since steps of a run are counted. */
async function startWriters(store: Store, count: number, name: string): Promise<Writer[]> {
  const memberId = `member-${name}`;
  await store.joinMember({ id: memberId, kind: "node", name, namespace, serves: null, leaseMs: 86_400_000 });
  const rows = Array.from({ length: count }, (_, number) => {
    lastRun += 1;
    const tail = new Uint8Array(9);
    new DataView(tail.buffer).setUint32(2, lastRun);
    const run = rootRun(tail, { namespace, definition: "load", input: number });
    return { run, key: null, request: null, claimFor: memberId };
  });
  const results = await store.enqueueRuns({ rows });
  return results.map((result) => {
    if (result.outcome !== "created") throw new Error(`a writer is ${result.outcome}`);
    return { runId: result.run.id, epoch: result.run.epoch };
  });
}

type Ops = (writer: Writer) => readonly StateOp[];
const transactions: Readonly<Record<string, Ops>> = {
  "state, each its own run's": ({ runId: id }) => [{ op: "increment", scope: { kind: "run", id }, key: "n", by: 1 }],
  "state, all one counter": () => [{ op: "increment", scope: { kind: "task", id: "load" }, key: "n", by: 1 }],
};

/** Runs take 10,000 steps: a writer that has made so many goes on as the next one. */
const stepsPerWriter = 9_999;

async function measureWrites(store: Store, title: string): Promise<void> {
  for (const writers of writerCounts) {
    const spare = Math.ceil((spanMs * 40) / stepsPerWriter) + 1;
    const pool = await startWriters(store, writers * spare, `s${writers}`);
    const writerOf = (writer: number, number: number) => {
      const found = pool[writer * spare + Math.floor(number / stepsPerWriter)];
      if (found === undefined) throw new Error("more writers are needed");
      return found;
    };
    const steps = await rate(writers, async (writer, number) => {
      const row = { ...writerOf(writer, number), generation: 1, key: `s${number}`, value: number };
      expect((await store.commitSteps({ rows: [row] }))[0]?.outcome, "recorded");
    });
    print(title, "step", writers, steps);
  }
  for (const [place, [what, ops]] of Object.entries(transactions).entries()) {
    for (const writers of writerCounts) {
      const spare = Math.ceil((spanMs * 40) / stepsPerWriter) + 1;
      const pool = await startWriters(store, writers * spare, `${place}${writers}`);
      const done = await rate(writers, async (writer, number) => {
        const body = pool[writer * spare + Math.floor(number / stepsPerWriter)];
        if (body === undefined) throw new Error("more writers are needed");
        const row = { namespace, ops: ops(body), writer: { ...body, generation: 1, key: `s${number}` } };
        expect((await store.transactState({ rows: [row] }))[0]?.outcome, "applied");
      });
      print(title, what, writers, done);
    }
  }
}

async function measureReads(store: Store, title: string): Promise<number[]> {
  const scope = { kind: "task", id: "read" } as const;
  const ops = [{ op: "set", scope, key: "k/7", value: { a: 1 } }] as const;
  await store.transactState({ rows: [{ namespace, ops, writer: null }] });
  const samples: number[] = [];
  for (let round = 0; round < 2_000; round++) {
    const begin = performance.now();
    await store.readState({ rows: [{ namespace, scope, keys: ["k/7"] }] });
    samples.push(performance.now() - begin);
  }
  const [half, most] = [quantile(samples, 0.5), quantile(samples, 0.99)];
  console.log(`| ${title} | p50 ${half.toFixed(3)} ms, p99 ${most.toFixed(3)} ms |`);
  return samples;
}

function print(title: string, what: string, writers: number, perSecond: number): void {
  console.log(`| ${title} | ${what} | ${writers} | ${perSecond.toLocaleString("en")} /s |`);
}

function expect(outcome: string | undefined, wanted: string): void {
  if (outcome !== wanted) throw new Error(`a write is ${outcome}`);
}

/** Values of many other scopes, past the store. */
const fillText = (series: string, table: string, scopes: string) => `
  insert into ${table} (scope_kind, scope_id, generation, key, version, writer_run, writer_epoch, created_at, updated_at, value)
  select 'task', 'shop/other' || (n / 100), 0, 'k/' || (n % 100), 1, '', 0, 1, 1, '{"a":1}' from ${series};
  insert into ${scopes} (scope_kind, scope_id, generation, keys, bytes, floor, last)
  select 'task', 'shop/other' || n, 0, 100, 700, 0, 1 from ${series} where n < ${Math.ceil(manyRows / 100)}`;

async function onSqlite(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "hf-bench-"));
  try {
    rawSqlite(join(folder, "raw.db"));
    const open = async () =>
      mergeCalls(await openSqliteStore({ path: join(folder, "s.db"), migrate: true, role: "owner" }), {
        clock: { sleep: async () => {} },
      });
    const store = await open();
    await measureWrites(store, "SQLite");
    await measureReads(store, "SQLite, beside nothing");
    await store.close();
    const db = new DatabaseSync(join(folder, "s.db"));
    const series = `(WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < ${manyRows}) SELECT n FROM s)`;
    db.exec(fillText(series, '"values"', "state_scopes"));
    db.close();
    const filled = await open();
    await measureReads(filled, `SQLite, beside ${manyRows.toLocaleString("en")} values`);
    await filled.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A commit for as many rows as there are writers: what merged calls can come to. */
function rawSqlite(path: string): void {
  const db = new DatabaseSync(path);
  db.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE v (k TEXT PRIMARY KEY, n INTEGER) STRICT, WITHOUT ROWID",
  );
  const write = db.prepare("INSERT INTO v VALUES (?, ?) ON CONFLICT DO UPDATE SET n = excluded.n");
  for (const writers of writerCounts) {
    const begin = performance.now();
    let count = 0;
    while (performance.now() - begin < spanMs) {
      db.exec("BEGIN IMMEDIATE");
      for (let writer = 0; writer < writers; writer++) write.run(`k${writer}`, count++);
      db.exec("COMMIT");
    }
    print(
      "SQLite",
      "bare: one row a writer, one commit",
      writers,
      Math.round((count * 1_000) / (performance.now() - begin)),
    );
  }
  db.close();
}

async function onPostgres(): Promise<void> {
  const server = await startPostgres();
  try {
    const url = await server.createDatabase();
    await rawPostgres(url);
    const store = mergeCalls(await openPostgresStore({ url, migrate: true }), { clock: { sleep: async () => {} } });
    await measureWrites(store, "PostgreSQL");
    await measureReads(store, "PostgreSQL, beside nothing");
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    await sql.unsafe(fillText(`generate_series(0, ${manyRows - 1}) n`, "holdfast.values", "holdfast.state_scopes"));
    await sql.unsafe("vacuum analyze holdfast.values");
    await sql.end();
    await measureReads(store, `PostgreSQL, beside ${manyRows.toLocaleString("en")} values`);
    await store.close();
  } finally {
    await server.stop();
  }
}

/** One statement and commit a write, each writer on a connection of its own. */
async function rawPostgres(url: string): Promise<void> {
  for (const writers of writerCounts) {
    const sql = postgres(url, { max: writers, onnotice: () => {} });
    await sql`create table if not exists public.v (k text primary key, n integer)`;
    const done = await rate(writers, async (writer, number) => {
      await sql`insert into public.v values (${`k${writer}`}, ${number}) on conflict (k) do update set n = excluded.n`;
    });
    print("PostgreSQL", "bare: one row, one commit, a connection each", writers, done);
    await sql.end();
  }
}

await onSqlite();
await onPostgres();
