import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { HeldClock } from "../clock.ts";
import { testToken } from "../tokens.ts";
import { type OpenFakes, openFakes } from "./clients.ts";
import {
  asDescribed,
  type DataprocBatches,
  type DataprocJobs,
  dataprocOf,
  defaultsIn,
  type RestError,
  withoutEmptyMaps,
} from "./google.ts";

// Faults to catch, seen with @google-cloud/dataproc: a request or job id that makes two jobs; `done` before the end, or at the
// failure of an attempt that is made again; a batch that is cancelled by itself instead of by its operation.

const clock = new HeldClock(Date.UTC(2026, 0, 1, 0, 0, 0, 250));
let fakes: OpenFakes;
let jobs: DataprocJobs;
let batches: DataprocBatches;

before(async () => {
  fakes = await openFakes({ clock });
  ({ jobs, batches } = await dataprocOf(fakes.clouds));
});
after(() => fakes[Symbol.asyncDispose]());
beforeEach(() => fakes.remote.reset());

const place = { projectId: "p", region: "europe-west1" };
const endless = { timeline: [{ afterMs: 0, phase: "running" } as const] };
const pyspark = { mainPythonFileUri: "gs://b/main.py" };

async function submit(jobId: string, more: { requestId?: string; labels?: object } = {}) {
  const { requestId, labels } = more;
  const job = { reference: { jobId }, placement: { clusterName: "main" }, pysparkJob: pyspark, labels };
  const [submitted] = await jobs.submitJob({ ...place, requestId, job });
  return submitted;
}

test("a request id answers with the job that it made; an id of its own is refused a second time", async () => {
  const first = await submit("a", { requestId: "r1" });
  const again = await submit("a", { requestId: "r1" });
  assert.equal(again.jobUuid, first.jobUuid);
  await assert.rejects(
    submit("a", { requestId: "r2" }),
    (error: RestError) => error.code === 409 && /ALREADY_EXISTS/.test(error.message),
  );
  assert.deepEqual(
    (await fakes.remote.jobs()).map(({ submissions }) => submissions),
    [3],
  );
});

test("a job goes through its states, keeps those that were, and says itself when it is done", async () => {
  const timeline = [
    { afterMs: 0, phase: "queued" },
    { afterMs: 10, phase: "queued", state: "SETUP_DONE" },
    { afterMs: 20, phase: "running" },
    { afterMs: 30, phase: "running", state: "ATTEMPT_FAILURE" },
    { afterMs: 40, phase: "running" },
    { afterMs: 50, phase: "succeeded", message: "0 errors" },
  ] as const;
  await fakes.remote.script({}, { timeline });
  await submit("a");
  const seen = [];
  for (let at = 0; at < 6; at++) {
    const [{ status, done }] = await jobs.getJob({ ...place, jobId: "a" });
    seen.push([status.state, done]);
    clock.advance(10);
  }
  assert.deepEqual(seen, [
    ["PENDING", false],
    ["SETUP_DONE", false],
    ["RUNNING", false],
    ["ATTEMPT_FAILURE", false],
    ["RUNNING", false],
    ["DONE", true],
  ]);
  const [{ status, statusHistory }] = await jobs.getJob({ ...place, jobId: "a" });
  assert.equal(status.details, "0 errors");
  assert.equal(statusHistory.length, 5);
});

test("a cancel is pending, then done; what has ended is not cancelled, and may be deleted", async () => {
  await fakes.remote.script({}, endless);
  await submit("a");
  const [asked] = await jobs.cancelJob({ ...place, jobId: "a" });
  assert.equal(asked.status.state, "CANCEL_PENDING");
  await assert.rejects(jobs.deleteJob({ ...place, jobId: "a" }), (error: RestError) =>
    /FAILED_PRECONDITION/.test(error.message),
  );
  clock.advance(1_000);
  assert.equal((await jobs.getJob({ ...place, jobId: "a" }))[0].status.state, "CANCELLED");
  await assert.rejects(jobs.cancelJob({ ...place, jobId: "a" }), (error: RestError) =>
    /FAILED_PRECONDITION/.test(error.message),
  );
  await jobs.deleteJob({ ...place, jobId: "a" });
  await assert.rejects(jobs.getJob({ ...place, jobId: "a" }), (error: RestError) => error.code === 404);
});

test("jobs are listed by whether they are active, by labels and by cluster", async () => {
  await fakes.remote.script({}, endless);
  for (const [id, team] of [
    ["a", "x"],
    ["b", "y"],
    ["c", "x"],
  ] as const)
    await submit(id, { labels: { team } });
  await fakes.remote.turn({ service: "dataproc", key: "projects/p/regions/europe-west1/jobs/c" }, { phase: "failed" });
  const ids = async (request: object) =>
    (await jobs.listJobs({ ...place, ...request }))[0].map(({ reference }) => reference.jobId);
  assert.deepEqual(await ids({ jobStateMatcher: "ACTIVE" }), ["b", "a"]);
  assert.deepEqual(await ids({ filter: "status.state = NON_ACTIVE AND labels.team = x" }), ["c"]);
  assert.deepEqual(await ids({ filter: "labels.team = *" }), ["c", "b", "a"]);
  assert.deepEqual(await ids({ clusterName: "other" }), []);
  await assert.rejects(ids({ filter: "colour = red" }), (error: RestError) =>
    /Invalid list filter/.test(error.message),
  );
});

