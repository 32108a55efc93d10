// Faults to catch: a job that is looked at too seldom, or too often; an end that wakes nobody; a passing fault that ends a job, or a lasting one
// that does not; a job that is lost because one copy of its service did not know it; a cancel that is given up while its service is away,
// or that a stopping node gives; orders and new jobs that are heard only at the next poll; jobs that nobody tracks after a node has gone
// or a claim's answer was lost; a push that is not believed, or that keeps the polls from seeing what it missed (P5, P6, P7).
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@holdfast/protocol";
import type { JobRow } from "../core/index.ts";
import { replaced } from "./endless.fixture.ts";
import { TrackingWorld } from "./tracking/world.fixture.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

async function running(world: TrackingWorld, service = "token"): Promise<string> {
  const id = await world.openJob({ service });
  await world.until(async () => (await world.job(id)).status === "running");
  return id;
}

test("a job is submitted, looked at, and its end wakes the run with its result", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await world.openJob();
  await world.pass(5_000);
  assert.deepEqual([world.outside.made, (await world.job(id)).rawStatus], [1, "running"]);
  world.outside.turn({ phase: "running", rawStatus: "SHUFFLING", progress: { done: 3, total: 4 }, startedAt: 17 });
  await world.pass(30_000);
  const job = await world.job(id);
  assert.deepEqual([job.rawStatus, job.progress, job.startedAt], ["SHUFFLING", { done: 3, total: 4 }, 17]);
  world.outside.turn({ phase: "succeeded", rawStatus: "DONE", result: { table: "t" } });
  const { status, result, memberId } = await world.untilEnded(id, 10_000);
  assert.deepEqual([status, result, memberId, await world.runStatus(id)], ["succeeded", { table: "t" }, null, "ready"]);
  const looks = world.outside.countOf("poll");
  await world.pass(hourMs);
  assert.equal(world.outside.countOf("poll"), looks, "nobody looks at what has ended");
  world.close();
});

test("an end is seen before the job has taken a tenth longer, and an hour costs about a hundred looks", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await running(world);
  await world.pass(hourMs);
  const looks = world.outside.countOf("poll");
  assert.ok(looks > 60 && looks < 120, `${looks} looks`);
  world.outside.turn({ phase: "succeeded" });
  await world.untilEnded(id, 64_000);
  world.close();
});

test("a job that its service says has failed or was cancelled there ends so, with why", async () => {
  for (const phase of ["failed", "cancelled"] as const) {
    const world = await TrackingWorld.open();
    await world.startNode();
    const id = await running(world);
    world.outside.turn({ phase, rawStatus: "DONE", code: "invalidQuery", message: "No such table." });
    const { status, error } = await world.untilEnded(id);
    assert.deepEqual([status, error], [phase, { code: "invalidQuery", message: "No such table." }]);
    world.close();
  }
});

test("no fault that passes ends a job, however long it lasts, and what lasts for good does", async () => {
  for (const fate of [
    { fault: "transient" },
    { fault: "auth", code: "401" },
    { code: "429", retryAfterMs: 5_000 },
  ] as const) {
    const world = await TrackingWorld.open();
    await world.startNode();
    const id = await running(world);
    world.outside.always("poll", "token", fate);
    await world.pass(6 * hourMs);
    const { status, tries, error } = await world.job(id);
    assert.deepEqual([status, error?.code], ["running", "code" in fate ? fate.code : "network"]);
    assert.ok(tries > 0);
    world.outside.always("poll", "token", "ok");
    world.outside.turn({ phase: "succeeded" });
    await world.untilEnded(id, 2 * minuteMs);
    world.close();
  }
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await running(world);
  world.outside.always("poll", "token", { fault: "permanent", code: "accessDenied" });
  const { status, error } = await world.untilEnded(id);
  assert.deepEqual([status, error?.code], ["failed", "accessDenied"]);
  world.close();
});

test("a service that answers 429 is left alone for as long as it asks", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  for (let n = 0; n < 50; n++) await running(world, "token-lone");
  world.outside.always("poll", "token-lone", { code: "429", retryAfterMs: 120_000 });
  await world.pass(minuteMs);
  const looks = world.outside.countOf("poll");
  await world.pass(10 * minuteMs);
  // One call each time that it may be asked again, whichever of the fifty it is about.
  assert.ok(world.outside.countOf("poll") - looks <= 6, `${world.outside.countOf("poll") - looks} looks`);
  world.close();
});

