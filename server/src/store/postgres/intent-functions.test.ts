import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import postgres from "postgres";
import type { Services } from "../../main.ts";
import { TestDatabase } from "./database.fixture.ts";
import { openServices, redeemAll } from "./intents.fixture.ts";

// Faults to catch: an argument that is wrong and is found out only when nobody can be told any more; a function that a role can
// bend by its own search path; a narrow role that reads or writes a table, or calls a function that it was not given, also one
// that a later migration has made.

let database: TestDatabase;
let node: Services;
let narrow: postgres.Sql;
const role = `narrow "role" ${process.pid}`;
const quotedRole = `"${role.replaceAll('"', '""')}"`;

before(async () => {
  database = await TestDatabase.create();
  node = await openServices(database);
  await database.sql.unsafe(`create role ${quotedRole} login`);
  await node.intents.grant(role);
  const url = new URL(database.url);
  url.username = encodeURIComponent(role);
  narrow = postgres(url.href, { max: 1, onnotice: () => undefined });
});
after(async () => {
  await narrow.end({ timeout: 5 });
  await database.sql.unsafe(`drop owned by ${quotedRole}; drop role ${quotedRole}`);
  await database.drop();
});

const big = "repeat('x', 1100000)";
/** A wrong call, what is said of it, and what to do. */
const refusals: readonly (readonly [call: string, message: RegExp, hint: RegExp])[] = [
  ["enqueue('')", /the definition is '', which is no id/, /applied/],
  ["enqueue(null)", /the definition is null/, /applied/],
  ["enqueue(repeat('x', 201))", /which is no id of a task/, /applied/],
  ["enqueue('ship', null)", /the input of "ship" is null/, /Leave it out/],
  [`enqueue('ship', to_jsonb(${big}))`, /more than 1048576 bytes/, /object store/],
  ["enqueue('ship', key => '')", /the key has 0 characters/, /order-17/],
  ["enqueue('ship', key => repeat('k', 513))", /the key has 513 characters/, /order-17/],
  ["enqueue('ship', priority => 1001)", /the priority is 1001/, /Higher runs first/],
  ["enqueue('ship', namespace => '')", /the namespace is empty/, /default/],
  ["enqueue('ship', start_after => 'infinity')", /start_after is infinity/, /9999/],
  ["enqueue('ship', expires_after => '-1 hour')", /expires_after is -01:00:00/, /interval/],
  ["enqueue('ship', expires_after => '11 years')", /expires_after is 11 years/, /interval/],
  ["enqueue('ship', key_retention => '1 hour')", /key_retention without a key/, /key =>/],
  ["enqueue('ship', traceparent => '00-' || repeat('0', 32) || '-00f067aa0ba902b7-01')", /which is none/, /W3C/],
  ["enqueue('ship', traceparent => '00-17')", /the traceparent is '00-17'/, /W3C/],
  ["cancel()", /not said which run/, /definition =>/],
  ["cancel('00000000000000000000', key => 'k', definition => 'ship')", /not said which run/, /Give its id/],
  ["cancel(key => 'k')", /not said which run/, /definition =>/],
  ["cancel('17')", /'17' is no id of a run/, /whole id/],
  ["cancel('00000000000000000000', reason => repeat('x', 1001))", /the reason has 1001 characters/, /shorter/],
  ["signal(name => 'go')", /not said which run/, /definition =>/],
  ["signal('00000000000000000000', 'go', key => 'k', definition => 'ship')", /not said which run/, /Give its id/],
  ["signal('17', 'go')", /'17' is no id of a run/, /whole id/],
  ["signal('00000000000000000000')", /the name has 0 characters/, /body waits/],
  ["signal('00000000000000000000', repeat('n', 513))", /the name has 513 characters/, /body waits/],
  ["signal('00000000000000000000', 'go', namespace => '')", /the namespace is empty/, /default/],
  [`signal('00000000000000000000', 'go', to_jsonb(${big}))`, /the payload of "go" has more than 65536/, /object store/],
];

for (const [call, message, hint] of refusals) {
  test(`holdfast.${call} is refused with its reason and a remedy, and makes nothing`, async () => {
    await assert.rejects(narrow.unsafe(`select holdfast.${call}`), (error: postgres.PostgresError) => {
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      return true;
    });
    assert.equal((await database.sql`select from holdfast.intents`).length, 0);
  });
}

