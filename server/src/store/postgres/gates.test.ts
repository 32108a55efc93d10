import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Limit } from "../../core/index.ts";
import { next, until, World } from "../contract/world.contract.ts";
import type { Store } from "../store.ts";
import { TestDatabase } from "./database.fixture.ts";
import { Pauses } from "./pauses.fixture.ts";

// Transactions that meet at one limit; `mine` is the store that pauses. Faults to catch: a limit's number read without its row
// being held, so that a place is lost or one too many stays; no second look after the commits; an idle limit that is forgotten
// while a run comes to its gate; a review that never gets past the first gates; runs that bring a key different numbers of slots
// at the same time.

const limit: Limit = { id: "shop/queue/q", slots: 1, hold: "activation" };

let database: TestDatabase;
let mine: Store;
let other: Store;
const pauses = new Pauses();

before(async () => {
  database = await TestDatabase.create();
  mine = await database.open({ beforeStatement: pauses.beforeStatement });
  other = await database.open();
});
afterEach(() => database.empty());
after(() => database.drop());

const worldOf = (store: Store) => new World({ store, close: async () => {} });

/** Resolves once the paused transaction has carried out all but its commit. */
async function commits(pause: { readonly reached: Promise<unknown> }): Promise<void> {
  await pause.reached;
  await until(async () => {
    const rows = await database.sql`select 1 from pg_stat_activity
      where datname = current_database() and state = 'idle in transaction'
        and clock_timestamp() - state_change > interval '300 milliseconds'`;
    // Between two statements that are on their way it is idle as well, but not for long.
    return rows.length > 0;
  });
}

async function places(): Promise<{ all: number; held: number }> {
  const [row] = await database.sql<{ all: number; held: number }[]>`
    select count(*)::int as all, count(run_id)::int as held from holdfast.slots where limit_id = ${limit.id}`;
  return row ?? { all: 0, held: 0 };
}

function declare(store: Store, slots: number): Promise<void> {
  return store.declareLimits({ limits: [{ id: limit.id, slots }], withdrawn: [] });
}

test("a limit that is raised at the moment at which its last holder ends has all of its places", async () => {
  const world = worldOf(other);
  await declare(other, 1);
  const run = await world.enqueue({ limits: [limit] });
  const [claimed] = await world.claim(await world.member());
  assert.equal(claimed?.id, run.id);
  await declare(other, 0);
  const pause = pauses.at("commit");
  const raising = declare(mine, 1);
  await commits(pause);
  const finishing = world.finish(await world.get(run.id), next.success());
  await database.lockIsWaitedFor();
  pause.resume();
  await Promise.all([raising, finishing]);
  assert.deepEqual(await places(), { all: 1, held: 0 });
  const later = await world.enqueue({ limits: [limit] });
  await until(async () => (await world.get(later.id)).gate === null);
});

test("a limit that is lowered at the moment at which its holders end has no place too many", async () => {
  const world = worldOf(other);
  await declare(other, 3);
  for (let i = 0; i < 3; i++) await world.enqueue({ limits: [limit] });
  const claimed = await world.claim(await world.member());
  const pause = pauses.at("commit");
  const rows = claimed.slice(0, 2).map(({ id, epoch }) => ({ runId: id, epoch, ranMs: 1, next: next.success() }));
  const finishing = mine.finishActivations({ rows });
  await commits(pause);
  const lowering = declare(other, 1);
  await database.lockIsWaitedFor();
  pause.resume();
  await Promise.all([finishing, lowering]);
  assert.deepEqual(await places(), { all: 1, held: 1 });
});

test("a run that came to a gate while a slot was being freed is let in by the second look, without a timer", async () => {
  const world = worldOf(other);
  await declare(other, 1);
  const first = await world.enqueue({ limits: [limit] });
  await world.claim(await world.member());
  const pause = pauses.at("commit");
  const finishing = worldOf(mine).finish(await world.get(first.id), next.success());
  await commits(pause);
  const second = await world.enqueue({ limits: [limit] });
  assert.equal((await world.get(second.id)).gate, limit.id);
  pause.resume();
  await finishing;
  await until(async () => (await world.get(second.id)).gate === null);
});

test("what no second look has seen, because its process died, is found by the timer", async () => {
  const world = worldOf(other);
  await declare(other, 1);
  const first = await world.enqueue({ limits: [limit] });
  const second = await world.enqueue({ limits: [limit] });
  await world.claim(await world.member());
  // A slot that was freed and not handed on.
  await database.sql`update holdfast.slots set run_id = null where run_id = ${first.id}`;
  assert.equal((await world.get(second.id)).gate, limit.id);
  await other.wakeRuns({ limitRows: 10 });
  assert.equal((await world.get(second.id)).gate, null);
});

test("an idle limit is not forgotten while a run comes to its gate", async () => {
  const world = worldOf(other);
  const own: Limit = { id: "shop/map/m", slots: 1, hold: "run" };
  const before = await world.enqueue({ limits: [own] });
  await world.cancel(before.id);
  const pause = pauses.at("commit");
  const coming = worldOf(mine).enqueue({ limits: [own] });
  await commits(pause);
  await other.prune({ runsMs: 60_000, logsMs: 60_000, limitRows: 10 });
  pause.resume();
  const run = await coming;
  assert.deepEqual((await other.findLimit({ id: own.id, limitRows: 9 }))?.holders, [run.id]);
});

test("gates are reviewed so many at a time, and all in their turn", async () => {
  const world = worldOf(other);
  const keys = Array.from({ length: 1_200 }, (_, place) => `shop/key/ship:${String(place).padStart(4, "0")}`);
  const limitOf = (id: string): Limit => ({ id, slots: 1, hold: "run" });
  const rows = [...keys, ...keys].map((id) => world.row({ limits: [limitOf(id)] }));
  // Closed, it looks at nothing any more by itself.
  const maker = await database.open();
  await maker.enqueueRuns({ rows });
  await maker.close();
  const standing = async () => {
    const [row] = await database.sql<
      { n: number }[]
    >`select count(*)::int as n from holdfast.runs where gate is not null`;
    return row?.n ?? 0;
  };
  await until(async () => (await standing()) === keys.length);
  // Every slot was freed, and none handed on.
  await database.sql`update holdfast.slots set run_id = null`;
  await other.wakeRuns({ limitRows: 10 });
  assert.ok((await standing()) >= keys.length - 500, "one call looks at no more than 500 gates");
  for (let calls = 0; (await standing()) > 0; calls++) {
    assert.ok(calls < 50, "some gate is never looked at");
    await other.wakeRuns({ limitRows: 10 });
  }
});

test("runs that bring a key different numbers of slots at the same time all come to their end", async () => {
  const numbers = Array.from({ length: 60 }, (_, place) => 1 + (place % 3));
  const key = (slots: number): Limit => ({ id: "shop/key/ship:acme", slots, hold: "run" });
  const world = worldOf(other);
  await Promise.all(
    numbers.map((slots, place) => worldOf(place % 2 === 0 ? mine : other).enqueue({ limits: [key(slots)] })),
  );
  const member = await world.member();
  let ended = 0;
  await until(async () => {
    const runs = await world.claim(member, 100);
    assert.ok(runs.length <= 3);
    await Promise.all(runs.map((run, place) => worldOf(place % 2 === 0 ? mine : other).finish(run, next.success())));
    ended += runs.length;
    if (runs.length === 0) await other.wakeRuns({ limitRows: 10 });
    return ended === numbers.length;
  });
  const found = await other.findLimit({ id: key(1).id, limitRows: 9 });
  assert.deepEqual([found?.holders, found?.standing], [[], []]);
});