test("a job that its service does not know once is looked for again, and is lost only when that lasts", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await running(world);
  world.outside.turn({ phase: "gone", rawStatus: "404" });
  await world.pass(30_000);
  world.outside.turn({ phase: "running" });
  await world.pass(2 * minuteMs);
  const back = await world.job(id);
  assert.deepEqual([back.status, back.rawStatus, back.warning], ["running", "running", null]);
  world.outside.turn({ phase: "gone", rawStatus: "404" });
  await world.pass(55_000);
  assert.equal((await world.job(id)).status, "running");
  const { status, error } = await world.untilEnded(id, 2 * minuteMs);
  assert.deepEqual([status, error?.code, await world.runStatus(id)], ["lost", "job_gone", "ready"]);
  world.close();
});

test("a cancel reaches the service at once, and is repeated until the job has ended though that is away for an hour", async () => {
  for (const service of ["token", "named", "listed", "blind"]) {
    const world = await TrackingWorld.open();
    await world.startNode();
    const id = await running(world, service);
    world.outside.always("cancel", service, {});
    world.outside.always("poll", service, {});
    await world.cancel(id);
    await world.pass(hourMs);
    assert.deepEqual([(await world.job(id)).status, await world.runStatus(id)], ["cancelling", "cancelling"]);
    assert.ok(world.outside.countOf("cancel") > 10);
    world.outside.always("cancel", service, "ok");
    world.outside.always("poll", service, "ok");
    await world.untilEnded(id, 4 * minuteMs);
    assert.deepEqual([(await world.job(id)).status, await world.runStatus(id)], ["cancelled", "cancelled"]);
    world.close();
  }
});

test("an order is heard without waiting for a poll, and so is a new job", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  await world.pass(100);
  const id = await world.openJob();
  await world.pass(1);
  assert.equal((await world.job(id)).status, "running");
  await world.cancel(id);
  await world.pass(1);
  assert.equal(world.outside.countOf("cancel"), 1);
  world.close();
});

test("what was cancelled before it was submitted is not submitted, and what may have been is found and cancelled", async () => {
  const world = await TrackingWorld.open();
  const never = await world.openJob({ service: "token" });
  await world.cancel(never);
  await world.startNode();
  await world.untilEnded(never, minuteMs);
  assert.deepEqual([(await world.job(never)).status, world.outside.made], ["cancelled", 0]);
  for (const [service, fate, made] of [
    ["token", "lost", 1],
    ["named", "lost", 1],
    ["named", "unsent", 0],
    ["listed", "lost", 1],
    ["listed", "unsent", 0],
  ] as const) {
    world.outside.jobs.clear();
    world.outside.will("submit", service, fate);
    const id = await world.openJob({ service });
    await world.until(
      () => world.outside.countOf("submit", service) > 0 && world.outside.fates.get(`submit ${service}`)?.length === 0,
    );
    await world.cancel(id);
    const job = await world.untilEnded(id);
    // Nobody can say of what has a name that it will not come.
    const status = service === "named" && fate === "unsent" ? "lost" : "cancelled";
    assert.deepEqual([service, fate, job.status, world.outside.made], [service, fate, status, made]);
    for (const { observation } of world.outside.jobs.values()) assert.equal(observation.phase, "cancelled");
  }
  world.close();
});

test("a service that cannot end a job leaves it lost, which says that it may go on", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await running(world);
  world.outside.always("cancel", "token", "unsupported");
  await world.cancel(id);
  const { status, error } = await world.untilEnded(id, minuteMs);
  assert.deepEqual([status, error?.code, await world.runStatus(id)], ["lost", "cancel_unsupported", "cancelled"]);
  world.close();
});

test("a job whose time is over is cancelled, and its wait has timed out", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await world.openJob({ timeoutMs: minuteMs });
  await world.pass(2 * minuteMs);
  await world.store.wakeRuns({ limitRows: 10 });
  const { status, timedOut } = await world.untilEnded(id, minuteMs);
  assert.deepEqual([status, timedOut, await world.runStatus(id)], ["cancelled", true, "ready"]);
  world.close();
});