test("an unknown argument, a text that is no JSON and a NUL in it are refused by PostgreSQL itself", async () => {
  await assert.rejects(narrow.unsafe("select holdfast.enqueue('ship', prio => 3)"), { code: "42883" });
  await assert.rejects(narrow.unsafe("select holdfast.enqueue('ship', '{a: 1}')"), { code: "22P02" });
  await assert.rejects(narrow.unsafe(`select holdfast.enqueue('ship', '{"a": "\\u0000"}')`), { code: "22P05" });
  await assert.rejects(narrow.unsafe(`select holdfast.enqueue('ship', '{"a": "\\ud800"}')`), { code: "22P02" });
});

test("an input of the greatest size fits, however PostgreSQL spaces it", async () => {
  const [row] = await narrow<{ id: string }[]>`
    select holdfast.enqueue('ship', (select jsonb_agg(1) from generate_series(1, 500000))) as id`;
  await redeemAll(node);
  assert.equal((await node.runs.get(row?.id ?? "")).status, "ready");
});

test("a payload of the greatest size fits, however PostgreSQL spaces it", async () => {
  await narrow`
    select holdfast.signal('00000000000000000000', 'go', (select jsonb_agg(1) from generate_series(1, 32767)))`;
  await database.sql`delete from holdfast.intents`;
});

test("the narrow role makes runs, signals and cancels that are carried out", async () => {
  const id = await narrow.begin(async (sql) => {
    const [row] = await sql<{ id: string }[]>`select holdfast.enqueue('ship', key => 'narrow') as id`;
    await sql`select holdfast.signal(${row?.id ?? ""}, 'approved')`;
    await sql`select holdfast.cancel(definition => 'ship', key => 'narrow')`;
    return row?.id ?? "";
  });
  await redeemAll(node);
  await redeemAll(node);
  assert.equal((await node.runs.get(id)).status, "cancelled");
  const events = await node.store.listEvents({ runId: id, after: 0, limitRows: 10 });
  assert.deepEqual(
    events.map(({ type }) => type),
    ["run.enqueued", "run.signalled", "run.cancelled"],
  );
});

test("a search path of the caller's own does not bend the functions", async () => {
  await database.sql.unsafe(`create schema bent; grant usage on schema bent to public;
    create function bent.octet_length(text) returns integer language sql as $$ select 0 / 0 $$;
    create function bent.clock_ms() returns bigint language sql as $$ select 0::bigint $$`);
  await narrow.begin(async (sql) => {
    await sql`set local search_path = bent, pg_catalog`;
    await sql`select holdfast.enqueue('ship')`;
  });
});

test("the narrow role reads and writes no table of the schema and makes nothing in it", async () => {
  const tables = await database.sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c
    where c.relnamespace = 'holdfast'::regnamespace and c.relkind in ('r', 'p')`;
  assert.ok(tables.length > 12);
  for (const { name } of tables) {
    for (const statement of [`select from ${name}`, `delete from ${name}`, `insert into ${name} default values`]) {
      await assert.rejects(narrow.unsafe(statement), { code: "42501" }, statement);
    }
  }
  await assert.rejects(narrow.unsafe("create table holdfast.mine (n int)"), { code: "42501" });
  await assert.rejects(narrow.unsafe("select nextval('holdfast.log_ids')"), { code: "42501" });
});

test("the narrow role may call the three functions and no other", async () => {
  const functions = await database.sql<{ name: string; may: boolean }[]>`
    select p.proname as name, has_function_privilege(${role}, p.oid, 'execute') as may from pg_proc p
    where p.pronamespace = 'holdfast'::regnamespace order by p.proname`;
  assert.ok(functions.length > 10);
  assert.deepEqual(
    functions.filter(({ may }) => may).map(({ name }) => name),
    ["cancel", "enqueue", "signal"],
  );
  await assert.rejects(narrow.unsafe("select holdfast.clock_ms()"), { code: "42501" });
  await assert.rejects(narrow.unsafe("select holdfast.grant_intents('public')"), { code: "42501" });
});

test("a role that is not there is refused by name", async () => {
  await assert.rejects(node.intents.grant("nobody at all"), (error) => {
    return isAppError(error, "invalid_request") && error.message.includes("nobody at all");
  });
});
