// A node that dies between any two moments at which something is written down or a service is called, and another that takes over. Faults to
// catch: a call that is not noted before it is made, or an answer that is forgotten; a takeover that submits without having looked, or before the
// first call can be over, blindly too where that was decided beforehand; a job that is submitted twice, or never; a doubt that nobody is told of (P5).
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "@holdfast/protocol";
import { submissionWindowMs } from "../core/index.ts";
import { classOf, type Fate } from "./tracking/service.fixture.ts";
import { Life, TrackingWorld } from "./tracking/world.fixture.ts";

const hourMs = 3_600_000;

/** Lets a job be tracked by a node that dies at a moment, and then by another, until it is over or a person has to decide. */
async function taken(service: string, diesAt: number, fates: readonly Fate[] = []) {
  const world = await TrackingWorld.open();
  world.outside.will("submit", service, ...fates);
  const life = new Life(diesAt);
  const first = await world.startNode(life);
  const id = await world.openJob({ service });
  await world.pass(20_000);
  await first.takeAway();
  await world.startNode();
  await world.until(async () => !["submitting"].includes((await world.job(id)).status), hourMs);
  world.outside.turn({ phase: "succeeded", result: { rows: 3 } });
  await world.until(
    async () => (await world.job(id)).endedAt !== null || (await world.job(id)).status === "unknown",
    hourMs,
  );
  const job = await world.job(id);
  const run = await world.runStatus(id);
  world.close();
  return { job, run, made: world.outside.made, moments: life.moments, names: life.names };
}

for (const service of ["token", "named", "listed", "blind"]) {
  describe(`a job of a ${service} service whose node dies`, () => {
    for (const fate of ["ok", "lost", "unsent"] as const) {
      test(`at any moment, when its first call is ${fate}, is one job in the end, or a doubt that is told`, async () => {
        const { moments } = await taken(service, Number.POSITIVE_INFINITY, [fate]);
        assert.ok(moments >= 4, `${moments} moments`);
        for (let diesAt = 0; diesAt <= moments; diesAt++) {
          const { job, run, made, names } = await taken(service, diesAt, [fate]);
          const at = `dies at ${diesAt} of ${moments}: ${names.at(-1) ?? "the beginning"}`;
          assert.ok(made <= 1, `${made} jobs, ${at}`);
          if (job.status === "unknown") {
            assert.equal(classOf(service), "blind", at);
            assert.deepEqual([run, job.error?.code], ["waiting", "submission_unknown"], at);
          } else {
            assert.deepEqual([made, job.status, run], [1, "succeeded", "ready"], at);
            assert.deepEqual(job.result, { rows: 3 }, at);
          }
        }
      });
    }
  });
}

/** A submitter that is stopped in the middle of a call, and wakes when another has taken over. */
async function pausedSubmitter(service: string, when: "before" | "after") {
  const world = await TrackingWorld.open();
  const gate = Promise.withResolvers<void>();
  const { submit } = world.outside;
  let calls = 0;
  world.outside.submit = async (asked) => {
    calls += 1;
    if (calls > 1) return await submit(asked);
    if (when === "before") await gate.promise;
    const answer = await submit(asked);
    if (when === "after") await gate.promise;
    return answer;
  };
  const first = await world.startNode();
  const id = await world.openJob({ service });
  await world.until(() => calls === 1);
  await first.takeAway();
  await world.startNode();
  await world.pass(10 * 60_000);
  gate.resolve();
  await world.pass(10_000);
  world.outside.turn({ phase: "succeeded" });
  const job = await world.untilEnded(id);
  world.close();
  return { status: job.status, made: world.outside.made };
}

for (const service of ["token", "named", "listed"]) {
  for (const when of ["before", "after"] as const) {
    test(`a submitter of a ${service} service that is stopped ${when} its call is sent, and woken after takeover, makes no second job`, async () => {
      assert.deepEqual(await pausedSubmitter(service, when), { status: "succeeded", made: 1 });
    });
  }
}

