import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { isAppError, limits } from "@holdfast/protocol";
import type postgres from "postgres";
import type { Services } from "../../main.ts";
import { TestDatabase } from "./database.fixture.ts";
import { beginAnew, eventsOf, openServices, promise, redeemAll, rejectedBy, taskManifest } from "./intents.fixture.ts";

// Faults to catch: a signal that is sent twice, or whose intent goes without it; one that overtakes what was promised before of the
// same run, in this node or in another one's hands; one that is lost since its run's promise was rejected for a while; one that
// cannot be sent and is not told of, or keeps those behind it.

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

/** Promises a signal, and answers the run that it is for. `to`: arguments, in SQL. */
async function signal(sql: postgres.Sql | postgres.TransactionSql, to: string): Promise<string | null> {
  const [row] = await sql.unsafe<{ id: string | null }[]>(`select holdfast.signal(${to}) as id`);
  return row?.id ?? null;
}

/** What a run keeps for those who will wait, the oldest first. */
async function kept(runId: string): Promise<unknown[]> {
  const rows = await database.sql<{ name: string; payload: string }[]>`
    select name, payload from holdfast.signals where run_id = ${runId} order by number`;
  return rows.map(({ name, payload }) => [name, JSON.parse(payload)]);
}

const events = (runId: string) => eventsOf(here, runId);
const rejected = () => rejectedBy(here);

/** While another node has the intent of a signal in hand, nothing is carried out. */
async function keepsAll(name: string): Promise<void> {
  const held = await database.sql.reserve();
  try {
    await held`begin`;
    await held`select 1 from holdfast.intents where signal = ${name} for update`;
    assert.deepEqual(await here.intents.redeem(), { settled: 0, more: false });
  } finally {
    await held`rollback`;
    held.release();
  }
}

async function intentCount(): Promise<number> {
  return (await database.sql`select from holdfast.intents`).length;
}

test("signals of a transaction come to its run once it has committed, by id and by key, in their order, and never without it", async () => {
  const id = await database.sql.begin(async (sql) => {
    const id = await promise(sql, "'ship', key => 'k'");
    assert.equal(await signal(sql, `'${id}', 'approved', '{"by": "Ada"}'`), id);
    assert.equal(await signal(sql, "definition => 'ship', key => 'k', name => 'paid'"), id);
    assert.equal(await signal(sql, `'${id}', 'approved', '[1.5, null]'`), id);
    return id;
  });
  await database.sql
    .begin(async (sql) => {
      await signal(sql, `'${id}', 'lost'`);
      throw new Error("never mind");
    })
    .catch(() => undefined);
  await redeemAll(here);
  assert.deepEqual(await kept(id), [
    ["approved", { by: "Ada" }],
    ["paid", null],
    ["approved", [1.5, null]],
  ]);
  assert.deepEqual(await events(id), ["run.enqueued", "run.signalled", "run.signalled", "run.signalled"]);
  assert.equal(await intentCount(), 0);
});

test("more signals than are looked at together, each made before its own run, keep nobody", async () => {
  const id = await database.sql.begin(async (sql) => {
    await sql`select count(holdfast.signal(definition => 'ship', key => 'late', name => 'n' || i)) from generate_series(1, 501) i`;
    return promise(sql, "'ship', key => 'late'");
  });
  const other = await promise(database.sql, "'ship', key => 'other'");
  await redeemAll(here);
  assert.equal((await here.runs.get(other)).id, other);
  assert.equal((await kept(id)).length, 501);
  assert.equal(await intentCount(), 0);
});

test("a run that waits for a promised signal goes on with it", async () => {
  const { run } = await here.runs.start({ definition: "ship" });
  const { store } = here;
  const member = {
    id: "node",
    kind: "node",
    name: "Node",
    namespace: "default",
    serves: null,
    leaseMs: 60_000,
  } as const;
  await store.joinMember(member);
  const claim = { memberId: "node", namespace: "default", queues: null, limitRows: 1 };
  const [claimed] = await store.claimRuns(claim);
  assert.equal(claimed?.id, run.id);
  const opens = [{ key: "go", kind: "signal", hash: "h", delayMs: null, signal: "approved", child: null }] as const;
  const order = { runId: run.id, epoch: claimed?.epoch ?? 0, generation: 1, opens, settles: [] };
  await store.openWaits({ rows: [{ ...order, suspend: { ranMs: 1, groups: [["go"]] } }] });
  assert.equal((await here.runs.get(run.id)).status, "waiting");
  await signal(database.sql, `'${run.id}', 'approved', '7'`);
  await redeemAll(there);
  assert.equal((await here.runs.get(run.id)).status, "ready");
  assert.deepEqual(await kept(run.id), []);
});

test("two nodes that carry out the same signals at once send each once, in the order of their promises", async () => {
  const { run } = await here.runs.start({ definition: "ship" });
  for (let n = 0; n < 30; n++) await signal(database.sql, `'${run.id}', 'n', '${n}'`);
  await Promise.all([redeemAll(here), redeemAll(there), redeemAll(here), redeemAll(there)]);
  await redeemAll(here);
  assert.equal(await intentCount(), 0);
  assert.deepEqual(
    await kept(run.id),
    Array.from({ length: 30 }, (_, n) => ["n", n]),
  );
});

