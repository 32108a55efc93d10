import assert from "node:assert/strict";
import type { Limit, NewRun, RestartOrder, RestartRefusal, RunRow } from "../../core/index.ts";
import type { RestartResult } from "../../core/restart.ts";
import { type Contract, type Node, namespace, next, plain, type World } from "./world.contract.ts";

// Faults to catch: steps that answer after a clear, or not after a retry; a dependent that is forgotten, counted twice or taken out of
// the midst of its work; an ancestor that stays ended, or whose dependents stay; children of an earlier generation that still count;
// an old activation that is heard; a slot, an expiry or a pause that outlives the end; a refusal that has changed something.

const diamond: Node[] = [
  { name: "a" },
  { name: "b", after: ["a"] },
  { name: "c", after: ["a"] },
  { name: "d", after: ["b", "c"] },
];

/** What stores promise about runs that start again (core's R1–R5). */
export function restartsContract(contract: Contract): void {
  contract("a failed run is tried again: same generation, next attempt, steps kept", async (world) => {
    const run = await world.running();
    await step(world, run, "s", 1);
    await world.finish(run, next.failure());
    const result = await restart(world, run.id, { fresh: false, data: { by: "retry" } });
    assert.deepEqual(plain(result), {
      ...{ outcome: "restarted", status: "ready", attempt: 2, generation: 1 },
      ...{ reset: [], reopened: [], adopted: [], awaited: [], had: { steps: 1, values: 0 } },
    });
    const waiting = await world.get(run.id);
    assert.deepEqual([waiting.error, waiting.endedAt, waiting.output], [null, null, undefined]);
    assert.deepEqual(await world.lastData(run.id), {
      by: "retry",
      status: "ready",
      fresh: false,
      generation: 1,
      attempt: 2,
    });
    const again = await world.activate(run.id);
    assert.deepEqual([again.epoch, again.attempt, again.firstAttempt], [run.epoch + 1, 2, 2]);
    assert.equal((await step(world, again, "s", 2))?.outcome, "existing");
    await world.finish(again, next.success("better"));
    assert.deepEqual([(await world.get(run.id)).output, await world.status(run.id)], ["better", "succeeded"]);
    await world.events(run.id);
  });

  contract("afresh, no recorded step answers, and limits of steps count anew; old ones stay", async (world) => {
    const run = await world.running();
    await step(world, run, "s", 1);
    await world.finish(run, next.success("old"));
    const result = await restart(world, run.id, { fresh: true });
    assert.deepEqual([result.outcome, "generation" in result && result.generation], ["restarted", 2]);
    assert.deepEqual((await world.get(run.id)).input, { order: 17 });
    const again = await world.activate(run.id);
    assert.equal((await step(world, again, "s", 2))?.outcome, "recorded");
    assert.deepEqual(
      (await world.store.listSteps({ runId: run.id, generation: 1 })).map(({ value }) => value),
      [1],
    );
    await world.finish(again, next.failure());
    assert.equal((await world.get(run.id)).output, undefined);
  });

  contract("what an old activation says after a restart changes nothing", async (world) => {
    const run = await world.running();
    await world.cancel(run.id);
    await world.finish(run, next.release());
    await restart(world, run.id, { fresh: false });
    assert.equal((await world.finish(run, next.success())).outcome, "repeated");
    const again = await world.activate(run.id);
    assert.equal((await world.finish(run, next.success())).outcome, "stale_epoch");
    assert.equal((await world.finish(again, next.success())).outcome, "finished");
  });

  contract("only its own attempt is restarted: a repeated call is one", async (world) => {
    const run = await world.running();
    await world.finish(run, next.failure());
    assert.equal((await restart(world, run.id, { ifAttempt: 1 })).outcome, "restarted");
    assert.deepEqual(await restart(world, run.id, { ifAttempt: 1 }), { outcome: "unchanged", status: "ready" });
    assert.equal((await world.get(run.id)).attempt, 2);
    assert.deepEqual(await restart(world, "0000000000000000000z", {}), { outcome: "not_found" });
  });

  contract("a live run is refused, and nothing changes", async (world) => {
    const run = await world.running();
    const { ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    for (const id of [run.id, ids.a ?? "", ids.b ?? ""]) {
      const before = await world.get(id);
      assert.equal(refusalOf(await restart(world, id, {}))?.reason, "live", before.status);
      assert.deepEqual(await world.get(id), before);
    }
  });

  contract("what was skipped because of it waits for it again, and the workflow for all of them", async (world) => {
    const { parent, ids } = await world.workflow(diamond);
    await world.finish(await world.activate(ids.a ?? ""), next.failure());
    await conclude(world, parent.id, next.failure());
    const result = await restart(world, ids.a ?? "", { fresh: false });
    assert.deepEqual(sorted(result), { reset: [ids.b, ids.c, ids.d].sort(), reopened: [parent.id] });
    const waiting = await world.get(parent.id);
    assert.deepEqual(
      [waiting.status, waiting.openChildren, waiting.children, waiting.attempt, waiting.error],
      ["waiting", 4, { succeeded: 0, failed: 0, skipped: 0 }, 1, null],
    );
    for (const name of ["b", "c", "d"]) {
      const row = await world.get(ids[name]);
      assert.deepEqual([row.status, row.generation, row.attempt, row.error], ["pending", 1, 1, null], name);
    }
    assert.equal((await world.get(ids.d)).blockedBy, 2);
    await finishAll(world, ids, ["a", "b", "c", "d"]);
    await conclude(world, parent.id, next.success());
    for (const id of [parent.id, ...Object.values(ids)]) {
      assert.equal(await world.status(id), "succeeded");
      await world.events(id);
    }
  });

  contract("what ran on its outcome starts afresh, its arguments to be bound anew", async (world) => {
    const { parent, ids } = await world.workflow(diamond.map(bound));
    await finishAll(world, ids, ["a", "b", "c", "d"]);
    await conclude(world, parent.id, next.success());
    await restart(world, ids.b ?? "", { fresh: false });
    assert.deepEqual([(await world.get(ids.b)).status, (await world.get(ids.b)).generation], ["ready", 1]);
    const d = await world.get(ids.d);
    assert.deepEqual(
      [d.status, d.generation, d.attempt, d.firstAttempt, d.input, d.output, d.blockedBy],
      ["pending", 2, 2, 2, undefined, undefined, 1],
    );
    assert.equal(await world.status(ids.c), "succeeded");
    await finishAll(world, ids, ["b", "d"]);
    await conclude(world, parent.id, next.success());
    assert.deepEqual((await world.get(parent.id)).children, { succeeded: 4, failed: 0, skipped: 0 });
  });

  contract("a dependent that is at work is not taken back; one that has not begun waits again", async (world) => {
    const { parent, ids } = await world.workflow([
      { name: "a" },
      { name: "b", after: ["a"] },
      { name: "c", after: ["a"] },
    ]);
    await finishAll(world, ids, ["a"]);
    const b = await world.activate(ids.b ?? "");
    assert.deepEqual(refusalOf(await restart(world, ids.a ?? "", { fresh: true })), {
      reason: "dependent_live",
      runId: b.id,
      name: "b",
      status: "running",
    });
    assert.equal(await world.status(ids.a), "succeeded");
    await world.finish(b, next.success());
    assert.equal((await restart(world, ids.a ?? "", { fresh: true })).outcome, "restarted");
    assert.deepEqual([await world.status(ids.b), await world.status(ids.c)], ["pending", "pending"]);
    assert.deepEqual([(await world.get(ids.b)).generation, (await world.get(ids.c)).generation], [2, 1]);
    await finishAll(world, ids, ["a", "b", "c"]);
    await conclude(world, parent.id, next.success());
  });

  contract(
    "a workflow that is about to say its output waits again, and what it says meanwhile is too late",
    async (world) => {
      for (const isRunning of [false, true]) {
        const { parent, ids } = await world.workflow([{ name: "a" }]);
        await finishAll(world, ids, ["a"]);
        const concluding = isRunning ? await world.activate(parent.id) : undefined;
        const result = await restart(world, ids.a ?? "", { fresh: false });
        assert.deepEqual(sorted(result).reopened, [parent.id]);
        assert.deepEqual([await world.status(parent.id), (await world.get(parent.id)).claimedBy], ["waiting", null]);
        if (concluding !== undefined) {
          assert.equal((await world.finish(concluding, next.success())).outcome, "stale_epoch");
        }
        await finishAll(world, ids, ["a"]);
        await conclude(world, parent.id, next.success());
      }
    },
  );

  contract("all that is above it is reopened, and what depended on that", async (world) => {
    const { parent, ids } = await world.workflow([
      { name: "inner", kind: "workflow" },
      { name: "after", after: ["inner"] },
    ]);
    const inner = await world.activate(ids.inner ?? "");
    const below = await world.expand(inner, [{ name: "x" }, { name: "y" }]);
    await finishAll(world, below, ["x", "y"]);
    await conclude(world, inner.id, next.success());
    await finishAll(world, ids, ["after"]);
    await conclude(world, parent.id, next.success());
    const result = await restart(world, below.x ?? "", { fresh: true });
    assert.deepEqual(sorted(result), { reset: [ids.after], reopened: [inner.id, parent.id].sort() });
    assert.deepEqual(
      [await world.status(inner.id), await world.status(ids.after), await world.status(below.y)],
      ["waiting", "pending", "succeeded"],
    );
    await finishAll(world, below, ["x"]);
    await conclude(world, inner.id, next.success());
    await finishAll(world, ids, ["after"]);
    await conclude(world, parent.id, next.success());
    for (const id of [parent.id, inner.id, ...Object.values(ids)]) await world.events(id);
  });

  contract("afresh, a workflow forgets its children: they stay, and count no more", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }]);
    await finishAll(world, ids, ["a", "b"]);
    await conclude(world, parent.id, next.success());
    assert.equal((await restart(world, parent.id, { fresh: true })).outcome, "restarted");
    const cleared = await world.get(parent.id);
    assert.deepEqual(
      [cleared.status, cleared.generation, cleared.openChildren, cleared.children.succeeded],
      ["ready", 2, 0, 0],
    );
    const scope = { parentId: parent.id, names: ["a", "b"] };
    assert.deepEqual((await world.scopes(scope))[0]?.outputs, []);
    const again = await world.activate(parent.id);
    const anew = await world.expand(again, [{ name: "a" }]);
    assert.notEqual(anew.a, ids.a);
    assert.equal((await world.get(anew.a)).parentGeneration, 2);
    const listed = await world.store.listRuns({ namespace, parentId: parent.id, rootsOnly: false, limitRows: 10 });
    assert.deepEqual(
      listed.runs.map(({ id }) => id),
      [anew.a],
    );
    assert.equal((await world.store.listTree({ rootId: parent.id, limitRows: 10 })).length, 4);
    assert.equal(refusalOf(await restart(world, ids.a ?? "", {}))?.reason, "superseded");
    await finishAll(world, anew, ["a"]);
    await conclude(world, parent.id, next.success());
  });

  contract("a map's outputs are those of its present items", async (world) => {
    const { ids } = await world.workflow([{ name: "each", kind: "map" }]);
    for (const [generation, items] of [["x", "y"], ["y"]].entries()) {
      const map = await world.activate(ids.each ?? "");
      assert.equal(map.generation, generation + 1);
      const below = await world.expand(
        map,
        items.map((item, itemIndex) => ({ name: `each[${item}]`, item, itemIndex })),
      );
      await finishAll(
        world,
        below,
        items.map((item) => `each[${item}]`),
      );
      const outputs = await world.store.listChildOutputs({ parentId: map.id, afterIndex: -1, limitRows: 10 });
      assert.deepEqual(
        outputs.map(({ name }) => name),
        items.map((item) => `each[${item}]`),
      );
      await conclude(world, map.id, next.success());
      if (generation === 0) await restart(world, map.id, { fresh: true });
    }
  });

  contract("a run whose rule would skip it again is refused; what it depends on is to be restarted", async (world) => {
    const { ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    await world.finish(await world.activate(ids.a ?? ""), next.failure());
    assert.equal(refusalOf(await restart(world, ids.b ?? "", {}))?.reason, "upstream_unmet");
    assert.equal(await world.status(ids.b), "skipped");
  });

  contract("a run that was cancelled before its turn waits for what it depends on", async (world) => {
    const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b", after: ["a"] }]);
    await world.cancel(ids.b);
    assert.equal((await restart(world, ids.b ?? "", {})).outcome, "restarted");
    assert.equal(await world.status(ids.b), "pending");
    await world.cancel(ids.b);
    await finishAll(world, ids, ["a"]);
    assert.deepEqual((await world.get(ids.b)).upstream, { succeeded: 1, failed: 0, skipped: 0 });
    assert.equal((await restart(world, ids.b ?? "", {})).outcome, "restarted");
    await finishAll(world, ids, ["b"]);
    await conclude(world, parent.id, next.success());
  });

  contract("a slot is taken again in its turn, and expiry has its whole time again", async (world) => {
    const limit: Limit = { id: "shop/definition/ship", slots: 1, hold: "run" };
    const run = await world.enqueue({ limits: [limit], expiresAfterMs: 60_000 });
    await world.finish(await world.activate(run.id), next.failure());
    const other = await world.enqueue({ limits: [limit] });
    await world.pass(5);
    await restart(world, run.id, {});
    const waiting = await world.get(run.id);
    assert.equal(waiting.gate, limit.id);
    assert.ok((waiting.expiresAt ?? 0) > (run.expiresAt ?? 0));
    assert.equal((waiting.expiresAt ?? 0) - (waiting.expiresFrom ?? 0), 60_000);
    await world.finish(await world.activate(other.id), next.success());
    await world.finish(await world.activate(run.id), next.success());
  });

  contract("a pause ended with its run: started again, it is not paused", async (world) => {
    const run = await world.enqueue();
    await world.store.pauseRuns({ target: { namespace, kind: "run", name: run.id }, reason: null });
    await world.cancel(run.id);
    await restart(world, run.id, {});
    assert.deepEqual(await world.store.findPauses({ runId: run.id }), []);
    await world.activate(run.id);
  });

  contract("a root that starts again is not pruned, and ends in its own time", async (world) => {
    const run = await world.running();
    await world.finish(run, next.failure());
    await restart(world, run.id, {});
    await world.pass(10);
    await world.store.prune({ runsMs: 0, logsMs: 0, limitRows: 100 });
    await world.finish(await world.activate(run.id), next.success());
    await world.pass(10);
    assert.equal((await world.store.prune({ runsMs: 0, logsMs: 0, limitRows: 100 })).runs, 1);
  });

  contract("several are restarted in one call, each with a result of its own", async (world) => {
    const { parent, ids } = await world.workflow(diamond);
    await finishAll(world, ids, ["a"]);
    await world.finish(await world.activate(ids.b ?? ""), next.failure());
    await world.finish(await world.activate(ids.c ?? ""), next.failure());
    await conclude(world, parent.id, next.failure());
    const live = await world.running();
    const rows = [ids.b, ids.c, live.id].map((runId) => order(runId ?? "", { fresh: false }));
    const results = await world.store.restartRuns({ rows });
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ["restarted", "restarted", "refused"],
    );
    assert.equal((await world.get(ids.d)).blockedBy, 2);
    await finishAll(world, ids, ["b", "c", "d"]);
    await conclude(world, parent.id, next.success());
  });

  contract("a restart at once with the ends of others leaves counts that fit", async (world) => {
    const doors = await world.doors();
    for (let round = 0; round < 5; round++) {
      const { parent, ids } = await world.workflow([{ name: "a" }, { name: "b" }, { name: "z", after: ["a", "b"] }]);
      const [a, b] = [await world.activate(ids.a ?? ""), await world.activate(ids.b ?? "")];
      await world.finish(a, next.failure());
      const rows = [{ runId: b.id, epoch: b.epoch, ranMs: 1, next: next.success() }];
      await Promise.all([
        (doors.at(-1) ?? world.store).finishActivations({ rows }),
        world.store.restartRuns({ rows: [order(a.id, { fresh: false })] }),
      ]);
      await finishAll(world, ids, ["a", "z"]);
      await conclude(world, parent.id, next.success());
      assert.deepEqual((await world.get(parent.id)).children, { succeeded: 3, failed: 0, skipped: 0 });
    }
  });
}

