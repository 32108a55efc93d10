// Faults to catch: a node that stops while its store is away waits for ever for bodies whose ends cannot be written, or for the
// farewell to be answered, or lets bodies that are frozen have their grace; one that does not say what it waits for; one whose farewell was answered at once leaves a timer that keeps its process alive.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@holdfast/protocol";
import { defaults, type RunningNode, type StopOptions } from "../main.ts";
import { waitingFor } from "../store/contract/jobs.fixture.ts";
import { World } from "../store/contract/world.contract.ts";
import { FakeServices } from "../testing/fake-services.ts";
import { NodeWorld } from "./endless.fixture.ts";

const farewellMs = 15_000;

/** A stop, by default without grace: whether it is over, and what it has waited for. */
function stopping(node: RunningNode, graceMs = 0): { isOver: boolean; readonly told: string[] } {
  const stop = { isOver: false, told: [] as string[] };
  const tell: StopOptions["tell"] = ({ of, names, forMs }) => stop.told.push(`${of} ${names} ${forMs}`);
  void node.stop({ graceMs, tell }).then(() => {
    stop.isOver = true;
  });
  return stop;
}

test("a node whose bodies' ends cannot be written, since the store is away, stops when its farewell is over", async () => {
  let isAway = false;
  const world = await NodeWorld.open((memory) => ({
    finishActivations: async (args) => {
      if (isAway) throw new AppError("store_unavailable", "away");
      return memory.finishActivations(args);
    },
  }));
  const { clock, placement } = world;
  const node = await world.startNode();
  const runId = await world.startRun("load");
  await clock.advanceMs(defaults.pollMs);
  isAway = true;
  const stop = stopping(node);
  await clock.advanceMs(farewellMs - 1);
  assert.deepEqual([placement.started, stop.isOver], [[runId], false]);
  await clock.advanceMs(1_000);
  assert.equal(stop.isOver, true);
  assert.equal((await world.services.runs.row(runId)).status, "ready", "leaving gives it back");
});

test("a farewell that is not answered is waited for no longer than it may take", async () => {
  const world = await NodeWorld.open(() => ({ leaveMember: () => new Promise(() => {}) }));
  const stop = stopping(await world.startNode());
  await world.clock.advanceMs(farewellMs - 1);
  assert.equal(stop.isOver, false);
  await world.clock.advanceMs(1_000);
  assert.equal(stop.isOver, true);
});

test("a node that has stopped leaves nothing behind that waits", async () => {
  const world = await NodeWorld.open();
  const node = await world.startNode();
  await world.clock.advanceMs(defaults.pollMs);
  const stop = stopping(node);
  await world.clock.advanceMs(0);
  assert.deepEqual([stop.isOver, world.clock.nextInMs], [true, undefined]);
});

test("what is frozen has no grace, and a store that is silent is not waited for until its calls have failed", async () => {
  let isAway = false;
  const silence = <T>(answer: () => Promise<T>) => (isAway ? new Promise<T>(() => {}) : answer());
  const world = await NodeWorld.open((memory) => ({
    renewMember: (args) => silence(() => memory.renewMember(args)),
    finishActivations: (args) => silence(() => memory.finishActivations(args)),
    leaveMember: (args) => silence(() => memory.leaveMember(args)),
  }));
  const { clock, placement } = world;
  const node = await world.startNode();
  await world.startRun("load");
  await clock.advanceMs(defaults.pollMs);
  isAway = true;
  await clock.advanceMs(5_000);
  const stop = stopping(node, 30_000);
  await clock.advanceMs(0);
  assert.deepEqual([stop.told, placement.isFrozen], [["bodies load 30000"], false]);
  // At three quarters of the lease it is at risk; then five seconds for the store, two for the killed, one for the farewell.
  await clock.advanceMs(20_000);
  assert.deepEqual(stop.told, ["bodies load 30000", "store load 5000", "store  1000"]);
  assert.equal(stop.isOver, true);
});

test("a stop says what it has told to end, and how long it waits for the store", async () => {
  const world = await NodeWorld.open();
  const node = await world.startNode();
  await world.startRun("load");
  await world.clock.advanceMs(defaults.pollMs);
  const stop = stopping(node, 4_000);
  await world.clock.advanceMs(5_000);
  assert.deepEqual(stop.told, ["bodies load 4000", "ends load 15000", "store  15000"]);
  assert.equal(stop.isOver, true);
});

// The fault: the store is blamed for a service that does not answer.
test("a stop says which service it waits for, and then that it waits for the store", async () => {
  const world = await NodeWorld.open();
  const fakes = new FakeServices();
  const { submit } = fakes;
  const gate = Promise.withResolvers<void>();
  fakes.submit = async (asked) => {
    await gate.promise;
    return submit(asked);
  };
  const node = await world.startNode({ tracking: fakes });
  await waitingFor(new World({ store: world.memory, close: async () => {} }), ["scan"]);
  await world.clock.advanceMs(defaults.pollMs);
  const stop = stopping(node);
  await world.clock.advanceMs(1_000);
  assert.deepEqual([stop.told, stop.isOver], [["jobs warehouse 15000"], false]);
  gate.resolve();
  await world.clock.advanceMs(0);
  assert.deepEqual([stop.told[1], stop.isOver], ["store  14000", true]);
});
