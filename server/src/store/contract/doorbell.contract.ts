import assert from "node:assert/strict";
import type { RingTopic, Store } from "../store.ts";
import { type Contract, type ContractSubject, next, refused, until } from "./world.contract.ts";

/** What stores promise about the doorbell, and about being open. */
export function doorbellContract(contract: Contract, subject: ContractSubject): void {
  contract("a store describes itself", async (world) => {
    const first = await world.store.describe();
    assert.ok(["memory", "file", "sqlite", "postgres"].includes(first.kind));
    assert.ok(first.incarnation.length >= 8);
    assert.ok(first.schemaVersion >= 1);
    assert.equal(first.timedLeases, subject.timedLeases);
    for (const store of await world.doors()) assert.equal((await store.describe()).incarnation, first.incarnation);
  });

  contract("a new run rings that something is ready", async (world) => {
    const heard = listen(world.store);
    await world.enqueue();
    await until(async () => heard.has("ready") && heard.has("events"));
  });

  contract("a released dependent and a woken parent ring that something is ready", async (world) => {
    const { ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    const a = await world.activate(ids.a ?? "");
    await quiet(world.store);
    const heard = listen(world.store);
    await world.finish(a, next.success());
    await until(async () => heard.has("ready") && heard.has("ended"));
    const b = await world.activate(ids.b ?? "");
    await quiet(world.store);
    heard.clear();
    await world.finish(b, next.success());
    await until(async () => heard.has("ready"));
  });

  contract("the end of a run rings", async (world) => {
    const run = await world.running();
    await quiet(world.store);
    const heard = listen(world.store);
    await world.finish(run, next.success());
    await until(async () => heard.has("ended") && heard.has("events"));
    assert.equal(heard.has("ready"), false);
  });

  contract("an order for a claimed run rings for its canceller", async (world) => {
    const run = await world.running();
    const heard = listen(world.store);
    await world.cancel(run.id);
    await until(async () => heard.has("cancelling"));
  });

  contract("an order that has reached everything rings that what lies beside it is ready", async (world) => {
    const { ids } = await world.workflow([{ name: "inner", kind: "workflow" }, { name: "beside" }]);
    const inner = await world.activate(ids.inner ?? "");
    await world.expand(inner, [{ name: "x" }, { name: "y" }, { name: "z" }]);
    await world.order(inner.id, 1);
    await quiet(world.store);
    const heard = listen(world.store);
    await world.store.spreadOrders({ limitRows: 1 });
    await quiet(world.store);
    assert.equal(heard.has("ready"), false);
    assert.equal((await world.store.spreadOrders({ limitRows: 10 })).more, false);
    await until(async () => heard.has("ready"));
  });

  contract("a run whose moment has come and that was woken rings that something is ready", async (world) => {
    const { id, epoch } = await world.running();
    await world.finish({ id, epoch }, next.retry(20));
    await world.pass(40);
    await quiet(world.store);
    const heard = listen(world.store);
    assert.equal((await world.store.wakeRuns({ limitRows: 10 })).woken, 1);
    await until(async () => heard.has("ready"));
  });

  contract("a takeover rings that something is ready", async (world) => {
    const id = await world.member();
    await world.running({}, id);
    await quiet(world.store);
    const heard = listen(world.store);
    await world.store.leaveMember({ id });
    await until(async () => heard.has("ready"));
  });

  contract("a ring is heard by everyone who listens, until they stop", async (world) => {
    const [one, two] = [listen(world.store), new Set<RingTopic>()];
    const stop = world.store.onRing((topics) => topics.forEach((topic) => void two.add(topic)));
    world.store.ring(["cancelling"]);
    await until(async () => one.has("cancelling") && two.has("cancelling"));
    stop();
    stop();
    two.clear();
    one.clear();
    world.store.ring(["ended"]);
    await until(async () => one.has("ended"));
    assert.equal(two.size, 0);
  });

  if (subject.second) {
    contract("a ring reaches other processes on the store", async (world) => {
      const [mine, other] = await world.doors();
      assert.ok(mine !== undefined && other !== undefined);
      const [here, there] = [listen(mine), listen(other)];
      // One ring may be lost; a bell that is rung again and again is heard.
      await until(async () => {
        mine.ring(["cancelling"]);
        other.ring(["ended"]);
        return there.has("cancelling") && here.has("ended");
      });
    });

    contract("what is done through one door is seen through the other", async (world) => {
      const [mine, other] = await world.doors();
      assert.ok(mine !== undefined && other !== undefined);
      const run = await world.running();
      assert.equal((await other.findRun({ id: run.id }))?.epoch, 1);
      const rows = [{ runId: run.id, epoch: 1, ranMs: 1, next: next.success() }];
      assert.equal((await other.finishActivations({ rows }))[0]?.outcome, "finished");
      assert.deepEqual(await mine.finishActivations({ rows }), [{ outcome: "repeated", status: "succeeded" }]);
    });
  }

  contract("a closed store says so, and closing twice is closing once", async (world) => {
    await world.store.close();
    await world.store.close();
    await refused(world.store.describe(), "store_unavailable");
    await refused(world.store.enqueueRuns({ rows: [world.row()] }), "store_unavailable");
    await refused(world.store.listMembers({ namespace: "shop" }), "store_unavailable");
  });
}

/** Every topic that has been heard so far. */
function listen(store: Store): Set<RingTopic> {
  const heard = new Set<RingTopic>();
  store.onRing((topics) => {
    for (const topic of topics) heard.add(topic);
  });
  return heard;
}

/** Resolves once what was rung before has been heard. */
async function quiet(store: Store): Promise<void> {
  const heard = listen(store);
  await until(async () => {
    store.ring(["cancelling"]);
    return heard.has("cancelling");
  });
}
