import assert from "node:assert/strict";
import { type Json, limits } from "@holdfast/protocol";
import { type Contract, next, plain, refused } from "./world.contract.ts";

/** What stores promise about values within values: what may be kept comes back, and what is deeper harms nobody (P11). */
export function nestingContract(contract: Contract): void {
  const { nestingLevels: given, boundNestingLevels: bound } = limits;

  contract("values of as many levels as are allowed come back as they were", async (world) => {
    const run = await world.running({ input: lists(bound) });
    assert.deepEqual(plain((await world.get(run.id)).input), lists(bound));
    const value = objects(given);
    await world.store.commitSteps({ rows: [{ ...plainStep(run), value }] });
    assert.deepEqual(plain(await world.store.listSteps({ runId: run.id, generation: 1 })), [{ key: "s", value }]);
    await world.finish(run, next.success(objects(bound)));
    assert.deepEqual(plain((await world.get(run.id)).output), objects(bound));
    const parent = await world.running({ kind: "workflow", definition: "nightly", name: "nightly" });
    const ids = await world.expand(parent, [{ name: "a", input: lists(bound) }]);
    assert.deepEqual(plain((await world.get(ids.a)).input), lists(bound));
  });

  contract("one level more is refused, and nothing is changed", async (world) => {
    await refused(world.enqueue({ input: lists(bound + 1) }), "too_large");
    const run = await world.running();
    await refused(world.store.commitSteps({ rows: [{ ...plainStep(run), value: objects(given + 1) }] }), "too_large");
    assert.deepEqual(await world.store.listSteps({ runId: run.id, generation: 1 }), []);
    await refused(world.finish(run, next.success(lists(bound + 1))), "too_large");
    assert.equal(await world.status(run.id), "running");
    const parent = await world.running({ kind: "workflow", definition: "nightly", name: "nightly" });
    const deep = world.expansion(parent, [{ name: "a", input: lists(bound + 1) }]);
    await refused(world.store.expandRuns({ rows: [deep] }), "too_large");
    assert.equal(await world.status(parent.id), "running");
  });
}

function plainStep({ id: runId, epoch, generation }: { id: string; epoch: number; generation: number }) {
  return { runId, epoch, generation, key: "s" };
}

function lists(levels: number): Json {
  let value: Json = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

function objects(levels: number): Json {
  let value: Json = {};
  for (let level = 1; level < levels; level++) value = { "": value, b: level };
  return value;
}
