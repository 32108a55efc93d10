import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { startPostgres, type TestPostgres } from "../../../../test/postgres.ts";
import { systemClock } from "../../clock.ts";
import { next, until, World } from "../contract/world.contract.ts";
import { mergeCalls } from "../merging.ts";
import type { RingTopic } from "../store.ts";
import { openPostgresStore } from "./postgres-store.ts";

// A server of its own, which is killed and frozen here.

let server: TestPostgres;

before(async () => {
  server = await startPostgres();
});
after(() => server.stop());

/** Repeats a call as the engine does: whatever happened to it, it can be said again. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isAppError(error, "store_unavailable")) throw error;
      await systemClock.sleep(20);
    }
  }
}

test("work goes on through deaths of the server: nothing acknowledged is lost, nothing is done twice", async () => {
  const url = await server.createDatabase();
  const store = mergeCalls(await openPostgresStore({ url, migrate: true, maxSessions: 4 }), { clock: systemClock });
  const world = new World({ store, close: async () => {} });
  const memberId = await world.member();
  const ended: string[] = [];
  let killed = 0;
  const body = async () => {
    while (killed < 3) {
      const row = world.row({}, { claimFor: memberId });
      const [made] = await insist(() => store.enqueueRuns({ rows: [row] }));
      assert.ok(made?.outcome === "created" || made?.outcome === "existing");
      const run = await insist(() => store.findRun({ id: row.run.id }));
      assert.equal(run?.epoch, 1);
      const step = { runId: run.id, epoch: 1, generation: 1, key: "s", value: run.id };
      const [stepped] = await insist(() => store.commitSteps({ rows: [step] }));
      assert.ok(stepped?.outcome === "recorded" || stepped?.outcome === "existing");
      const [finished] = await insist(() =>
        store.finishActivations({ rows: [{ runId: run.id, epoch: 1, ranMs: 1, next: next.success(run.id) }] }),
      );
      assert.ok(finished?.outcome === "finished" || finished?.outcome === "repeated");
      ended.push(run.id);
    }
  };
  const bodies = Promise.all(Array.from({ length: 20 }, body));
  for (; killed < 3; killed++) {
    const before = ended.length;
    await until(async () => ended.length > before + 20);
    await server.kill();
    await server.restart();
  }
  await bodies;
  for (const id of ended) {
    const run = await store.findRun({ id });
    assert.deepEqual([run?.status, run?.output, run?.lastEvent], ["succeeded", id, 3]);
    assert.equal((await store.listSteps({ runId: id, generation: 1 })).length, 1);
  }
  for (let isMore = true; isMore; ) isMore = (await store.sequenceEvents({ limitRows: 5_000 })).moved > 0;
  const { last } = await store.listTopic({ namespace: "shop", after: 0, limitRows: 1 });
  const runs = await store.findRunIds({ namespace: "shop", prefix: "", limitRows: 100_000 });
  assert.equal(last, runs.length * 3);
  await store.close();
});

test("a server that does not answer is store_unavailable after a while, and is used again when it does", async () => {
  const url = await server.createDatabase();
  const store = await openPostgresStore({ url, migrate: true, maxSessions: 2, answerMs: 1_000 });
  const world = new World({ store, close: async () => {} });
  const run = await world.running();
  server.freeze();
  try {
    await assert.rejects(world.finish(run, next.success()), (error) => isAppError(error, "store_unavailable"));
    await assert.rejects(store.renewMember({ id: "node-1", leaseMs: 1_000 }), (error) =>
      isAppError(error, "store_unavailable"),
    );
  } finally {
    server.thaw();
  }
  const rows = [{ runId: run.id, epoch: 1, ranMs: 1, next: next.success() }];
  const [result] = await insist(() => store.finishActivations({ rows }));
  assert.ok(result?.outcome === "finished" || result?.outcome === "repeated");
  assert.equal(await world.status(run.id), "succeeded");
  await store.close();
});

test("a bell is heard again after the server came back, and swallowed rings are never heard", async () => {
  const url = await server.createDatabase();
  const mine = await openPostgresStore({ url, migrate: true, maxSessions: 1 });
  const other = await openPostgresStore({ url, maxSessions: 1 });
  const deaf = await openPostgresStore({ url, maxSessions: 1, swallowRings: true });
  const heard = new Set<RingTopic>();
  let silence = true;
  mine.onRing((topics) => topics.forEach((topic) => void heard.add(topic)));
  deaf.onRing(() => {
    silence = false;
  });
  const ring = async () => {
    other.ring(["cancelling"]);
    deaf.ring(["ready"]);
    return heard.has("cancelling");
  };
  await until(ring);
  await server.kill();
  await server.restart();
  heard.clear();
  await until(ring, 120_000);
  assert.ok(silence);
  await Promise.all([mine, other, deaf].map((store) => store.close()));
});