test("a node that stops ends no job, and another goes on with them", async () => {
  const world = await TrackingWorld.open();
  const first = await world.startNode();
  const id = await running(world);
  await first.stop();
  await world.pass(hourMs);
  assert.deepEqual([world.outside.countOf("cancel"), (await world.job(id)).memberId], [0, null]);
  const second = await world.startNode();
  await world.pass(1_000);
  assert.equal((await world.job(id)).memberId, second.memberId);
  world.outside.turn({ phase: "succeeded" });
  await world.untilEnded(id, 5 * minuteMs);
  assert.equal(world.outside.made, 1);
  world.close();
});

test("a node that stops tells what its service has answered before it goes", async () => {
  const world = await TrackingWorld.open();
  const { submit } = world.outside;
  const sent = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  world.outside.submit = async (asked) => {
    const answer = await submit(asked);
    sent.resolve();
    await gate.promise;
    return answer;
  };
  const node = await world.startNode();
  const id = await world.openJob({ service: "blind" });
  await world.pass(0);
  await sent.promise;
  const stopped = node.stop();
  await world.pass(1_000);
  gate.resolve();
  await world.pass(0);
  await stopped;
  assert.equal((await world.job(id)).status, "running");
  world.close();
});

test("while the lease is at risk nobody outside is called", async () => {
  const world = await TrackingWorld.open();
  const node = await world.startNode();
  await running(world);
  node.risk(true);
  await world.pass(1_000);
  const { calls } = world.outside;
  const before = calls.length;
  await world.openJob();
  await world.pass(10 * minuteMs);
  assert.equal(calls.length, before);
  node.risk(false);
  await world.until(() => world.outside.made === 2, minuteMs);
  world.close();
});

for (const how of ["lost", "that of its repetition"] as const) {
  test(`what a claim took whose answer was ${how} is found again`, async () => {
    const world = await TrackingWorld.open();
    let lost = 0;
    const store = replaced(world.store, {
      claimJobs: async (args) => {
        const rows = await world.store.claimJobs(args);
        if (rows.length === 0 || lost > 0) return rows;
        lost += rows.length;
        if (how === "lost") throw new AppError("store_unavailable", "away");
        return await world.store.claimJobs(args);
      },
    });
    await world.startNode(undefined, { store });
    const ids = [await world.openJob(), await world.openJob()];
    await world.until(() => world.outside.made === 2, minuteMs);
    assert.ok(lost > 0);
    for (const id of ids) assert.equal((await world.job(id)).status, "running");
    world.close();
  });
}

test("an end that the store could not be told of is seen and told again", async () => {
  const world = await TrackingWorld.open();
  let isAway = false;
  const store = replaced(world.store, {
    noteJobs: async (args) => {
      if (isAway) throw new AppError("store_unavailable", "away");
      return await world.store.noteJobs(args);
    },
  });
  await world.startNode(undefined, { store });
  const id = await running(world);
  isAway = true;
  world.outside.turn({ phase: "succeeded" });
  await world.pass(5 * minuteMs);
  assert.equal((await world.job(id)).status, "running");
  isAway = false;
  await world.untilEnded(id, minuteMs);
  world.close();
});

test("a name that the store could not be told of is told before anything else, and nothing is submitted again", async () => {
  const world = await TrackingWorld.open();
  let isAway = false;
  const store = replaced(world.store, {
    noteJobs: async (args) => {
      if (isAway && args.rows.some(({ news }) => news.is === "submitted"))
        throw new AppError("store_unavailable", "away");
      return await world.store.noteJobs(args);
    },
  });
  await world.startNode(undefined, { store });
  isAway = true;
  const id = await world.openJob({ service: "blind" });
  await world.pass(minuteMs);
  assert.deepEqual([(await world.job(id)).status, world.outside.made], ["submitting", 1]);
  isAway = false;
  await world.until(async () => (await world.job(id)).status === "running", minuteMs);
  assert.equal(world.outside.countOf("submit"), 1);
  world.close();
});

test("a push ends a job at once, and a job that is watched is looked at seldom, until it is not watched any more", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await running(world);
  const { ref } = await world.job(id);
  const [watch] = world.outside.watches;
  assert.ok(watch !== undefined && watch.refs.size === 1);
  watch.asked.onWatched(ref, true);
  await world.pass(2 * minuteMs);
  const looks = world.outside.countOf("poll");
  await world.pass(10 * minuteMs);
  assert.ok(world.outside.countOf("poll") - looks <= 3, "one in five minutes");
  watch.asked.onWatched(ref, false);
  await world.pass(6_000);
  assert.ok(world.outside.countOf("poll") - looks >= 3);
  watch.asked.onObservation(ref, { phase: "succeeded", rawStatus: "DONE", result: 7 });
  await world.pass(0);
  const { status, result } = await world.job(id);
  assert.deepEqual([status, result, watch.refs.size], ["succeeded", 7, 0]);
  world.close();
});

