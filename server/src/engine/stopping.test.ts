// Faults to catch: a node that stops while its store is away waits for ever for bodies whose ends cannot be written, or for the
// farewell to be answered; one whose farewell was answered at once leaves a timer that keeps its process alive.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@holdfast/protocol";
import { defaults, type RunningNode } from "../main.ts";
import { NodeWorld } from "./endless.fixture.ts";

const farewellMs = 15_000;

/** A stop without grace, and whether it is over. */
function stopping(node: RunningNode): { isOver: boolean } {
  const stop = { isOver: false };
  void node.stop({ graceMs: 0 }).then(() => {
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
