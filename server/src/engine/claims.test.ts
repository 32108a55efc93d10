// Faults to catch: a store that is away for a moment fails a run whose arguments it was asked for; a run that is being
// enqueued for a free slot is given back as unknown; a claim whose answer was lost holds its runs until somebody happens to
// look, and so does the enqueueing of a run that was claimed with it; a body is ended because its end was just being written when
// the node looked; runs claimed under a membership that has ended run beside those who have taken them over; an attempt that was given
// back has its whole time again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@holdfast/protocol";
import { defaults } from "../main.ts";
import { endlessRanMs, NodeWorld } from "./endless.fixture.ts";

const away = () => new AppError("store_unavailable", "away");

test("a store that is away when a run's arguments are looked up is waited for", async () => {
  let asked = 0;
  const world = await NodeWorld.open((memory) => ({
    findScopes: async (args) => {
      asked += 1;
      if (asked <= 3) throw away();
      return memory.findScopes(args);
    },
  }));
  const node = await world.startNode();
  const rootId = await world.startRun("flow");
  await world.clock.advanceMs(10 * defaults.pollMs);
  assert.equal(asked, 4);
  const [root, child] = await world.memory.listTree({ rootId, limitRows: 2 });
  assert.deepEqual([root?.status, child?.status], ["waiting", "running"]);
  assert.deepEqual(world.placement.started, [child?.id]);
  await world.stop(node);
});

test("a run whose enqueueing for a free slot has not been answered yet is not given back", async () => {
  const answer = Promise.withResolvers<void>();
  const world = await NodeWorld.open((memory) => ({
    enqueueRuns: async (args) => {
      const results = await memory.enqueueRuns(args);
      await answer.promise;
      return results;
    },
  }));
  const { clock, placement } = world;
  const node = await world.startNode();
  const starting = world.startRun("load");
  // Longer than a node trusts what it knows of its claims.
  await clock.advanceMs(30 * defaults.pollMs);
  answer.resolve();
  const runId = await starting;
  await clock.advanceMs(defaults.pollMs);
  assert.deepEqual(
    placement.jobs.map(({ start }) => [start.run.id, start.epoch]),
    [[runId, 1]],
  );
  assert.deepEqual(placement.killed, []);
  await world.stop(node);
});

test("what a claim took whose answer was lost is given back at the next look and runs", async () => {
  let lost = 0;
  const world = await NodeWorld.open((memory) => ({
    claimRuns: async (args) => {
      const runs = await memory.claimRuns(args);
      if (lost > 0 || runs.length === 0) return runs;
      lost = runs.length;
      throw away();
    },
  }));
  const runId = await world.startRun("load");
  const node = await world.startNode();
  await world.clock.advanceMs(3 * defaults.pollMs);
  assert.equal(lost, 1);
  assert.deepEqual(world.placement.started, [runId]);
  await world.stop(node);
});

test("a run that was enqueued and claimed in a call whose answer was lost runs at the next look", async () => {
  let isLost = false;
  const world = await NodeWorld.open((memory) => ({
    enqueueRuns: async (args) => {
      const results = await memory.enqueueRuns(args);
      isLost = results.some((result) => result.outcome === "created" && result.run.claimedBy !== null);
      throw away();
    },
  }));
  const node = await world.startNode();
  await assert.rejects(world.startRun("load"), { code: "store_unavailable" });
  // Twice: it is given back, and then claimed.
  await world.clock.advanceMs(2 * defaults.pollMs);
  assert.deepEqual([isLost, world.placement.started.length], [true, 1]);
  await world.stop(node);
});

test("a body that the store does not name as this node's is ended at the second look, and not at the first", async () => {
  for (const [unnamed, isEnded] of [
    [1, false],
    [2, true],
  ] as const) {
    let looks = 0;
    const world = await NodeWorld.open((memory) => ({
      listClaimed: async (args) => {
        looks += 1;
        return looks <= unnamed ? [] : memory.listClaimed(args);
      },
    }));
    const node = await world.startNode();
    const runId = await world.startRun("load");
    while (looks < 4) await world.clock.advanceMs(defaults.pollMs);
    assert.equal(world.placement.killed.includes(runId), isEnded);
    await world.stop(node);
  }
});

test("what was claimed under a membership that ended before the answer came is left to others", async () => {
  const answer = Promise.withResolvers<void>();
  let claims = 0;
  const world = await NodeWorld.open((memory) => ({
    claimRuns: async (args) => {
      const runs = await memory.claimRuns(args);
      if (runs.length > 0 && claims++ === 0) await answer.promise;
      return runs;
    },
  }));
  const { clock, placement, memory } = world;
  const runId = await world.startRun("load");
  const node = await world.startNode();
  const first = node.memberId ?? "";
  await clock.advanceMs(0);
  assert.equal((await memory.findRun({ id: runId }))?.claimedBy, first);
  await world.takeAway(first);
  while (node.memberId === first) await clock.advanceMs(100);
  answer.resolve();
  await clock.advanceMs(10 * defaults.pollMs);
  assert.deepEqual(placement.started, []);
  await world.stop(node);
});

test("an attempt's time is what its earlier activations have left of it", async () => {
  const world = await NodeWorld.open();
  const runId = await world.startRun("timed");
  for (let starts = 1; starts <= 2; starts++) {
    const node = await world.startNode();
    await world.clock.advanceMs(defaults.pollMs);
    assert.equal(world.placement.started.length, starts);
    await world.stop(node);
  }
  assert.deepEqual(
    world.placement.jobs.map(({ start, remainingMs }) => [start.run.id, start.attempt, remainingMs]),
    [
      [runId, 1, 10_000],
      [runId, 1, 10_000 - endlessRanMs],
    ],
  );
});