test("what a push missed is seen by the next look", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await running(world);
  world.outside.watches[0]?.asked.onWatched((await world.job(id)).ref, true);
  world.outside.turn({ phase: "succeeded" });
  await world.untilEnded(id, 6 * minuteMs);
  world.close();
});

test("jobs of one group are looked at by one call, and two nodes have a share each", async () => {
  const world = await TrackingWorld.open();
  const nodes = [await world.startNode(), await world.startNode()];
  const ids: string[] = [];
  for (let n = 0; n < 300; n++) ids.push(await world.openJob());
  await world.until(async () => world.outside.made === 300);
  const held = nodes.map(({ triggerer }) => triggerer.count);
  assert.equal(held[0] === undefined ? 0 : held[0] + (held[1] ?? 0), 300);
  assert.ok(
    held.every((count) => count > 0),
    `${held}`,
  );
  await world.pass(10 * minuteMs);
  const before = world.outside.countOf("poll");
  await world.pass(minuteMs);
  assert.ok(
    world.outside.countOf("poll") - before < 60,
    `${world.outside.countOf("poll") - before} calls for 300 jobs`,
  );
  world.outside.turn({ phase: "succeeded" });
  await world.pass(2 * minuteMs);
  const rows: JobRow[] = await Promise.all(ids.map((id) => world.job(id)));
  assert.ok(rows.every(({ status }) => status === "succeeded"));
  world.close();
});

test("a node tracks no more than it has room for; the next that has room takes the rest", async () => {
  const world = await TrackingWorld.open();
  const small = await world.startNode(undefined, { roomJobs: 3 });
  for (let n = 0; n < 5; n++) await world.openJob();
  await world.pass(5_000);
  assert.deepEqual([small.triggerer.count, world.outside.made], [3, 3]);
  const other = await world.startNode();
  await world.pass(5_000);
  assert.deepEqual([other.triggerer.count, world.outside.made], [2, 5]);
  world.close();
});

test("a job whose result cannot be kept has ended, and is an error of its wait, beside which others end as they are", async () => {
  for (const said of [{ unkept: "it has 9 bytes too many" }, { result: "x".repeat(400_000) }, { result: "a\u0000" }]) {
    const world = await TrackingWorld.open();
    await world.startNode();
    const ids = [await running(world), await running(world), await running(world)];
    const [first] = world.outside.jobs.values();
    world.outside.turn({ phase: "succeeded", result: 7 });
    assert.ok(first !== undefined);
    first.observation = { phase: "succeeded", rawStatus: "DONE", ...said };
    const [one, ...others] = await Promise.all(ids.map((id) => world.untilEnded(id, minuteMs)));
    assert.ok(one !== undefined);
    assert.deepEqual([one.status, one.result, one.error?.code], ["succeeded", null, "unkept_result"]);
    for (const { status, result } of others) assert.deepEqual([status, result], ["succeeded", 7]);
    const [record] = await world.store.listSteps({ runId: one.runId, generation: 1 });
    assert.ok(JSON.stringify(record).includes('"end":"failed"'), JSON.stringify(record));
    world.close();
  }
});

test("what is odd about an end stands with the job", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await running(world);
  world.outside.turn({ phase: "succeeded", warning: "The answer has no result at /rows." });
  const { status, warning } = await world.untilEnded(id, minuteMs);
  assert.deepEqual([status, warning], ["succeeded", "The answer has no result at /rows."]);
  world.close();
});

test("where nothing changes, a job of an hour costs its store few notes", async () => {
  const world = await TrackingWorld.open();
  let notes = 0;
  const store = replaced(world.store, {
    noteJobs: async (args) => {
      notes += args.rows.length;
      return await world.store.noteJobs(args);
    },
  });
  await world.startNode(undefined, { store });
  const id = await running(world);
  await world.pass(hourMs);
  assert.ok(notes < 130, `${notes} notes`);
  const { lookedAt, nextLookAt } = await world.job(id);
  const { now } = await world.store.describe();
  assert.ok(lookedAt !== null && nextLookAt !== null && now - lookedAt <= 2 * minuteMs && nextLookAt > lookedAt);
  world.close();
});
