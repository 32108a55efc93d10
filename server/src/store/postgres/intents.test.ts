import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, afterEach, before, test } from "node:test";
import { isAppError, limits } from "@holdfast/protocol";
import { keyIdentity, rootId } from "../../core/index.ts";
import type { Services } from "../../main.ts";
import { intentsOf } from "../intents.ts";
import { TestDatabase } from "./database.fixture.ts";
import { beginAnew, eventsOf, openServices, promise, redeemAll, rejectedBy, taskManifest } from "./intents.fixture.ts";

// Faults to catch: an id in SQL that is not core's; an intent that is made into a run twice, or is deleted before its run is
// there; a cursor over ids, which loses what commits late; a lock of one key that makes transactions wait for each other; an
// intent that cannot be carried out and keeps those behind it; one that is judged again and again, or never again; a cancel
// that overtakes the run that its own transaction has promised.

let database: TestDatabase;
let here: Services;
let there: Services;

before(async () => {
  database = await TestDatabase.create();
  here = await openServices(database);
  there = await openServices(database);
});
afterEach(() => beginAnew(database, [here, there]));
after(() => database.drop());

const events = (runId: string) => eventsOf(here, runId);
const rejected = () => rejectedBy(here);

async function runCount(): Promise<number> {
  return (await here.runs.list({ rootsOnly: false, limit: 1_000 })).runs.length;
}

test("ids are made in SQL as core makes them", async () => {
  for (let i = 0; i < 50; i++) {
    const tail = createHash("sha256").update(`tail ${i}`).digest();
    const now = 1_700_000_000_000 + i * 997_331;
    const hex = tail.toString("hex");
    const [row] = await database.sql`select holdfast.root_id(${now}, decode(${hex}, 'hex')) as id`;
    assert.equal(row?.id, rootId(now, tail));
  }
});

test("a key of any characters gives the id that core derives from it", async () => {
  for (const key of ["order-17", 'a "quoted" \\ key', "tab\tline\nbell\u0007", "schön 漢字 🚢", "\u007f\u2028"]) {
    await database.holdClock(1_800_000_000_000);
    const [row] = await database.sql<{ id: string }[]>`select holdfast.enqueue('ship', key => ${key}) as id`;
    const hash = createHash("sha256")
      .update(keyIdentity("default", "ship", key))
      .digest();
    assert.equal(row?.id, rootId(1_800_000_000_000, hash));
  }
});

test("a committed intent becomes one run with the promised id, and one that is rolled back becomes none", async () => {
  const kept = await database.sql.begin((sql) => promise(sql, `'ship', '{"b": 1, "a": [true, null]}', priority => 3`));
  let lost = "";
  await database.sql
    .begin(async (sql) => {
      lost = await promise(sql);
      throw new Error("never mind");
    })
    .catch(() => undefined);
  await redeemAll(here);
  const run = await here.runs.get(kept);
  assert.deepEqual([run.id, run.status, run.priority, run.input], [kept, "ready", 3, { a: [true, null], b: 1 }]);
  assert.deepEqual(await events(kept), ["run.enqueued"]);
  await assert.rejects(here.runs.get(lost), (error) => isAppError(error, "not_found"));
  assert.equal(await runCount(), 1);
});

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

test("start_after, expires_after, key_retention and traceparent are what an ordinary start takes", async () => {
  await database.holdClock(1_800_000_000_000);
  const moment = new Date(1_800_003_600_000);
  const id = await promise(
    database.sql,
    `'ship', key => 'k', traceparent => '${traceparent}', start_after => '${moment.toISOString()}', expires_after => '2 hours', key_retention => '1 day'`,
  );
  await redeemAll(here);
  const run = await here.runs.get(id);
  assert.equal(run.notBefore, moment.toISOString());
  assert.equal(Date.parse(run.expiresAt ?? "") - Date.parse(run.createdAt), 7_200_000);
  const [name] = await database.sql`select retained_until from holdfast.names`;
  assert.equal(name?.retained_until, 1_800_086_400_000);
  assert.equal((await here.store.findRun({ id }))?.trace, traceparent);
});

test("an intent that commits after later ones have become runs is not lost", async () => {
  const held = await database.sql.reserve();
  await held`begin`;
  const late = await promise(held);
  const early = await promise(database.sql);
  await redeemAll(here);
  assert.equal((await here.runs.get(early)).id, early);
  await held`commit`;
  held.release();
  await redeemAll(here);
  assert.equal((await here.runs.get(late)).id, late);
});