test("a listing that lags is believed only when it has settled, twice", async () => {
  const world = await TrackingWorld.open();
  world.outside.will("submit", "listed", "unsent");
  await world.startNode();
  const id = await world.openJob({ service: "listed" });
  await world.until(() => world.outside.countOf("submit") === 2);
  const [first = { atMs: 0 }, second = { atMs: 0 }] = world.outside.calls.filter(({ verb }) => verb === "submit");
  const finds = world.outside.calls.filter(({ verb }) => verb === "find").map(({ atMs }) => atMs - first.atMs);
  // At once, for what it shows; when no call can come any more and all has settled; and a settling later.
  assert.deepEqual(
    [finds.length, Math.round((finds[1] ?? 0) / 1_000), Math.round((finds[2] ?? 0) / 1_000)],
    [3, 40, 50],
  );
  assert.ok(second.atMs - first.atMs >= 50_000);
  assert.equal((await world.job(id)).status, "running");
  world.close();
});

test("what nobody can know is asked of a person, or submitted once more where that was said beforehand", async () => {
  for (const onUnknown of ["ask", "resubmit"] as const) {
    const world = await TrackingWorld.open();
    world.outside.will("submit", "blind", "lost");
    await world.startNode();
    const id = await world.openJob({ service: "blind", onUnknown });
    await world.until(async () => ["unknown", "lost"].includes((await world.job(id)).status));
    await world.pass(60_000);
    assert.equal(world.outside.made, onUnknown === "ask" ? 1 : 2);
    const { jobs } = await world.store.listJobs({ namespace: "shop", limitRows: 10 });
    assert.deepEqual(
      jobs.map(({ number, status }) => [number, status]).toSorted(),
      onUnknown === "ask"
        ? [[1, "unknown"]]
        : [
            [1, "lost"],
            [2, "running"],
          ],
    );
    world.close();
  }
});

test("a takeover submits a blind job once more only when the submitter that was stopped can send nothing any more", async () => {
  const world = await TrackingWorld.open();
  const { submit } = world.outside;
  const gate = Promise.withResolvers<void>();
  world.outside.submit = async (asked) => {
    world.outside.submit = submit;
    await gate.promise;
    return await submit(asked);
  };
  const first = await world.startNode();
  const id = await world.openJob({ service: "blind", onUnknown: "resubmit" });
  await world.until(() => world.outside.submit === submit);
  await first.takeAway();
  await world.startNode();
  await world.pass(submissionWindowMs - 1_000);
  assert.deepEqual([world.outside.countOf("submit"), (await world.job(id)).status], [0, "submitting"]);
  await world.pass(2_000);
  assert.deepEqual([world.outside.made, (await world.job(id)).status], [1, "lost"]);
  gate.resolve();
  await world.pass(60_000);
  assert.equal(world.outside.made, 1, "what is sent later than that is not sent");
  world.close();
});

test("a service that answers nobody is not called for ever: after so many submissions a person is asked (P11)", async () => {
  const world = await TrackingWorld.open();
  world.outside.always("submit", "blind", "lost");
  await world.startNode();
  await world.openJob({ service: "blind", onUnknown: "resubmit" });
  await world.pass(86_400_000);
  assert.equal(world.outside.made, limits.submissionsPerKey);
  const { jobs } = await world.store.listJobs({ namespace: "shop", statuses: ["unknown"], limitRows: 10 });
  assert.deepEqual(
    jobs.map(({ number }) => number),
    [limits.submissionsPerKey],
  );
  world.close();
});

test("a call that surely did nothing leaves no doubt behind, and is made again", async () => {
  for (const service of ["token", "listed", "blind"]) {
    const world = await TrackingWorld.open();
    world.outside.will("submit", service, {}, { fault: "auth", code: "401" }, { code: "429", retryAfterMs: 90_000 });
    const node = await world.startNode();
    const id = await world.openJob({ service });
    await world.until(() => world.outside.countOf("submit") === 3);
    assert.equal((await world.job(id)).calledAt, null);
    await node.takeAway();
    await world.startNode();
    await world.until(() => world.outside.made === 1);
    assert.deepEqual([world.outside.countOf("submit"), world.outside.countOf("find")], [4, 0]);
    world.close();
  }
});

test("a submission that its service refuses for good fails the job, with what it says", async () => {
  const world = await TrackingWorld.open();
  world.outside.will("submit", "token", { fault: "permanent", code: "invalidQuery", message: "Syntax error at 1." });
  await world.startNode();
  const id = await world.openJob();
  const { status, error } = await world.untilEnded(id);
  assert.deepEqual([status, error?.code, error?.message], ["failed", "invalidQuery", "Syntax error at 1."]);
  assert.equal(await world.runStatus(id), "ready");
  world.close();
});
