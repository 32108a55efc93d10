// Faults to catch: a doubt about a job that nobody can end; a job that is submitted again beside one that runs; a one-time address that works
// twice, or with a wrong secret, or shows which jobs there are; a sweep that gives up what a run waits for, or leaves what nothing waits for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TrackingError } from "@holdfast/protocol";
import { TrackingWorld } from "../engine/tracking/world.fixture.ts";
import { serve } from "../main.ts";
import { callbackHash } from "./job-names.ts";

async function open() {
  const world = await TrackingWorld.open();
  const services = serve(world.store, { clock: world.clock, namespace: "shop" });
  return { world, services, jobs: services.externalJobs };
}

async function doubtful() {
  const opened = await open();
  opened.world.outside.will("submit", "blind", "lost");
  await opened.world.startNode();
  const id = await opened.world.openJob({ service: "blind" });
  await opened.world.until(async () => (await opened.world.job(id)).status === "unknown");
  return { ...opened, id };
}

test("a job of which nobody knows whether it began ends as a person says", async () => {
  for (const as of ["succeeded", "failed", "lost"] as const) {
    const { world, jobs, id } = await doubtful();
    const { job } = await jobs.resolve(id, as === "succeeded" ? { as, result: 7 } : { as });
    assert.deepEqual([job.status, job.result, await world.runStatus(id)], [as, as === "succeeded" ? 7 : null, "ready"]);
    await assert.rejects(jobs.resolve(id, { as: "lost" }), { code: "run_ended" });
    world.close();
  }
});

test("one that is there is watched from then on, and one that never began is submitted once more", async () => {
  const there = await doubtful();
  const [name] = [...there.world.outside.jobs.keys()];
  await there.jobs.resolve(there.id, { as: "running", ref: name ?? "" });
  there.world.outside.turn({ phase: "succeeded", result: 5 });
  assert.deepEqual((await there.world.untilEnded(there.id)).result, 5);
  assert.equal(there.world.outside.made, 1);
  there.world.close();
  const never = await doubtful();
  never.world.outside.jobs.clear();
  const { job } = await never.jobs.resolve(never.id, { as: "resubmit" });
  assert.deepEqual([job.number, (await never.world.job(never.id)).status], [2, "lost"]);
  await never.world.until(() => never.world.outside.made === 1);
  never.world.outside.turn({ phase: "succeeded" });
  await never.world.untilEnded(job.id);
  assert.equal(await never.world.runStatus(job.id), "ready");
  never.world.close();
});

// The fault: the next look ends the job and fails its run, while what it really is called runs on.
test("what names no job of its service is refused, and the doubt stands", async () => {
  const { world, jobs, id } = await doubtful();
  jobs.useTracking({
    ...world.outside,
    close: async () => {},
    adopt: async ({ service, ref }) => {
      const message = `This names no job of ${service}: ${JSON.stringify(ref)}`;
      throw new TrackingError({ fault: "permanent", code: "invalid_ref", message, hint: "Name it." });
    },
  });
  await assert.rejects(jobs.resolve(id, { as: "running", ref: "xyz" }), {
    ...{ code: "invalid_request", message: 'This names no job of blind: "xyz"', hint: "Name it." },
  });
  await assert.rejects(jobs.resolve(id, { as: "running", ref: null }), { code: "invalid_request" });
  assert.equal((await world.job(id)).status, "unknown");
  world.close();
});

test("a job that runs is not submitted again", async () => {
  const { world, jobs } = await open();
  await world.startNode();
  const id = await world.openJob();
  await world.pass(1_000);
  await assert.rejects(jobs.resolve(id, { as: "resubmit" }), { code: "request_conflict" });
  assert.equal(world.outside.made, 1);
  world.close();
});

test("a one-time address ends its job once, with its secret alone, and wakes the run", async () => {
  const { world, jobs } = await open();
  const id = await world.openJob({ callbackHash: callbackHash("s3cret") });
  await world.startNode();
  await world.pass(1_000);
  await assert.rejects(jobs.callBack(id, "guess", { status: "succeeded" }), { code: "not_found" });
  await assert.rejects(jobs.callBack("nobody", "s3cret", { status: "succeeded" }), { code: "not_found" });
  await jobs.callBack(id, "s3cret", { status: "succeeded", result: { rows: 2 } });
  assert.deepEqual([(await world.job(id)).result, await world.runStatus(id)], [{ rows: 2 }, "ready"]);
  await assert.rejects(jobs.callBack(id, "s3cret", { status: "failed" }), { code: "run_ended" });
  world.close();
});

test("a sweep gives up what is open though its run has ended, and nothing else", async () => {
  const { world, jobs } = await open();
  await world.startNode();
  const [left, waited] = [await world.openJob(), await world.openJob({ service: "other" })];
  await world.pass(1_000);
  world.outside.always("cancel", "token", {});
  await world.cancel(left);
  await world.store.forceEnds({ runId: (await world.job(left)).runId, limitRows: 10 });
  assert.equal(await world.runStatus(left), "cancelled");
  const seen = await jobs.sweep({ preview: true });
  assert.deepEqual([seen.jobs.map(({ id }) => id), (await world.job(left)).status], [[left], "cancelling"]);
  const { jobs: swept } = await jobs.sweep({});
  assert.deepEqual([swept.map(({ status }) => status), (await world.job(waited)).status], [["lost"], "running"]);
  assert.deepEqual((await jobs.sweep({})).jobs, []);
  world.close();
});

test("why says which job is waited for, since when, and what a person has to decide", async () => {
  const { world, services } = await open();
  await world.startNode();
  const id = await world.openJob();
  await world.pass(1_000);
  world.outside.turn({ phase: "running", rawStatus: "RUNNING" });
  await world.pass(12 * 60_000);
  const [reason] = (await services.reasons.explain((await world.job(id)).runId)).reasons;
  assert.equal(reason?.code, "external");
  assert.match(reason.message, /^It waits for the token job J-\S+, RUNNING for 12 min, next look in \d+ s\.$/);
  const doubt = await doubtful();
  const [open2] = (await doubt.services.reasons.explain((await doubt.world.job(doubt.id)).runId)).reasons;
  assert.match(open2?.message ?? "", /of which nobody knows whether it began/);
  assert.match(open2?.remedy ?? "", new RegExp(`holdfast external-jobs resolve ${doubt.id} --as`));
  world.close();
  doubt.world.close();
});
