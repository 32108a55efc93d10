import assert from "node:assert/strict";
import type { Limit, NewWait } from "../../core/index.ts";
import { type Contract, cancelled, hourMs, next, plain } from "./world.contract.ts";

/** What stores promise about ordered ends (P6). */
export function cancelContract(contract: Contract): void {
  contract(
    "who is cancelled in line leaves it at once, though runs that he called have still to end",
    async (world) => {
      const queue: Limit = { id: "shop/queue/etl", slots: 1, hold: "activation" };
      const { id: runId } = await world.enqueue({ limits: [queue] });
      const run = await world.activate(runId);
      const child = world.child(run, { name: "load", workflow: null });
      const wait: NewWait = { key: "load", kind: "call", hash: "h", delayMs: null, signal: null, child };
      const { epoch, generation } = run;
      await world.store.openWaits({ rows: [{ runId, epoch, generation, opens: [wait], settles: [], suspend: null }] });
      const called = await world.activate(child.id);
      const other = await world.enqueue({ limits: [queue], priority: 1 });
      await world.finish(run, next.retry(0));
      assert.equal((await world.get(runId)).gate, queue.id);
      await world.cancel(runId);
      assert.deepEqual([await world.status(runId), (await world.get(runId)).gate], ["cancelling", null]);
      await world.finish(await world.activate(other.id), next.success());
      assert.deepEqual((await world.store.findLimit({ id: queue.id, limitRows: 9 }))?.holders, []);
      await world.finish(called, next.release());
      assert.equal(await world.status(runId), "cancelled");
    },
  );

  contract(
    "the end that lets a cancelled parent end tells of it, as an upstream's failure does of what is skipped",
    async (world) => {
      const { parent, ids } = await world.workflow([{ name: "a" }]);
      const child = await world.activate(ids.a ?? "");
      await world.cancel(parent.id);
      const told = await world.finish(child, next.release());
      assert.equal(told.outcome, "finished");
      const ended = told.outcome === "finished" ? (told.ended ?? []) : [];
      assert.deepEqual(
        ended.map(({ id, status }) => [id, status]),
        [[parent.id, "cancelled"]],
      );
      const graph = await world.workflow([{ name: "up" }, { name: "down", after: ["up"] }]);
      const failed = await world.finish(await world.activate(graph.ids.up ?? ""), next.failure());
      const skipped = failed.outcome === "finished" ? (failed.ended ?? []) : [];
      assert.deepEqual(
        skipped.map(({ id, status, input }) => [id, status, input]),
        [[graph.ids.down, "skipped", undefined]],
      );
    },
  );

  contract("an order for an unknown run is answered by nothing", async (world) => {
    assert.equal(await world.cancel(world.root().id), undefined);
  });

  contract("a ready run ends at once", async (world) => {
    const { id } = await world.enqueue();
    assert.deepEqual(await world.cancel(id), { requested: 1, status: "cancelled" });
    const run = await world.get(id);
    assert.deepEqual({ error: run.error, ending: run.ending?.status }, { error: cancelled.error, ending: "cancelled" });
    assert.ok(run.endedAt !== null);
    assert.deepEqual(await world.events(id), ["run.enqueued", "run.cancelled"]);
    assert.deepEqual(await world.claim(await world.member()), []);
  });

  contract("a run that waits for its moment ends at once and is woken no more", async (world) => {
    const { now } = await world.store.describe();
    const { id } = await world.enqueue({ startAfter: now + hourMs });
    await world.cancel(id);
    assert.deepEqual(
      { status: await world.status(id), wakeAt: (await world.get(id)).wakeAt },
      { status: "cancelled", wakeAt: null },
    );
    assert.deepEqual(await world.store.wakeRuns({ limitRows: 10 }), { woken: 0, nextInMs: null });
  });

  contract("a running run is cancelling until its activation has ended", async (world) => {
    const before = await world.running();
    assert.deepEqual(await world.cancel(before.id), { requested: 1, status: "cancelling" });
    const run = await world.get(before.id);
    assert.deepEqual(
      { claimedBy: run.claimedBy, epoch: run.epoch, endedAt: run.endedAt, ending: plain(run.ending) },
      { claimedBy: before.claimedBy, epoch: before.epoch, endedAt: null, ending: plain(cancelled) },
    );
    assert.deepEqual(await world.events(run.id), ["run.enqueued", "run.started", "run.cancel_requested"]);
    assert.deepEqual(await world.lastData(run.id), { reason: "not needed" });
  });

  for (const [what, said] of Object.entries(next)) {
    contract(`a cancel beats what the activation says afterwards: ${what}`, async (world) => {
      const run = await world.running();
      await world.cancel(run.id);
      assert.deepEqual(await world.finish(run, said()), { outcome: "finished", status: "cancelled", readied: 0 });
      const { status, output, error, attempt, claimedBy } = await world.get(run.id);
      assert.deepEqual(
        { status, output, error, attempt, claimedBy },
        { status: "cancelled", output: undefined, error: cancelled.error, attempt: 1, claimedBy: null },
      );
      assert.equal((await world.events(run.id)).at(-1), "run.cancelled");
      assert.deepEqual(await world.claim(await world.member()), []);
    });
  }

  contract("an order that stands already requests nothing more", async (world) => {
    const run = await world.running();
    await world.cancel(run.id);
    assert.deepEqual(await world.cancel(run.id), { requested: 0, status: "cancelling" });
    assert.equal((await world.events(run.id)).length, 3);
    await world.finish(run, next.release());
    assert.deepEqual(await world.cancel(run.id), { requested: 0, status: "cancelled" });
  });

  contract("the first order holds, whatever a second one says", async (world) => {
    const run = await world.running();
    await world.cancel(run.id);
    const ending = { status: "failed", error: { code: "expired", message: "Too late." } } as const;
    await world.store.orderEnd({ runId: run.id, ending, data: {}, limitRows: 100 });
    await world.finish(run, next.success());
    assert.deepEqual((await world.get(run.id)).error, cancelled.error);
  });

  contract("an order for a run that has ended changes nothing", async (world) => {
    const run = await world.running();
    await world.finish(run, next.success());
    const before = await world.get(run.id);
    assert.deepEqual(await world.cancel(run.id), { requested: 0, status: "succeeded" });
    assert.deepEqual(plain(await world.get(run.id)), plain(before));
  });

  contract("a tree of unclaimed runs ends at once, whole", async (world) => {
    const { parent, ids } = await world.workflow([
      { name: "a" },
      { name: "b", after: ["a"] },
      { name: "c", after: ["b"] },
    ]);
    assert.deepEqual(await world.cancel(parent.id), { requested: 4, status: "cancelled" });
    for (const id of [parent.id, ...Object.values(ids)]) assert.equal(await world.status(id), "cancelled");
    assert.deepEqual(await world.events(ids.b), ["run.enqueued", "run.cancelled"]);
    assert.deepEqual(await world.events(parent.id), [
      "run.enqueued",
      "run.started",
      "run.waiting",
      "run.cancel_requested",
      "run.cancelled",
    ]);
  });

  contract("what lies below a cancelled run ends because of it, whatever the order's own words", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }]);
    const ending = { status: "failed", error: { code: "expired", message: "Too late." } } as const;
    await world.store.orderEnd({ runId: parent.id, ending, data: {}, limitRows: 100 });
    const [top, below] = [await world.get(parent.id), await world.get(ids.a)];
    assert.deepEqual({ status: top.status, error: top.error }, { status: "failed", error: ending.error });
    assert.deepEqual({ status: below.status, code: below.error?.code }, { status: "cancelled", code: "cancelled" });
  });

  contract("a parent ends with the last of its children that was running", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }, { name: "c", after: ["a"] }]);
    const [a, b] = await world.claim(await world.member());
    assert.ok(a !== undefined && b !== undefined);
    assert.deepEqual(await world.cancel(parent.id), { requested: 4, status: "cancelling" });
    assert.equal(await world.status(ids.c), "cancelled");
    await world.finish(a, next.success());
    assert.equal(await world.status(parent.id), "cancelling");
    await world.finish(b, next.retry());
    assert.deepEqual([await world.status(ids.b), await world.status(parent.id)], ["cancelled", "cancelled"]);
  });

  contract("an order reaches every level of a nested tree and ends it from below", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "inner", kind: "workflow" }]);
    const inner = await world.activate(ids.inner ?? "");
    const below = await world.expand(inner, [{ name: "map", kind: "map" }]);
    const map = await world.activate(below.map ?? "");
    const items = await world.expand(map, [{ name: "m[1]" }, { name: "m[2]" }]);
    const running = await world.activate(items["m[1]"] ?? "");
    assert.deepEqual(await world.cancel(parent.id), { requested: 5, status: "cancelling" });
    for (const id of [parent.id, inner.id, map.id]) assert.equal(await world.status(id), "cancelling");
    assert.equal(await world.status(items["m[2]"]), "cancelled");
    await world.finish(running, next.success());
    for (const id of [running.id, map.id, inner.id, parent.id]) assert.equal(await world.status(id), "cancelled");
  });

  contract("an order for one child leaves the rest of the tree to its rules", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }, { name: "c" }]);
    assert.deepEqual(await world.cancel(ids.a), { requested: 1, status: "cancelled" });
    assert.equal(await world.status(ids.b), "skipped");
    assert.equal(await world.status(ids.c), "ready");
    const waiting = await world.get(parent.id);
    assert.deepEqual({ status: waiting.status, open: waiting.openChildren }, { status: "waiting", open: 1 });
  });

  contract("cancelling the last open child wakes the parent", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }]);
    await world.cancel(ids.a);
    assert.equal(await world.status(parent.id), "ready");
  });

  contract("a parent that was woken is ended at once by an order", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }]);
    await world.cancel(ids.a);
    assert.deepEqual(await world.cancel(parent.id), { requested: 1, status: "cancelled" });
  });

  contract("a cancel and a success at once agree on one end", async (world) => {
    const doors = await world.doors();
    const other = doors.at(-1) ?? world.store;
    for (let round = 0; round < 10; round++) {
      const run = await world.running();
      const rows = [{ runId: run.id, epoch: run.epoch, ranMs: 1, next: next.success() }];
      const order = { runId: run.id, ending: cancelled, data: {}, limitRows: 100 };
      const [ordered, [finished]] = await Promise.all([other.orderEnd(order), world.store.finishActivations({ rows })]);
      const { status } = await world.get(run.id);
      assert.equal(finished?.outcome === "finished" ? finished.status : undefined, status);
      assert.equal(status, ordered?.requested === 1 ? "cancelled" : "succeeded");
      await world.events(run.id);
    }
  });

  contract("orders for a tree at once with its ends leave nothing open", async (world) => {
    const doors = await world.doors();
    for (let round = 0; round < 5; round++) {
      const { parent, ids } = await world.workflow(["a", "b", "c", "d"].map((name) => ({ name })));
      const runs = await world.claim(await world.member());
      const finishes = runs.map((run) => ({ runId: run.id, epoch: run.epoch, ranMs: 1, next: next.success() }));
      await Promise.all([
        ...finishes.map((row, index) =>
          (doors[index % doors.length] ?? world.store).finishActivations({ rows: [row] }),
        ),
        (doors.at(-1) ?? world.store).orderEnd({ runId: parent.id, ending: cancelled, data: {}, limitRows: 100 }),
      ]);
      const after = await world.get(parent.id);
      assert.equal(after.openChildren, 0);
      for (const id of Object.values(ids)) assert.ok(["succeeded", "cancelled"].includes(await world.status(id)));
      assert.equal(after.status, "cancelled");
      await world.events(parent.id);
    }
  });
}