test("a job that is submitted as an operation ends it", async () => {
  const job = { reference: { jobId: "a" }, placement: { clusterName: "main" }, pysparkJob: pyspark };
  const [operation] = await jobs.submitJobAsOperation({ ...place, job });
  clock.advance(1_000);
  assert.equal((await operation.promise())[0].reference.jobId, "a");
});

test("what a cluster would not take is refused", async () => {
  const refused = (said: RegExp) => (error: RestError) => error.code === 400 && said.test(error.message);
  const placement = { clusterName: "main" };
  await assert.rejects(jobs.submitJob({ ...place, job: { pysparkJob: pyspark } }), refused(/Cluster name is required/));
  await assert.rejects(jobs.submitJob({ ...place, job: { placement } }), refused(/exactly one job type/));
  await assert.rejects(submit("a b"), refused(/Invalid job id/));
  await assert.rejects(submit("a", { requestId: "x".repeat(41) }), refused(/Invalid request id/));
  await assert.rejects(submit("a", { labels: { Token: "X" } }), refused(/Invalid label/));
});

const parent = "projects/p/locations/europe-west1";

test("a batch id makes one batch, a request id answers with its operation, and the operation cancels it", async () => {
  await fakes.remote.script({}, endless);
  const request = { parent, batchId: "b-1234", requestId: "r1", batch: { pysparkBatch: pyspark } };
  const [operation] = await batches.createBatch(request);
  const [again] = await batches.createBatch(request);
  assert.equal(again.name, operation.name);
  await assert.rejects(batches.createBatch({ ...request, requestId: "r2" }), (error: RestError) => error.code === 409);
  const name = `${parent}/batches/b-1234`;
  const [batch] = await batches.getBatch({ name });
  assert.deepEqual([batch.state, batch.operation], ["RUNNING", operation.name]);
  await assert.rejects(batches.deleteBatch({ name }), (error: RestError) => /FAILED_PRECONDITION/.test(error.message));
  await operation.cancel();
  assert.equal((await batches.getBatch({ name }))[0].state, "CANCELLING");
  clock.advance(1_000);
  assert.equal((await batches.getBatch({ name }))[0].state, "CANCELLED");
  await assert.rejects(operation.promise());
  await batches.deleteBatch({ name });
  await assert.rejects(batches.getBatch({ name }), (error: RestError) => error.code === 404);
});

test("batches are listed by a filter; a good one ends its operation with itself", async () => {
  const make = async (batchId: string, team: string) =>
    (
      await batches.createBatch({
        parent,
        batchId,
        batch: { sparkSqlBatch: { queryFileUri: "gs://q" }, labels: { team } },
      })
    )[0];
  const operation = await make("first", "x");
  await make("second", "y");
  clock.advance(1_000);
  assert.match((await operation.promise())[0].name, /\/batches\/first$/);
  const names = async (filter: string) =>
    (await batches.listBatches({ parent, filter }))[0].map(({ name }) => name.split("/").at(-1));
  assert.deepEqual(await names("labels.team = x AND state = SUCCEEDED"), ["first"]);
  assert.deepEqual(await names('create_time > "2026-01-01T00:00:00Z"'), ["second", "first"]);
  assert.deepEqual(await names("batch_id = first OR labels.team = y"), ["second", "first"]);
  assert.deepEqual(await names("state = RUNNING"), []);
});

test("every answer is JSON of the published messages: enums by name, int64 as text, defaults left out", async () => {
  const described = await asDescribed("@google-cloud/dataproc");
  const get = async (path: string) =>
    (await fetch(`${fakes.clouds.url}/v1/${path}`, { headers: { authorization: `Bearer ${testToken}` } })).json();
  await fakes.remote.script({}, endless);
  await submit("a", { labels: { team: "x" } });
  const [operation] = await batches.createBatch({ parent, batchId: "b-1234", batch: { pysparkBatch: pyspark } });
  const [job, batch] = ["projects/p/regions/europe-west1/jobs/a", `${parent}/batches/b-1234`];
  for (const phase of ["queued", "running", "cancelling", "succeeded", "failed", "cancelled"] as const) {
    await fakes.remote.turn({ service: "dataproc", key: job }, { phase });
    await fakes.remote.turn({ service: "batches", key: batch }, { phase });
    for (const [type, path] of [
      ["dataproc.v1.Job", job],
      ["dataproc.v1.Batch", batch],
    ] as const) {
      const answer = withoutEmptyMaps(await get(path));
      assert.deepEqual(described(`google.cloud.${type}`, answer), answer, `${type} ${phase}`);
      assert.deepEqual(defaultsIn(answer), [], `${type} ${phase}`);
    }
    const whole = withoutEmptyMaps(await get(operation.name));
    assert.deepEqual(described("google.longrunning.Operation", whole), whole, phase);
  }
  const page = withoutEmptyMaps(await get("projects/p/regions/europe-west1/jobs"));
  assert.deepEqual(described("google.cloud.dataproc.v1.ListJobsResponse", page), page);
});

test("nothing that the client called was unknown", async () => {
  assert.deepEqual(await fakes.remote.unexpected(), []);
});