function order(runId: string, some: Partial<RestartOrder>): RestartOrder {
  return { runId, fresh: false, ifAttempt: null, data: {}, ...some };
}

/** Lets one run start again. */
export async function restart(world: World, runId: string, some: Partial<RestartOrder>): Promise<RestartResult> {
  const [result] = await world.store.restartRuns({ rows: [order(runId, some)] });
  assert.ok(result);
  return result;
}

function refusalOf(result: RestartResult): RestartRefusal | undefined {
  return result.outcome === "refused" ? result.refusal : undefined;
}

function sorted(result: RestartResult): { reset: string[]; reopened: string[] } {
  assert.equal(result.outcome, "restarted");
  return { reset: [...result.reset].sort(), reopened: [...result.reopened].sort() };
}

async function step(world: World, run: RunRow, key: string, value: number) {
  const row = { runId: run.id, epoch: run.epoch, generation: run.generation, key, value };
  return (await world.store.commitSteps({ rows: [row] }))[0];
}

/** Claims and ends these, which have to become ready in this order. */
export async function finishAll(world: World, ids: Record<string, string>, names: readonly string[]): Promise<void> {
  for (const name of names) await world.finish(await world.activate(ids[name] ?? ""), next.success(name));
}

/** The last activation of a workflow, which has to be ready. */
export async function conclude(world: World, id: string, end: ReturnType<typeof next.success>): Promise<void> {
  await world.finish(await world.activate(id), end);
}

/** As a node is whose arguments are bound when it starts. */
function bound(node: Node): Node {
  const { input: _, ...rest }: Partial<NewRun> & Node = node;
  return rest;
}
