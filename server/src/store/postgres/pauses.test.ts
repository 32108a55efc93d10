import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { World } from "../contract/world.contract.ts";
import type { Store } from "../store.ts";
import { TestDatabase } from "./database.fixture.ts";

// Claims that meet a pause. Faults to catch: a claim that looks at pauses by a snapshot from before the pause, and starts what was
// acknowledged as paused; one that does so as it inserts the run.

const target = { namespace: "shop", kind: "queue", name: "default" } as const;

let database: TestDatabase;
let store: Store;

before(async () => {
  database = await TestDatabase.create();
  store = await database.open();
});
afterEach(() => database.empty());
after(() => database.drop());

/** Carries out `ask`, which waits for this member's row with its snapshot in hand, while `meanwhile` happens. */
async function heldUp<T>(memberId: string, ask: () => Promise<T>, meanwhile: () => Promise<unknown>): Promise<T> {
  const asked = await database.sql.begin(async (sql) => {
    await sql`select 1 from holdfast.members where id = ${memberId} for update`;
    const answer = ask();
    answer.catch(() => undefined);
    await database.lockIsWaitedFor();
    await meanwhile();
    // Wrapped, so that the transaction does not wait for what waits for it.
    return { answer };
  });
  return asked.answer;
}

test("a claim that began before a pause was acknowledged and goes on after it takes nothing", async () => {
  const world = new World({ store, close: async () => {} });
  const memberId = await world.member();
  const run = await world.enqueue();
  for (const queues of [null, ["default"]]) {
    const claim = () => store.claimRuns({ memberId, namespace: "shop", queues, limitRows: 5 });
    const pausing = () => store.pauseRuns({ target, reason: null });
    assert.deepEqual(await heldUp(memberId, claim, pausing), []);
    await store.resumeRuns({ target, limitRows: 5 });
  }
  assert.equal((await world.claim(memberId))[0]?.id, run.id);
});

test("a run that is inserted beside a pause is not claimed with it", async () => {
  const world = new World({ store, close: async () => {} });
  const memberId = await world.member();
  const row = world.row({}, { claimFor: memberId });
  const enqueue = () => store.enqueueRuns({ rows: [row] });
  const [result] = await heldUp(memberId, enqueue, () => store.pauseRuns({ target, reason: null }));
  assert.equal(result?.outcome === "created" && result.run.status, "ready");
  assert.deepEqual(await world.claim(memberId), []);
});

test("a claim of 60 paused runs beside a resume leaves none at a gate that is open", async () => {
  const world = new World({ store, close: async () => {} });
  const memberId = await world.member();
  await store.enqueueRuns({ rows: Array.from({ length: 60 }, () => world.row()) });
  for (let round = 0; round < 10; round++) {
    await store.pauseRuns({ target, reason: null });
    const claims = Array.from({ length: 3 }, () =>
      store.claimRuns({ memberId, namespace: "shop", queues: null, limitRows: 1 }),
    );
    await store.resumeRuns({ target, limitRows: 10 });
    await Promise.all(claims);
    for (let pages = 0; (await store.wakeRuns({ limitRows: 10 })).nextInMs === 0; pages++) assert.ok(pages < 50);
    assert.equal((await database.sql`select count(*)::int as n from holdfast.runs where gate is not null`)[0]?.n, 0);
  }
});