test("two open transactions with one key do not wait for each other; one run comes of them, and both ids name it", async () => {
  const [one, two] = [await database.sql.reserve(), await database.sql.reserve()];
  await database.holdClock(1_800_000_000_000);
  await one`begin`;
  const first = await promise(one, "'ship', key => 'k'");
  await database.holdClock(1_800_000_005_000);
  await two`begin`;
  const second = await promise(two, "'ship', key => 'k'");
  assert.notEqual(first, second);
  await two`commit`;
  await one`commit`;
  one.release();
  two.release();
  await redeemAll(here);
  assert.equal(await runCount(), 1);
  const [{ id: a }, { id: b }] = [await here.runs.get(first), await there.runs.get(second)];
  assert.equal(a, b);
  assert.equal((await here.history.result(first, 0)).id, a);
  assert.deepEqual(await promise(database.sql, "'ship', key => 'k'"), a, "the function knows the run under the key");
});

test("two nodes that carry out the same intents at once make each into one run", async () => {
  const ids: string[] = [];
  for (let i = 0; i < 60; i++) ids.push(await promise(database.sql, i % 3 === 0 ? `'ship', key => 'k${i}'` : "'ship'"));
  await Promise.all([redeemAll(here), redeemAll(there), redeemAll(here), redeemAll(there)]);
  await redeemAll(here);
  assert.equal(await runCount(), 60);
  for (const id of ids) assert.deepEqual(await events(id), ["run.enqueued"]);
});

test("an intent of an unknown definition is kept with why, keeps nobody, and becomes its run once the definition is applied", async () => {
  const unknown = await promise(database.sql, "'bill', key => 'k'");
  const known = await promise(database.sql);
  await redeemAll(here);
  assert.equal((await here.runs.get(known)).id, known);
  const [intent] = await rejected();
  assert.deepEqual([intent?.runId, intent?.key, intent?.error?.code], [unknown, "k", "not_found"]);
  await assert.rejects(here.runs.get(unknown), (error) => isAppError(error, "intent_rejected"));
  assert.equal(await here.intents.reopenJudged(), true);
  await redeemAll(here);
  assert.equal((await rejected()).length, 1);
  await there.definitions.apply([taskManifest("bill")]);
  await here.intents.reopenJudged();
  await redeemAll(here);
  assert.equal((await here.runs.get(unknown)).id, unknown);
  assert.deepEqual(await rejected(), []);
  assert.equal(await here.intents.reopenJudged(), false);
});

test("an input that does not fit is rejected until another manifest is applied, not judged again by the same", async () => {
  await here.definitions.apply([taskManifest("ship", { type: "object", required: ["order"] })]);
  const id = await promise(database.sql, `'ship', '{"day": "Monday"}'`);
  await redeemAll(here);
  assert.equal((await rejected())[0]?.error?.code, "invalid_input");
  await here.definitions.apply([taskManifest("ship", { type: "object", required: ["order"] })]);
  const again = await intentsOf(here.store)?.reopenJudged({ namespace: "default", limitRows: 10 });
  assert.deepEqual(again, { reopened: 0, none: false });
  await here.definitions.apply([taskManifest("ship", { type: "object", required: ["day"] })]);
  await here.intents.reopenJudged();
  await redeemAll(here);
  assert.equal((await here.runs.get(id)).id, id);
});

test("an input within too many lists is rejected by name, and those beside it become runs", async () => {
  const nested = (levels: number) => `'ship', '${"[".repeat(levels)}${"]".repeat(levels)}'`;
  const deep = await promise(database.sql, nested(limits.nestingLevels + 1));
  const kept = await promise(database.sql, nested(limits.nestingLevels));
  await redeemAll(here);
  const [intent, ...others] = await rejected();
  assert.deepEqual([intent?.runId, intent?.error?.code, others], [deep, "too_large", []]);
  assert.equal(intent?.error?.message, 'The input of "ship" is nested deeper than 500 levels.');
  assert.equal((await here.runs.get(kept)).id, kept);
});

test("an intent whose key has another input is rejected; it is tried again and dropped on request", async () => {
  const { run } = await here.runs.start({ definition: "ship", key: "k", input: { a: 1 } });
  assert.equal(await promise(database.sql, `'ship', '{"a": 1}', key => 'k'`), run.id);
  await promise(database.sql, `'ship', '{"a": 2}', key => 'k'`);
  await redeemAll(here);
  const [intent] = await rejected();
  assert.deepEqual([intent?.error?.code, intent?.error?.details], ["key_conflict", { runId: run.id }]);
  assert.deepEqual(await here.intents.retry([intent?.id ?? 0]), { reopened: 1 });
  await redeemAll(here);
  assert.equal((await rejected()).length, 1);
  assert.equal((await here.runs.get(run.id)).id, run.id, "who reads the run is not told of the rejected intent");
  assert.deepEqual(await here.intents.drop([intent?.id ?? 0]), { dropped: 1 });
  assert.deepEqual(await rejected(), []);
});

test("a number that JSON in SQL can say and JSON elsewhere cannot is rejected", async () => {
  await promise(database.sql, `'ship', '{"n": 1e400}'`);
  await redeemAll(here);
  assert.equal((await rejected())[0]?.error?.code, "invalid_input");
});

