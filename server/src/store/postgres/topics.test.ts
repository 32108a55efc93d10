import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TopicEvent } from "@holdfast/protocol";
import { next, World } from "../contract/world.contract.ts";
import type { Store } from "../store.ts";
import { TestDatabase } from "./database.fixture.ts";
import { insertRoots } from "./enqueue.ts";
import { Session } from "./session.ts";

let database: TestDatabase;

before(async () => {
  database = await TestDatabase.create();
});
after(() => database.drop());

async function sequenceAll(stores: readonly Store[]): Promise<void> {
  for (let isMore = true; isMore; ) {
    const results = await Promise.all(stores.map((store) => store.sequenceEvents({ limitRows: 7 })));
    isMore = results.some(({ moved, more }) => moved > 0 || more);
  }
}

test("a transaction held open with a run and its events in it delays no topic, and its events come later", async () => {
  const stores = [await database.open(), await database.open()];
  const [store] = stores;
  assert.ok(store);
  const world = new World({ store, close: async () => {} });
  const held = await Session.open({ url: database.url, applicationName: "user", prepare: true });
  const late = world.row();
  const seen: TopicEvent[] = [];
  const read = async () => {
    for (;;) {
      const { events } = await store.listTopic({ namespace: "shop", after: seen.at(-1)?.position ?? 0, limitRows: 10 });
      if (events.length === 0) return;
      seen.push(...events);
    }
  };
  await held.transaction(async (transaction) => {
    await insertRoots(transaction, [late]);
    const memberId = await world.member();
    for (let round = 0; round < 4; round++) {
      const runs = await Promise.all(Array.from({ length: 5 }, () => world.running({}, memberId)));
      await Promise.all(runs.map((run) => world.finish(run, next.success())));
      await sequenceAll(stores);
      await read();
      assert.equal(seen.length, (round + 1) * 15, "everything that is committed has its place");
    }
    assert.equal(await store.findRun({ id: late.run.id }), undefined);
  });
  await sequenceAll(stores);
  await read();
  await held.close();
  assert.equal(seen.length, 61);
  assert.equal(seen.at(-1)?.runId, late.run.id);
  assert.deepEqual(
    seen.map(({ position }) => position),
    seen.map((_, index) => index + 1),
  );
  const numbers = new Map<string, number>();
  for (const { runId, number } of seen) {
    assert.equal(number, (numbers.get(runId) ?? 0) + 1, "a run's events come in their own order");
    numbers.set(runId, number);
  }
});

test("a run's history is whole while some of its events have no place in the topic yet", async () => {
  const store = await database.open();
  const world = new World({ store, close: async () => {} });
  const run = await world.running();
  await store.sequenceEvents({ limitRows: 1 });
  await world.finish(run, next.success());
  assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started", "run.succeeded"]);
  await sequenceAll([store]);
  assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started", "run.succeeded"]);
});
