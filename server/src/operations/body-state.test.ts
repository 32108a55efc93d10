// Faults to catch: a write of an activation that has lost its run; a write that is repeated after a crash; state of another run or task that
// a message reaches; values in what is said of a refusal.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asStateRecord, type ChannelStateOp, channelMethods, isAppError } from "@holdfast/protocol";
import type { NewRun, RunRow } from "../core/index.ts";
import { systemRandom } from "../random.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { type Asking, BodyAssets } from "./body-assets.ts";
import { BodyState } from "./body-state.ts";
import { Definitions } from "./definitions.ts";
import { taskSpec } from "./manifest.fixture.ts";
import { StateObjects } from "./state-objects.ts";

const own = { kind: "run" } as const;
const ofTask = { kind: "task" } as const;

async function open() {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  const join = (id: string) =>
    store.joinMember({ id, kind: "node", name: id, namespace: "n", serves: null, leaseMs: 60_000 });
  await join("node");
  const start = async (id: string, definition: string): Promise<RunRow> => {
    const run: NewRun = {
      ...{ id, rootId: id, parentId: null, namespace: "n", kind: "task", definition, workflow: null },
      ...{ manifestHash: "h", name: definition, item: null, itemIndex: null, key: null, depth: 0, blockedBy: 0 },
      ...{ queue: "default", priority: 0, rule: "all_success", limits: [], input: {} },
      ...{ startAfter: null, expiresAfterMs: null },
    };
    const [result] = await store.enqueueRuns({ rows: [{ run, key: null, request: null, claimFor: "node" }] });
    assert.ok(result?.outcome === "created");
    return result.run;
  };
  const assets = new BodyAssets({ store, clock, definitions: new Definitions({ store, namespace: "n" }) });
  return {
    store,
    join,
    start,
    state: new BodyState({
      store,
      objects: new StateObjects({ store, clock, random: systemRandom, options: undefined }),
      clock,
      assets,
    }),
  };
}

function held(run: RunRow): Asking {
  const retry = { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 };
  const task = { ...taskSpec, executor: "python", source: { module: "unit.py", export: "main" } } as const;
  return { held: { run, retry, ranMs: 0, revoked: new AbortController().signal, isToldToEnd: false }, task };
}

test("an activation whose run is another's writes nothing, and its successor's values stand", async () => {
  const { store, join, start, state } = await open();
  const lost = held(await start("1ngej3ekqqrdnmay8b0a", "load"));
  const set = (value: string): ChannelStateOp[] => [
    { op: "set", scope: own, key: "a", value },
    { op: "set", scope: ofTask, key: "a", value },
    { op: "increment", scope: ofTask, key: "n", by: 1 },
  ];
  await state.transact(lost, { key: "first", ops: set("before") });
  await join("other");
  const released = { to: "ready", outcome: "released", error: null, delayMs: 0 } as const;
  await store.finishActivations({
    rows: [{ runId: lost.held.run.id, epoch: lost.held.run.epoch, ranMs: 0, next: released }],
  });
  const claimed = await store.claimRuns({ memberId: "other", namespace: "n", queues: null, limitRows: 1 });
  const [next] = claimed;
  assert.ok(next !== undefined && next.epoch > lost.held.run.epoch);
  await state.transact(held(next), { key: "second", ops: set("after") });
  for (const key of ["first", "second", "third"]) {
    const refused = state.transact(lost, { key, ops: set("from the grave") });
    await assert.rejects(refused, (error) => isAppError(error, "stale_epoch"));
  }
  const seen = [...(await state.get(held(next), own, ["a"])), ...(await state.get(held(next), ofTask, ["a", "n"]))];
  assert.deepEqual(
    seen.map(({ value, writer }) => [value, writer?.epoch]),
    [
      ["after", next.epoch],
      ["after", next.epoch],
      [2, next.epoch],
    ],
  );
});

test("a write that is said again is answered by its record, and of other kinds of records it is refused", async () => {
  const { store, start, state } = await open();
  const run = await start("1ngej3ekqqrdnmay8b0a", "load");
  const ops: ChannelStateOp[] = [{ op: "append", scope: own, key: "l", value: "x" }];
  const first = await state.transact(held(run), { key: "k", ops, value: 7 });
  assert.ok(first.recorded && asStateRecord(first.value)?.value === 7);
  assert.deepEqual(await state.transact(held(run), { key: "k", ops, value: 7 }), { ...first, recorded: false });
  assert.deepEqual((await state.get(held(run), own, ["l"]))[0]?.value, ["x"]);
  await store.commitSteps({
    rows: [{ runId: run.id, epoch: run.epoch, generation: run.generation, key: "step", value: 1 }],
  });
  await assert.rejects(state.transact(held(run), { key: "step", ops }), (error) => isAppError(error, "key_conflict"));
});

test("a body reaches the state of its own run and task, and there is no way to name another", async () => {
  const { start, state } = await open();
  const one = held(await start("1ngej3ekqqrdnmay8b0a", "load"));
  const other = held(await start("1ngej3ekqqrdnmay8b0b", "report"));
  const op = (scope: typeof own | typeof ofTask) => ({ op: "set", scope, key: "a", value: "hunter2" }) as const;
  await state.transact(one, { key: "k", ops: [op(own), op(ofTask)] });
  for (const scope of [own, ofTask]) {
    assert.deepEqual(await state.get(other, scope, ["a"]), []);
    assert.deepEqual((await state.list(other, { scope })).values, []);
    await state.transact(other, { key: `clear ${scope.kind}`, ops: [{ op: "clear", scope }] });
    assert.equal((await state.get(one, scope, ["a"])).length, 1);
  }
  const { id } = one.held.run;
  for (const scope of [
    { kind: "run", id },
    { kind: "task", id: "load" },
    { kind: "watermark", id: "orders" },
    { kind: "run", generation: 2 },
  ]) {
    assert.equal(channelMethods["state.get"].params.safeParse({ scope, keys: ["a"] }).success, false);
    assert.equal(channelMethods["state.list"].params.safeParse({ scope }).success, false);
    const transact = { key: "k", ops: [{ op: "clear", scope }] };
    assert.equal(channelMethods["state.transact"].params.safeParse(transact).success, false);
  }
});
