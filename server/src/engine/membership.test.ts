// Faults to catch: a node whose member is gone, on a store where leases are not timed, claims nothing any more and lets what it
// ran go on beside those who have taken it over; bodies of a member that was judged gone are left running; a node claims while
// its lease may run out; P9: a lease is measured from the moment at which its renewal was answered, so that bodies run on for
// as long as the answer took, when others may have them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@holdfast/protocol";
import { defaults } from "../main.ts";
import { NodeWorld } from "./endless.fixture.ts";

test("a node that was judged gone where leases are not timed ends what it runs, joins anew and goes on", async () => {
  const world = await NodeWorld.open((memory) => ({
    describe: async () => ({ ...(await memory.describe()), timedLeases: false }),
  }));
  const { clock, placement, memory } = world;
  const node = await world.startNode();
  const first = node.memberId ?? "";
  const runId = await world.startRun("load");
  await clock.advanceMs(1_000);
  assert.deepEqual(placement.started, [runId]);
  await memory.leaveMember({ id: first });
  await clock.advanceMs(20_000);
  assert.deepEqual(placement.killed, [runId]);
  assert.notEqual(node.memberId, first);
  assert.deepEqual(placement.started, [runId, runId]);
  assert.equal((await world.services.runs.row(runId)).claimedBy, node.memberId);
  await world.stop(node);
});

test("a node hears from its claims, too, that its member is gone", async () => {
  const world = await NodeWorld.open((memory) => ({
    describe: async () => ({ ...(await memory.describe()), timedLeases: false }),
    // Nobody asks in its name but who claims.
    judgeMembers: async () => ({ judged: [], taken: 0, more: false }),
  }));
  const { clock, placement, memory } = world;
  const node = await world.startNode();
  const first = node.memberId ?? "";
  const runId = await world.startRun("load");
  await clock.advanceMs(defaults.pollMs);
  await memory.leaveMember({ id: first });
  await clock.advanceMs(2 * defaults.pollMs);
  assert.notEqual(node.memberId, first);
  assert.deepEqual([placement.killed, placement.started], [[runId], [runId, runId]]);
  await world.stop(node);
});

test("what a member ran is killed once it hears that it is gone, though others hold it all", async () => {
  const world = await NodeWorld.open();
  const { clock, placement } = world;
  const node = await world.startNode();
  const first = node.memberId ?? "";
  const runId = await world.startRun("load");
  await clock.advanceMs(defaults.pollMs);
  await world.takeAway(first);
  while (node.memberId === first) await clock.advanceMs(100);
  assert.deepEqual([placement.started, placement.killed], [[runId], [runId]]);
  await world.stop(node);
});

test("what runs is frozen before its lease is over, however late the last renewal was answered", async () => {
  let renewedAtMs: number | undefined;
  const world = await NodeWorld.open((memory, clock) => ({
    renewMember: async (args) => {
      if (renewedAtMs !== undefined) throw new AppError("store_unavailable", "away");
      renewedAtMs = clock.monotonicMs();
      const renewed = await memory.renewMember(args);
      // Almost as long as a renewal is waited for.
      await clock.sleep(defaults.leaseMs / 3 - 1);
      return renewed;
    },
  }));
  const { clock, placement } = world;
  const node = await world.startNode();
  await world.startRun("load");
  while (renewedAtMs === undefined) await clock.advanceMs(100);
  await clock.advanceMs(renewedAtMs + defaults.leaseMs - 1 - clock.monotonicMs());
  assert.equal(node.memberId !== undefined && placement.isFrozen, true);
  await world.stop(node);
});

test("nothing is claimed while the lease is at risk, and again once it is safe", async () => {
  let isAway = false;
  const world = await NodeWorld.open((memory) => ({
    renewMember: async (args) => {
      if (isAway) throw new AppError("store_unavailable", "away");
      return memory.renewMember(args);
    },
  }));
  const { clock, placement } = world;
  const node = await world.startNode();
  isAway = true;
  while (!placement.isFrozen) await clock.advanceMs(100);
  const runId = await world.startRun("load");
  await clock.advanceMs(2 * defaults.pollMs);
  assert.equal((await world.services.runs.row(runId)).claimedBy, null);
  assert.deepEqual(placement.started, []);
  isAway = false;
  await clock.advanceMs(defaults.leaseMs);
  assert.equal(placement.isFrozen, false);
  assert.deepEqual(placement.started, [runId]);
  await world.stop(node);
});

test("what runs is frozen before its first lease is over, however late the member's joining was answered", async () => {
  let joinedAtMs: number | undefined;
  const world = await NodeWorld.open((memory, clock) => ({
    joinMember: async (args) => {
      joinedAtMs = clock.monotonicMs();
      const member = await memory.joinMember(args);
      await clock.sleep(defaults.leaseMs / 2);
      return member;
    },
    renewMember: async () => {
      throw new AppError("store_unavailable", "away");
    },
  }));
  const { clock, placement } = world;
  const started = world.startNode();
  while (joinedAtMs === undefined) await clock.advanceMs(1);
  await clock.advanceMs(defaults.leaseMs / 2);
  const node = await started;
  await clock.advanceMs(joinedAtMs + defaults.leaseMs - 1 - clock.monotonicMs());
  assert.equal(placement.isFrozen, true);
  await world.stop(node);
});

test("a node does not have others judged while its own lease may run out", async () => {
  const judgedAtRisk: boolean[] = [];
  const world = await NodeWorld.open((memory) => ({
    renewMember: async () => {
      throw new AppError("store_unavailable", "away");
    },
    judgeMembers: async (args) => {
      judgedAtRisk.push(world.placement.isFrozen);
      return memory.judgeMembers(args);
    },
  }));
  const { clock, placement } = world;
  const node = await world.startNode();
  while (!placement.isFrozen) await clock.advanceMs(100);
  await clock.advanceMs(defaults.leaseMs);
  assert.ok(judgedAtRisk.length > 0);
  assert.equal(judgedAtRisk.includes(true), false);
  await world.stop(node);
});

test("a node hears from a refused judgement, too, that its member is gone", async () => {
  const world = await NodeWorld.open((memory) => ({
    describe: async () => ({ ...(await memory.describe()), timedLeases: false }),
    // Nobody asks in its name but who judges.
    claimRuns: async () => [],
    claimJobs: async () => [],
  }));
  const { clock, memory } = world;
  const node = await world.startNode();
  const first = node.memberId ?? "";
  await memory.leaveMember({ id: first });
  await clock.advanceMs(2 * defaults.leaseMs);
  assert.notEqual(node.memberId ?? first, first);
  await world.stop(node);
});
