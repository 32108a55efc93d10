// Faults to catch: a key whose retention is over, and which is pruned between two statements of an enqueue, is taken for granted
// and never written: two runs come of the next two enqueues with it. And: a key by which an enqueue was answered is gone before
// that enqueue has been committed. And: a request that a key has answered, whose run is pruned at that moment, is never forgotten.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { next, World } from "../contract/world.contract.ts";
import { TestDatabase } from "./database.fixture.ts";

let database: TestDatabase;

before(async () => {
  database = await TestDatabase.create();
});
after(() => database.drop());

test("a key that is pruned while it is asked for is its next run's", async () => {
  const key = { key: "order", hash: "h", retentionMs: 1_000 };
  const other = new World({ store: await database.open(), close: async () => {} });
  const first = await other.enqueue({ key: "order" }, { key, claimFor: await other.member() });
  await other.finish(first, next.success());
  await database.advance(60_000);
  const taken = Promise.withResolvers<void>();
  let isPruned = false;
  const store = await database.open({
    // A statement is sent before the one ahead of it was answered.
    beforeStatement: async (name) => {
      if (name !== "findNames" || isPruned) return;
      isPruned = true;
      await taken.promise;
      await other.store.prune({ runsMs: 0, logsMs: 0, limitRows: 100 });
      const names = await database.sql`select name from holdfast.names`;
      assert.equal(names.length, 0);
    },
    afterStatement: (name) => {
      if (name === "takeNames") taken.resolve();
    },
  });
  const enqueue = async () => {
    const [result] = await store.enqueueRuns({ rows: [other.row({ key: "order" }, { key })] });
    return result;
  };
  const second = await enqueue();
  assert.ok(second?.outcome === "created");
  assert.notEqual(second.run.id, first.id);
  assert.deepEqual(await enqueue(), { outcome: "existing", runId: second.run.id });
});

test("a key that answers an enqueue stands until that is committed, though its retention is over", async () => {
  const key = { key: "bill", hash: "h", retentionMs: 1_000 };
  const other = new World({ store: await database.open(), close: async () => {} });
  const first = await other.enqueue({ key: "bill" }, { key, claimFor: await other.member() });
  await other.finish(first, next.success());
  await database.advance(60_000);
  const standing: string[] = [];
  const store = await database.open({
    // Asked for the row that is new, once the names have been judged.
    beforeStatement: async (name) => {
      if (name !== "insertRoots") return;
      await other.store.prune({ runsMs: 0, logsMs: 0, limitRows: 100 });
      for (const row of await database.sql`select name from holdfast.names order by name`) standing.push(row.name);
    },
  });
  const rows = [other.row({ key: "bill" }, { key }), other.row({ key: "new" }, { key: { ...key, key: "new" } })];
  const [again, fresh] = await store.enqueueRuns({ rows });
  assert.deepEqual([again, fresh?.outcome], [{ outcome: "existing", runId: first.id }, "created"]);
  assert.ok(standing.includes("bill"));
});

test("a request that a key has answered is forgotten in its time, though its run is pruned at that moment", async () => {
  const key = { key: "pay", hash: "h", retentionMs: 3_600_000 };
  const request = { key: "request-1", hash: "h", retentionMs: 1_000 };
  const other = new World({ store: await database.open(), close: async () => {} });
  const first = await other.enqueue({ key: "pay" }, { key, claimFor: await other.member() });
  await other.finish(first, next.success());
  await database.advance(60_000);
  const prune = () => other.store.prune({ runsMs: 0, logsMs: 0, limitRows: 100 });
  const store = await database.open({
    beforeStatement: async (name) => {
      if (name === "insertRoots") await prune();
    },
  });
  const [again] = await store.enqueueRuns({ rows: [other.row({ key: "pay" }, { key, request }), other.row()] });
  assert.deepEqual(again, { outcome: "existing", runId: first.id });
  await prune();
  await database.advance(60_000);
  await prune();
  const names = await database.sql`select name, run_gone from holdfast.names where run_id = ${first.id}`;
  assert.deepEqual(
    names.map((row) => ({ ...row })),
    [{ name: "pay", run_gone: true }],
  );
});
