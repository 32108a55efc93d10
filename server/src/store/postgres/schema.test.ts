import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import postgres from "postgres";
import { requirePostgres } from "../../../../scripts/test-postgres.ts";
import { createDatabase, dropDatabase } from "../../../../test/postgres.ts";
import { next, World } from "../contract/world.contract.ts";
import { TestDatabase } from "./database.fixture.ts";
import { openPostgresStore } from "./postgres-store.ts";
import { migratePostgres, newestSchema } from "./schema.ts";
import { Session } from "./session.ts";

const dumpFile = new URL("../migrations/postgres/schema.sql", import.meta.url);

let database: TestDatabase;

before(async () => {
  database = await TestDatabase.create();
});
after(() => database.drop());

/** The schema as pg_dump writes it, without what differs from server to server and from day to day. */
function dump(url: string): string {
  const options = ["--schema-only", "--schema=holdfast", "--no-owner", "--no-privileges"];
  const dated = ["--exclude-table=holdfast.events_2*", "--exclude-table=holdfast.logs_2*"];
  const text = execFileSync(join(requirePostgres(), "pg_dump"), [...options, ...dated, url], { encoding: "utf8" });
  const lines = text.split("\n").filter((line) => !/^(--|SET |SELECT pg_catalog|\\|$)/.test(line));
  return `${lines.join("\n")}\n`;
}

/** HOLDFAST_UPDATE_SCHEMA=1 writes the dump anew; the change then shows in review. */
test("the schema that the migrations make is the one that is checked in", async () => {
  const text = dump(database.url);
  if (process.env.HOLDFAST_UPDATE_SCHEMA === "1") writeFileSync(dumpFile, text);
  assert.equal(text, readFileSync(dumpFile, "utf8"));
});

test("no partial index is opened by a condition that newer versions take out, since its column is declared NOT NULL", async () => {
  const conditions = await database.sql<{ name: string; columns: string[]; predicate: string }[]>`
    select i.indexrelid::regclass::text as name, pg_get_expr(i.indpred, i.indrelid) as predicate,
      array(select a.attname::text from pg_attribute a where a.attrelid = i.indrelid and a.attnum > 0 and a.attnotnull) as columns
    from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'holdfast' and i.indpred is not null`;
  assert.ok(conditions.length > 10);
  const taken = conditions.filter(({ columns, predicate }) =>
    columns.some((column) => predicate.includes(`(${column} IS NOT NULL)`)),
  );
  assert.deepEqual(taken, []);
});

test("migrating again changes nothing, also from several processes at once", async () => {
  const url = await createDatabase();
  try {
    await Promise.all(Array.from({ length: 3 }, () => migratePostgres(url)));
    assert.deepEqual(await migratePostgres(url), { version: newestSchema() });
    assert.equal(dump(url), dump(database.url));
  } finally {
    await dropDatabase(url);
  }
});

test("a database without a store is refused, unless it is to be migrated", async () => {
  const url = await createDatabase();
  try {
    await assert.rejects(openPostgresStore({ url }), (error) => isAppError(error, "invalid_request"));
    const store = await openPostgresStore({ url, migrate: true });
    assert.equal((await store.describe()).schemaVersion, newestSchema());
    await store.close();
  } finally {
    await dropDatabase(url);
  }
});

test("a store of a newer version is refused, and stays as it is", async () => {
  const url = await createDatabase();
  const sql = postgres(url, { max: 1 });
  try {
    await migratePostgres(url);
    await sql`insert into holdfast.migrations (version, name) values (9999, '9999_future.sql')`;
    await assert.rejects(openPostgresStore({ url }), (error) => isAppError(error, "store_newer"));
    await assert.rejects(openPostgresStore({ url, migrate: true }), (error) => isAppError(error, "store_newer"));
  } finally {
    await sql.end();
    await dropDatabase(url);
  }
});

test("a store on which other migrations were carried out under the same numbers is refused, and stays as it is", async () => {
  const url = await createDatabase();
  const sql = postgres(url, { max: 1 });
  const refusal = (pattern: RegExp) => (error: unknown) =>
    isAppError(error, "invalid_request") && pattern.test(error.message);
  try {
    await migratePostgres(url);
    await sql`update holdfast.migrations set name = '0003_other.sql' where version = 3`;
    const other = refusal(/its migration 3 was 0003_other\.sql, and is 0003_\w+\.sql here/);
    await assert.rejects(openPostgresStore({ url }), other);
    await assert.rejects(openPostgresStore({ url, migrate: true }), other);
    await sql`delete from holdfast.migrations where version = 3`;
    await assert.rejects(openPostgresStore({ url, migrate: true }), refusal(/0003_\w+\.sql was never carried out/));
  } finally {
    await sql.end();
    await dropDatabase(url);
  }
});