test("a signal and a cancel of one run stay behind what was promised of it before, whoever has that in hand", async () => {
  const { run } = await here.runs.start({ definition: "ship", key: "k" });
  await signal(database.sql, `'${run.id}', 'first'`);
  await signal(database.sql, "name => 'second', definition => 'ship', key => 'k'");
  await database.sql`select holdfast.cancel(${run.id})`;
  await signal(database.sql, `'${run.id}', 'late'`);
  await keepsAll("first");
  await redeemAll(here);
  assert.deepEqual(await events(run.id), ["run.enqueued", "run.signalled", "run.signalled", "run.cancelled"]);
  const [late, ...others] = await rejected();
  assert.deepEqual([late?.signal, late?.error?.code, others], ["late", "run_ended", []]);
  assert.match(late?.error?.message ?? "", new RegExp(`Run ${run.id} has ended \\(cancelled\\)`));
});

test("an earlier promise by another id of the same run is waited for as well", async () => {
  const [one, two] = [await database.sql.reserve(), await database.sql.reserve()];
  await database.holdClock(1_800_000_000_000);
  await one`begin`;
  const first = await promise(one, "'ship', key => 'k'");
  await database.holdClock(1_800_000_005_000);
  await two`begin`;
  const second = await promise(two, "'ship', key => 'k'");
  await one`commit`;
  await two`commit`;
  one.release();
  two.release();
  await redeemAll(here);
  await signal(database.sql, `'${second}', 'first'`);
  await signal(database.sql, `'${first}', 'second'`);
  await keepsAll("first");
  await redeemAll(here);
  const { id } = await here.runs.get(first);
  assert.deepEqual(await kept(id), [
    ["first", null],
    ["second", null],
  ]);
});

test("a signal that was promised before its key named a run is waited for as well", async () => {
  assert.equal(await signal(database.sql, "definition => 'ship', key => 'k', name => 'first'"), null);
  const { run } = await here.runs.start({ definition: "ship", key: "k" });
  await signal(database.sql, `'${run.id}', 'second'`);
  await keepsAll("first");
  await redeemAll(here);
  assert.deepEqual(await kept(run.id), [
    ["first", null],
    ["second", null],
  ]);
});

test("a signal for nobody is rejected with why, and those behind it are sent", async () => {
  const { run } = await here.runs.start({ definition: "ship" });
  await signal(database.sql, "'00000000000000000000', 'approved'");
  await signal(database.sql, "definition => 'ship', key => 'nobody', name => 'approved'");
  await signal(database.sql, `'${run.id}', 'deep', '${"[".repeat(501)}${"]".repeat(501)}'`);
  await signal(database.sql, `'${run.id}', 'huge', '1e400'`);
  await signal(database.sql, `'${run.id}', 'sent'`);
  await signal(database.sql, `'${run.id}', 'elsewhere', namespace => 'other'`);
  await redeemAll(here);
  assert.deepEqual(
    (await rejected()).map(({ signal: name, error }) => [name, error?.code]),
    [
      ["approved", "not_found"],
      ["approved", "not_found"],
      ["deep", "too_large"],
      ["huge", "invalid_input"],
    ],
  );
  assert.match((await rejected())[1]?.error?.message ?? "", /no run of "ship" under the key "nobody" to signal/);
  assert.deepEqual(await kept(run.id), [["sent", null]]);
  assert.equal(await intentCount(), 5, "the other namespace's own nodes look after the last");
});

test("a run that keeps as many signals as it may rejects one more, which is sent when it is tried again", async () => {
  const { run } = await here.runs.start({ definition: "ship" });
  await database.sql`
    insert into holdfast.signals (run_id, number, name, payload, at)
    select ${run.id}, n, 'n', 'null', 0 from generate_series(1001, ${1_000 + limits.signalsPerRun}) n`;
  await signal(database.sql, `'${run.id}', 'more'`);
  await redeemAll(here);
  assert.deepEqual(
    (await rejected()).map(({ error }) => error?.code),
    ["limit_exceeded"],
  );
  await database.sql`delete from holdfast.signals where run_id = ${run.id}`;
  assert.deepEqual(await here.intents.retry(), { reopened: 1 });
  await redeemAll(here);
  assert.deepEqual(await kept(run.id), [["more", null]]);
});

test("a signal for a run whose promise was rejected is tried again with it, and is taken back with it", async () => {
  const id = await promise(database.sql, "'bill'");
  await signal(database.sql, `'${id}', 'approved', '1'`);
  const doomed = await promise(database.sql, "'bill', key => 'doomed'");
  await signal(database.sql, `'${doomed}', 'approved'`);
  await redeemAll(here);
  await redeemAll(here);
  assert.deepEqual(
    (await rejected()).map(({ kind, definition, error }) => [kind, definition, error?.code]),
    [
      ["enqueue", "bill", "not_found"],
      ["signal", "bill", "intent_rejected"],
      ["enqueue", "bill", "not_found"],
      ["signal", "bill", "intent_rejected"],
    ],
  );
  await database.sql`select holdfast.cancel(${doomed})`;
  await redeemAll(here);
  assert.equal((await rejected()).length, 2);
  await there.definitions.apply([taskManifest("bill")]);
  await here.intents.reopenJudged();
  await redeemAll(here);
  await redeemAll(here);
  assert.deepEqual(await kept(id), [["approved", 1]]);
  assert.equal(await intentCount(), 0);
  await assert.rejects(here.runs.get(doomed), (error) => isAppError(error, "not_found"));
});
