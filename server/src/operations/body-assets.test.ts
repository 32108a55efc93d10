// Faults to catch: an asset that a task has not declared and that its body reaches, by its id, its URI, or beside another change; one that it
// reads and that it writes; an event that does not fit and is told; one that nothing declares any more and that answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChannelStateOp, type CodeTaskSpec, type ErrorCode, isAppError, type Manifest } from "@holdfast/protocol";
import { newRun } from "../core/run.fixture.ts";
import { systemRandom } from "../random.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { type Asking, BodyAssets } from "./body-assets.ts";
import { BodyState } from "./body-state.ts";
import { Definitions } from "./definitions.ts";
import { taskSpec } from "./manifest.fixture.ts";
import { StateObjects } from "./state-objects.ts";

const uri = "s3://lake/orders";
const orders = { id: "orders", uri, watermark: { type: "string" }, event: { type: "number" } } as const;
const task: CodeTaskSpec = {
  ...{ ...taskSpec, executor: "python", source: { module: "unit.py", export: "main" } },
  ...{ reads: ["customers"], writes: ["orders"] },
};
const manifest: Manifest = {
  ...{ format: 1, root: "unit", definitions: { unit: task } },
  assets: { orders, customers: { id: "customers" }, secrets: { id: "secrets", uri: "s3://lake/secrets" } },
};

async function open() {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  await store.joinMember({ id: "node", kind: "node", name: "node", namespace: "n", serves: null, leaseMs: 60_000 });
  const definitions = new Definitions({ store, namespace: "n" });
  const applied = await definitions.apply([manifest]);
  const manifestHash = applied.definitions[0]?.manifestHash ?? "";
  const assets = new BodyAssets({ store, clock, definitions });
  const objects = new StateObjects({ store, clock, random: systemRandom, options: undefined });
  const state = new BodyState({ store, objects, clock, assets });
  let starts = 0;
  const start = async (): Promise<Asking> => {
    starts += 1;
    const id = `1ngej3ekqqrdnmay8b${String(starts).padStart(2, "0")}`;
    const run = newRun({ id, namespace: "n", definition: "unit", name: "unit", manifestHash });
    const [result] = await store.enqueueRuns({ rows: [{ run, key: null, request: null, claimFor: "node" }] });
    assert.ok(result?.outcome === "created");
    const retry = { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 };
    const held = { run: result.run, retry, ranMs: 0, revoked: new AbortController().signal, isToldToEnd: false };
    return { held, task };
  };
  return { assets, state, start, definitions };
}

const set = (id: string): ChannelStateOp => ({ op: "set", scope: { kind: "asset", id }, key: "rows", value: 1 });
const emit = (id: string, payload: number | string): ChannelStateOp => ({
  op: "emit",
  scope: { kind: "asset", id },
  payload,
});
const advance = (id: string, to: number | string): ChannelStateOp => ({
  ...{ op: "advance", scope: { kind: "watermark", id }, key: "mark", to },
});
const refused = (code: ErrorCode) => (error: unknown) => isAppError(error, code);

test("a body reads and writes what its task writes, by its id and by its URI, and they are one", async () => {
  const { assets, state, start } = await open();
  const asking = await start();
  await state.transact(asking, { key: "a", ops: [set(uri), emit("orders", 1), advance(uri, "b")] });
  assert.equal((await state.get(asking, { kind: "asset", id: "orders" }, ["rows"]))[0]?.value, 1);
  assert.equal((await state.list(asking, { scope: { kind: "asset", id: uri } })).values.length, 1);
  const { id, watermarks } = await assets.get(asking, { asset: uri, watermarks: ["mark", "nothing"] });
  assert.deepEqual([id, watermarks.map(({ key, value }) => [key, value])], ["orders", [["mark", "b"]]]);
  const { events } = await assets.events(asking, { asset: "orders" });
  assert.deepEqual(
    events.map(({ number, payload, run }) => [number, payload, run]),
    [[1, 1, asking.held.run.id]],
  );
});

test("what its task has not declared is denied with what to do, and nothing beside it is done", async () => {
  const { assets, state, start } = await open();
  const asking = await start();
  for (const name of ["secrets", "s3://lake/secrets", "nobody", "s3://nowhere"]) {
    await assert.rejects(assets.get(asking, { asset: name, watermarks: ["mark"] }), refused("denied"));
    await assert.rejects(assets.events(asking, { asset: name }), refused("denied"));
    await assert.rejects(state.get(asking, { kind: "asset", id: name }, ["a"]), refused("denied"));
    await assert.rejects(state.list(asking, { scope: { kind: "asset", id: name } }), refused("denied"));
  }
  await assets.get(asking, { asset: "customers", watermarks: ["mark"] });
  const own: ChannelStateOp = { op: "set", scope: { kind: "run" }, key: "a", value: 1 };
  for (const op of [set("customers"), emit("customers", 1), advance("customers", "a"), set("secrets")]) {
    await assert.rejects(state.transact(asking, { key: "k", ops: [own, op] }), (error) => {
      return (
        isAppError(error, "denied") && /^Add it to the task: writes: \[(customers|secrets)\]\.$/.test(error.hint ?? "")
      );
    });
  }
  assert.deepEqual(await state.get(asking, { kind: "run" }, ["a"]), []);
});

test("what does not fit the asset is refused, by both ways in", async () => {
  const { state, start } = await open();
  const asking = await start();
  for (const ops of [[emit("orders", "text")], [advance(uri, 7)], [set("orders"), emit(uri, "text")]])
    await assert.rejects(state.transact(asking, { key: "k", ops }), refused("invalid_input"));
  assert.deepEqual(await state.get(asking, { kind: "asset", id: "orders" }, ["rows"]), []);
});

test("an asset that nothing declares any more is not found by those that begin, though their manifest has it", async () => {
  const { assets, state, start, definitions } = await open();
  const before = await start();
  await state.transact(before, { key: "a", ops: [set("orders")] });
  await definitions.apply([{ ...manifest, definitions: { unit: { ...task, reads: [], writes: [] } }, assets: {} }]);
  // It began when the asset was there: its values are its own to write, and events are told no more.
  await assert.rejects(state.transact(before, { key: "b", ops: [emit("orders", 1)] }), refused("not_found"));
  const next = await start();
  await assert.rejects(state.get(next, { kind: "asset", id: "orders" }, ["rows"]), refused("not_found"));
  await assert.rejects(state.transact(next, { key: "a", ops: [set(uri)] }), refused("not_found"));
  await assert.rejects(assets.events(next, { asset: "orders" }), refused("not_found"));
});
