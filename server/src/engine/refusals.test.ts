// Faults to catch: one look, or one listing, that is refused ends a job that runs; one that is given up runs on beside its retry though its
// service would have ended it; a refused call makes forget what an earlier one may have started, so that the job is `failed` and nobody
// ends it, or is replaced by a second one; a cancel that is refused is not tried any more (P5, P6).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobRow } from "../core/index.ts";
import { TrackingWorld } from "./tracking/world.fixture.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const denied = { fault: "permanent", code: "http_403", message: "Forbidden." } as const;

/** A world with one node and a job that runs. */
async function running(service = "token"): Promise<{ world: TrackingWorld; id: string }> {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await world.openJob({ service });
  await world.until(async () => (await world.job(id)).status === "running");
  return { world, id };
}

function phases(world: TrackingWorld): string[] {
  return [...world.outside.jobs.values()].map(({ observation }) => observation.phase);
}

test("looks that are refused for some minutes end no job, and say so", async () => {
  const { world, id } = await running();
  world.outside.always("poll", "token", denied);
  await world.pass(9 * minuteMs);
  const { status, error } = await world.job(id);
  assert.deepEqual([status, error?.code, world.outside.countOf("cancel")], ["running", "http_403", 0]);
  world.outside.always("poll", "token", "ok");
  await world.pass(2 * minuteMs);
  world.outside.always("poll", "token", denied);
  await world.pass(9 * minuteMs);
  assert.equal((await world.job(id)).status, "running", "the while begins anew");
  world.outside.always("poll", "token", "ok");
  world.outside.turn({ phase: "succeeded", result: 1 });
  assert.equal((await world.untilEnded(id, 3 * minuteMs)).status, "succeeded");
  world.close();
});

test("a job that nobody can look at any more is ended at its service before it has failed", async () => {
  const { world, id } = await running();
  world.outside.always("poll", "token", denied);
  world.outside.will("cancel", "token", {}, {});
  const { status, error } = await world.untilEnded(id);
  assert.deepEqual([status, error?.code, phases(world)], ["failed", "http_403", ["cancelled"]]);
  assert.match(error?.message ?? "", /It was told to end/);
  world.close();
});

test("one that cannot be ended either is lost, which says that it may go on", async () => {
  for (const fate of ["unsupported", "not_found", denied] as const) {
    const { world, id } = await running();
    world.outside.always("poll", "token", denied);
    world.outside.always("cancel", "token", fate);
    const { status, error } = await world.untilEnded(id);
    assert.deepEqual([status, error?.code, await world.runStatus(id)], ["lost", "http_403", "ready"]);
    assert.match(error?.message ?? "", /it may go on/);
    world.close();
  }
});

test("a cancel that is refused, of a job that nobody can look at, is tried until it is taken", async () => {
  const { world, id } = await running();
  world.outside.always("poll", "token", denied);
  world.outside.always("cancel", "token", denied);
  await world.cancel(id);
  await world.pass(3 * hourMs);
  assert.equal((await world.job(id)).status, "cancelling");
  world.outside.always("cancel", "token", "ok");
  const { error } = await world.untilEnded(id);
  assert.deepEqual([error?.code, phases(world)], ["http_403", ["cancelled"]]);
  world.close();
});

for (const service of ["token", "named"] as const) {
  test(`what a lost call may have started is found though the next one is refused (${service})`, async () => {
    const world = await TrackingWorld.open();
    world.outside.will("submit", service, "lost", denied, { code: "500" }, denied);
    await world.startNode();
    const id = await world.openJob({ service });
    await world.until(async () => (await world.job(id)).status === "running", 5 * minuteMs);
    assert.equal(world.outside.made, 1);
    world.close();
  });

  test(`what may run behind a refusal that lasts is unknown, and neither failed nor submitted anew (${service})`, async () => {
    const world = await TrackingWorld.open();
    world.outside.will("submit", service, "lost");
    world.outside.always("submit", service, denied);
    await world.startNode();
    const id = await world.openJob({ service, onUnknown: "resubmit" });
    await world.until(async () => (await world.job(id)).status === "unknown", hourMs);
    assert.equal(world.outside.made, 1);
    await world.cancel(id);
    const job: JobRow = await world.untilEnded(id, 2 * hourMs);
    const ended = service === "named" ? ["cancelled", "cancelled"] : ["lost", "running"];
    assert.deepEqual([job.status, ...phases(world)], ended);
    world.close();
  });
}

test("a refusal of the first call is a failure at once, and nothing is outside", async () => {
  for (const service of ["token", "named", "listed", "blind"]) {
    const world = await TrackingWorld.open();
    world.outside.will("submit", service, denied);
    await world.startNode();
    const id = await world.openJob({ service });
    const { status, error } = await world.untilEnded(id, minuteMs);
    assert.deepEqual([status, error?.code, world.outside.made], ["failed", "http_403", 0]);
    world.close();
  }
});

test("an answer that makes no sense for good leaves a blind service's job unknown, whoever has answered it", async () => {
  const world = await TrackingWorld.open();
  world.outside.will("submit", "blind", { ...denied, undecided: true });
  await world.startNode();
  const id = await world.openJob({ service: "blind" });
  await world.until(async () => (await world.job(id)).status === "unknown", minuteMs);
  assert.equal(world.outside.countOf("submit"), 1);
  world.close();
});

test("listings that are refused are asked for again, and leave the job unknown only when that lasts", async () => {
  const world = await TrackingWorld.open();
  world.outside.will("submit", "listed", "lost");
  world.outside.will("find", "listed", denied, denied);
  await world.startNode();
  const id = await world.openJob({ service: "listed" });
  await world.until(async () => (await world.job(id)).status === "running", 5 * minuteMs);
  world.outside.will("submit", "listed", "lost");
  world.outside.always("find", "listed", denied);
  const other = await world.openJob({ service: "listed", onUnknown: "resubmit" });
  await world.pass(9 * minuteMs);
  assert.equal((await world.job(other)).status, "submitting");
  await world.until(async () => (await world.job(other)).status === "unknown", hourMs);
  assert.equal(world.outside.made, 2);
  world.close();
});

test("a job that its service makes long after the call was given up is cancelled all the same", async () => {
  const world = await TrackingWorld.open();
  world.outside.will("submit", "named", "unsent");
  await world.startNode();
  const id = await world.openJob({ service: "named" });
  await world.until(() => world.outside.countOf("submit") === 1);
  await world.cancel(id);
  await world.pass(5 * minuteMs);
  assert.deepEqual([(await world.job(id)).status, world.outside.made], ["cancelling", 0]);
  const { spec, token } = await world.job(id);
  await world.outside.submit({ service: "named", connection: null, spec, token });
  const { status } = await world.untilEnded(id, 2 * minuteMs);
  assert.deepEqual([status, phases(world), world.outside.countOf("submit")], ["cancelled", ["cancelled"], 2]);
  world.close();
});

test("one that never comes is lost after a while, and its run is cancelled", async () => {
  const world = await TrackingWorld.open();
  world.outside.will("submit", "named", "unsent");
  await world.startNode();
  const id = await world.openJob({ service: "named" });
  await world.until(() => world.outside.countOf("submit") === 1);
  await world.cancel(id);
  const { status, error } = await world.untilEnded(id, 15 * minuteMs);
  assert.deepEqual([status, error?.code, await world.runStatus(id)], ["lost", "submission_unknown", "cancelled"]);
  assert.ok(world.outside.countOf("cancel") > 10, "it is looked for often");
  world.close();
});
