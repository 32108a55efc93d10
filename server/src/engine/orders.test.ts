// Faults to catch: an order that comes while its job is asked for is forgotten; an order that was taken, or refused since the job seemed to have
// ended, is never told again though the job runs on; a job that its service removed when it was told to is `lost`; what is to end is
// submitted once more (P5, P6).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Life, TrackingWorld } from "./tracking/world.fixture.ts";

const minuteMs = 60_000;

async function running(): Promise<{ world: TrackingWorld; id: string }> {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await world.openJob();
  await world.until(async () => (await world.job(id)).status === "running");
  return { world, id };
}

test("an order that comes while its job is asked for is carried out when the answer is there", async () => {
  const { world, id } = await running();
  const { poll } = world.outside;
  const gate = Promise.withResolvers<void>();
  world.outside.poll = async (asked) => {
    const answer = await poll(asked);
    await gate.promise;
    return answer;
  };
  const looks = world.outside.countOf("poll");
  await world.until(() => world.outside.countOf("poll") > looks);
  await world.cancel(id);
  await world.pass(1_000);
  gate.resolve();
  await world.pass(0);
  assert.equal(world.outside.countOf("cancel"), 1);
  await world.untilEnded(id, minuteMs);
  world.close();
});

for (const [answer, withinMs] of [
  ["accepted", 6 * minuteMs],
  ["already_ended", minuteMs],
  ["not_found", minuteMs],
] as const) {
  test(`a job that runs on though its service answered "${answer}" is told to end again`, async () => {
    const { world, id } = await running();
    world.outside.always("cancel", "token", answer);
    await world.cancel(id);
    await world.pass(withinMs);
    assert.ok(world.outside.countOf("cancel") > 1, `${world.outside.countOf("cancel")} orders`);
    world.outside.always("cancel", "token", "ok");
    assert.equal((await world.untilEnded(id, 6 * minuteMs)).status, "cancelled");
    world.close();
  });
}

test("a job that its service removes when it is told to end is cancelled, and not lost", async () => {
  const { world, id } = await running();
  world.outside.always("cancel", "token", "accepted");
  await world.cancel(id);
  await world.until(() => world.outside.countOf("cancel") === 1);
  world.outside.turn({ phase: "gone", rawStatus: "404" });
  const { status } = await world.untilEnded(id, minuteMs);
  assert.deepEqual([status, await world.runStatus(id)], ["cancelled", "cancelled"]);
  world.close();
});

test("what is to end is not submitted again, though nobody knows whether it began and that was decided beforehand", async () => {
  const world = await TrackingWorld.open();
  const life = new Life(2);
  const node = await world.startNode(life);
  const id = await world.openJob({ service: "blind", onUnknown: "resubmit" });
  await world.until(() => life.isOver);
  await world.cancel(id);
  await node.takeAway();
  await world.startNode();
  const { status, error } = await world.untilEnded(id, minuteMs);
  assert.deepEqual([status, error?.code, world.outside.countOf("submit")], ["lost", "submission_unknown", 0]);
  assert.equal(await world.runStatus(id), "cancelled");
  world.close();
});