test("a schema that holds something else, and a role that may do too little, are refused with the remedy", async () => {
  const url = await createDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const role = `weak_${new URL(url).pathname.slice(1)}`;
  const weak = Object.assign(new URL(url), { username: role, password: "weak" }).href;
  const told = (code: "invalid_request" | "store_unavailable", message: RegExp, hint: RegExp) => (error: unknown) =>
    isAppError(error, code) && message.test(error.message) && hint.test(error.hint ?? "");
  const grants = told("store_unavailable", /permission denied/, /the role that owns the schema holdfast/);
  try {
    await sql.unsafe(
      `create role ${role} login password 'weak'; create schema holdfast; create table holdfast.runs (n int)`,
    );
    const foreign = told("invalid_request", /not Holdfast's alone: .*runs.* already exists/, /another database/);
    await assert.rejects(migratePostgres(url), foreign);
    await sql.unsafe("drop schema holdfast cascade");
    await assert.rejects(migratePostgres(weak), grants);
    await migratePostgres(url);
    await assert.rejects(openPostgresStore({ url: weak }), grants);
    await sql.unsafe(`alter role ${role} set default_transaction_read_only = on; grant create on database ${new URL(url).pathname.slice(1)} to ${role};
      drop schema holdfast cascade`);
    await assert.rejects(migratePostgres(weak), told("store_unavailable", /read-only/, /It only reads/));
  } finally {
    await sql.unsafe(`drop owned by ${role}; drop role ${role}`);
    await sql.end();
    await dropDatabase(url);
  }
});

test("a database of another encoding is refused, with how to make one that fits", async () => {
  const url = new URL(await createDatabase());
  const name = url.pathname.slice(1);
  const admin = postgres(Object.assign(new URL(url), { pathname: "/postgres" }).href, { max: 1 });
  await admin.unsafe(`drop database ${name}`);
  await admin.unsafe(`create database ${name} encoding 'LATIN1' locale 'C' template template0`);
  await admin.end();
  await assert.rejects(migratePostgres(url.href), (error) => {
    return isAppError(error, "invalid_request") && /encoding LATIN1/.test(error.message);
  });
  await dropDatabase(url.href);
});

test("transactions are as they have to be, whatever the database says of those that do not say", async () => {
  const url = await createDatabase();
  const sql = postgres(url, { max: 1 });
  await sql.unsafe(
    `alter database ${new URL(url).pathname.slice(1)} set default_transaction_isolation = 'repeatable read'`,
  );
  await sql.end();
  await migratePostgres(url);
  const session = await Session.open({ url, applicationName: "test", prepare: false });
  const [row] = await session.run<{ level: string }>(
    "level",
    "select current_setting('transaction_isolation') as level",
  );
  assert.equal(row?.level, "read committed");
  await session.close();
  await dropDatabase(url);
});

test("a server that is not there is store_unavailable", async () => {
  const url = "postgres://postgres@127.0.0.1:9/nowhere";
  await assert.rejects(openPostgresStore({ url }), (error) => isAppError(error, "store_unavailable"));
});

test("a cloned database is another incarnation, and goes on as it was otherwise", async () => {
  const store = await database.open();
  const world = new World({ store, close: async () => {} });
  const run = await world.running();
  await world.finish(run, next.success());
  const { incarnation } = await store.describe();
  await database.closeStores();
  const again = await database.open();
  assert.equal((await again.describe()).incarnation, incarnation);
  await database.closeStores();
  const url = new URL(await createDatabase());
  const name = url.pathname.slice(1);
  await database.sql.end();
  const admin = postgres(Object.assign(new URL(url), { pathname: "/postgres" }).href, { max: 1 });
  await admin.unsafe(`drop database ${name}`);
  await admin.unsafe(`create database ${name} template ${new URL(database.url).pathname.slice(1)}`);
  await admin.end();
  const clone = await openPostgresStore({ url: url.href });
  assert.notEqual((await clone.describe()).incarnation, incarnation);
  assert.equal((await clone.findRun({ id: run.id }))?.status, "succeeded");
  await clone.close();
  await dropDatabase(url.href);
});
