import assert from "node:assert/strict";
import type { Verdict } from "../../core/index.ts";
import type { MarkResult } from "../../core/marks.ts";
import { type Contract, next, type World } from "./world.contract.ts";

// Faults to catch: an activation that is heard after a person decided; dependents that follow the old end; an end that is decided
// over others at work; a forced end that forgets what was ordered, or reaches beyond its run.

const good: Verdict = { status: "succeeded", output: { by: "hand" } };
const bad: Verdict = { status: "failed", error: { code: "marked_failed", message: "It was marked as failed." } };
const passed: Verdict = { status: "skipped", error: { code: "skipped_by_person", message: "It was skipped." } };

/** What stores promise about ends that people decide (core/marks.ts), and about forced ones (P6). */
export function marksContract(contract: Contract): void {
  contract("a run is marked in any status but its own end, and its activation is heard no more", async (world) => {
    const [ready, running] = [await world.enqueue({ queue: "etl" }), await world.running()];
    const later = await world.enqueue({ startAfter: (await world.store.describe()).now + 60_000 });
    for (const [run, verdict] of [
      [ready, bad],
      [running, good],
      [later, passed],
    ] as const) {
      const result = await mark(world, run.id, verdict);
      assert.deepEqual(result, { outcome: "marked", status: verdict.status, reset: [], reopened: [], jobs: 0 });
      assert.equal(await world.status(run.id), verdict.status);
      assert.deepEqual(await mark(world, run.id, verdict), { outcome: "unchanged", status: verdict.status });
      await world.events(run.id);
    }
    assert.deepEqual((await world.get(running.id)).output, { by: "hand" });
    assert.equal((await world.finish(running, next.failure())).outcome, "stale_epoch");
    assert.deepEqual(await mark(world, "0000000000000000000z", good), { outcome: "not_found" });
  });

  contract("what depends on a run follows the end that a person decided", async (world) => {
    const { parent, ids } = await world.workflow([
      { name: "a" },
      { name: "b", after: ["a"] },
      { name: "c", after: ["b"] },
    ]);
    await mark(world, ids.a, good);
    assert.equal(await world.status(ids.b), "ready");
    await mark(world, ids.b, bad);
    assert.deepEqual([await world.status(ids.c), await world.status(parent.id)], ["skipped", "ready"]);
    assert.deepEqual((await world.get(parent.id)).children, { succeeded: 1, failed: 2, skipped: 0 });
  });

  contract("an end that is decided otherwise is judged anew by all that it concerned", async (world) => {
    const { parent, ids } = await world.workflow([
      { name: "a" },
      { name: "b", after: ["a"] },
      { name: "c", after: ["b"] },
    ]);
    await world.finish(await world.activate(ids.a ?? ""), next.failure());
    await world.finish(await world.activate(parent.id), next.failure());
    const result = await mark(world, ids.a, good);
    assert.equal(result.outcome, "marked");
    assert.deepEqual(result.outcome === "marked" && [[...result.reset].sort(), result.reopened], [
      [ids.b, ids.c].sort(),
      [parent.id],
    ]);
    assert.deepEqual(
      [await world.status(parent.id), await world.status(ids.b), await world.status(ids.c)],
      ["waiting", "ready", "pending"],
    );
    assert.deepEqual((await world.get(ids.a)).output, { by: "hand" });
    await mark(world, ids.a, bad);
    assert.deepEqual([await world.status(ids.b), await world.status(ids.c)], ["skipped", "skipped"]);
    assert.deepEqual([(await world.get(ids.a)).output, await world.status(parent.id)], [undefined, "ready"]);
    await world.finish(await world.activate(parent.id), next.failure());
    for (const id of [parent.id, ...Object.values(ids)]) await world.events(id);
  });

  contract("over others at work nothing is decided", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }]);
    const above = await mark(world, parent.id, good);
    assert.equal(above.outcome === "refused" && above.refusal.reason, "children_live");
    const a = await world.activate(ids.a ?? "");
    await world.cancel(a.id);
    const ending = await mark(world, a.id, good);
    assert.equal(ending.outcome === "refused" && ending.refusal.reason, "live");
    assert.equal(await world.status(a.id), "cancelling");
  });

  contract(
    "a forced end does not wait for activations, reaches its own tree alone, and is said once",
    async (world) => {
      const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }]);
      const [a, b] = [await world.activate(ids.a ?? ""), await world.activate(ids.b ?? "")];
      const other = await world.running();
      await world.cancel(other.id);
      assert.deepEqual(await world.store.forceEnds({ runId: parent.id, limitRows: 10 }), { forced: [], more: false });
      await world.cancel(parent.id);
      const first = await world.store.forceEnds({ runId: parent.id, limitRows: 1 });
      assert.deepEqual([first.forced.length, first.more], [1, true]);
      const rest = await world.store.forceEnds({ runId: parent.id, limitRows: 10 });
      assert.deepEqual([...first.forced, ...rest.forced].sort(), [a.id, b.id].sort());
      assert.equal(rest.more, false);
      for (const id of [parent.id, a.id, b.id]) assert.equal(await world.status(id), "cancelled");
      assert.equal(await world.status(other.id), "cancelling");
      assert.deepEqual(await world.events(a.id), [
        "run.enqueued",
        "run.started",
        "run.cancel_requested",
        "run.forced",
        "run.cancelled",
      ]);
      assert.equal((await world.finish(a, next.success())).outcome, "stale_epoch");
      assert.deepEqual(await world.store.forceEnds({ runId: parent.id, limitRows: 10 }), { forced: [], more: false });
    },
  );
}

async function mark(world: World, runId: string | undefined, verdict: Verdict): Promise<MarkResult> {
  const [result] = await world.store.markRuns({ rows: [{ runId: runId ?? "", verdict, data: { reason: "case" } }] });
  assert.ok(result);
  return result;
}