test("who asks for a promised run before any node has looked makes it come about", async () => {
  const id = await promise(database.sql);
  assert.equal((await here.runs.get(id)).status, "ready");
  const other = await promise(database.sql);
  assert.equal((await here.history.result(other, 0)).id, other);
  assert.deepEqual(await here.intents.redeem(), { settled: 0, more: false });
});

test("a cancel ends a run by id or key, also one that its own transaction has promised", async () => {
  const { run } = await here.runs.start({ definition: "ship", input: {} });
  const promised = await database.sql.begin(async (sql) => {
    await sql`select holdfast.cancel(${run.id}, reason => 'not needed')`;
    const id = await promise(sql, "'ship', key => 'k'");
    const [row] = await sql`select holdfast.cancel(definition => 'ship', key => 'k') as id`;
    assert.equal(row?.id, id);
    return id;
  });
  await redeemAll(here);
  assert.equal((await here.runs.get(run.id)).error?.message, "It was cancelled: not needed");
  // It was behind the run in line.
  await redeemAll(there);
  assert.equal((await here.runs.get(promised)).status, "cancelled");
  const [left] = await database.sql`select count(*)::int as n from holdfast.intents`;
  assert.equal(left?.n, 0);
});

test("a cancel by key that was made before the run of its key is not about it, whoever looks first", async () => {
  const cancelBefore = () =>
    database.sql.begin(async (sql) => {
      await sql`select holdfast.cancel(definition => 'ship', key => 'k')`;
      return promise(sql, "'ship', key => 'k'");
    });
  const id = await cancelBefore();
  assert.equal((await here.runs.get(id)).status, "ready", "who asks for it makes it, after the cancel");
  await redeemAll(there);
  assert.equal((await here.runs.get(id)).status, "ready");
  const [told] = await rejected();
  assert.equal(told?.error?.code, "not_found");
  assert.equal(await cancelBefore(), id);
  await redeemAll(here);
  assert.equal((await here.runs.get(id)).status, "cancelled", "the one that was there by then");
});

test("a signal, a cancel and the run of one key, promised in this order, do not wait for each other", async () => {
  const id = await database.sql.begin(async (sql) => {
    await sql`select holdfast.signal(definition => 'ship', key => 'k', name => 'go')`;
    await sql`select holdfast.cancel(definition => 'ship', key => 'k')`;
    return promise(sql, "'ship', key => 'k'");
  });
  await redeemAll(here);
  await redeemAll(there);
  assert.equal((await here.runs.get(id)).status, "cancelled");
  const [left] = await database.sql`select count(*)::int as n from holdfast.intents`;
  assert.equal(left?.n, 0);
});

test("a cancel waits for its run's intent while another node has that one, and takes back what was rejected", async () => {
  const id = await promise(database.sql);
  await database.sql`select holdfast.cancel(${id})`;
  const held = await database.sql.reserve();
  await held`begin`;
  await held`select 1 from holdfast.intents where kind = 'enqueue' for update`;
  assert.deepEqual(await here.intents.redeem(), { settled: 0, more: false });
  await held`rollback`;
  held.release();
  await redeemAll(here);
  assert.equal((await here.runs.get(id)).status, "cancelled");
  const unknown = await promise(database.sql, "'bill'");
  await redeemAll(here);
  await database.sql`select holdfast.cancel(${unknown})`;
  await redeemAll(here);
  const [left] = await database.sql`select count(*)::int as n from holdfast.intents`;
  assert.equal(left?.n, 0);
});

test("a cancel of what is not there is kept as rejected, and one of what has ended is done", async () => {
  await database.sql`select holdfast.cancel('00000000000000000000')`;
  await database.sql`select holdfast.cancel(definition => 'ship', key => 'nobody')`;
  await redeemAll(here);
  assert.deepEqual(
    (await rejected()).map(({ error }) => error?.code),
    ["not_found", "not_found"],
  );
  await here.intents.reopenJudged();
  assert.equal((await rejected()).length, 2, "another manifest of the definition changes nothing");
  const { run } = await here.runs.start({ definition: "ship" });
  await here.runs.cancel(run.id);
  await database.sql`select holdfast.cancel(${run.id})`;
  await redeemAll(here);
  assert.equal((await rejected()).length, 2);
});

test("intents of another namespace are its own nodes' business", async () => {
  const id = await promise(database.sql, "'ship', namespace => 'other'");
  await redeemAll(here);
  const [left] = await database.sql`select run_id from holdfast.intents`;
  assert.equal(left?.run_id, id);
  await database.sql`select holdfast.cancel(${id}, namespace => 'elsewhere')`;
  await assert.rejects(here.runs.get(id), (error) => isAppError(error, "not_found"));
});
