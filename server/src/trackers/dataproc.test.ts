// Faults to catch: Ork's 16 (`DONE` with "error" in its details is told as failed; an attempt that failed as the end), a submission that
// makes two jobs, a batch that cannot be cancelled, a listing that is believed about what it does not show.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Json } from "@holdfast/protocol";
import { nameOf, shortHash } from "./names.ts";
import { ask, LocalService, openConnections } from "./service.fixture.ts";

const local = await LocalService.start(() => "hang");
const settings = { baseUrl: local.url, project: "shop", location: "europe-west1", credentials: "none" };
const open = openConnections({ dataproc: settings, dataproc_batch: settings });
after(async () => {
  await open.close();
  await local.close();
});
const jobs = { service: "dataproc", connection: null };
const batches = { service: "dataproc_batch", connection: null };
const duplicate = { status: 409, body: { error: { code: 409, status: "ALREADY_EXISTS", message: "there" } } };

async function phaseOf(address: typeof jobs, ref: Json, body: Json): Promise<string> {
  local.script = () => ({ body });
  const [result] = await ask(open, "poll", { ...address, refs: [ref] });
  assert.ok(result !== undefined && "observation" in result, JSON.stringify(result));
  return `${result.observation.phase}${result.observation.warning === undefined ? "" : " with a warning"}`;
}

test("what Dataproc says of a job on a cluster", async () => {
  const ref = { project: "shop", region: "europe-west1", cluster_name: "c", job_id: "j", service_type: "dataproc" };
  const of = (status: Json, more: object = {}) =>
    phaseOf(jobs, ref, { reference: { jobId: "j" }, status, ...more } as Json);
  assert.equal(await of({ state: "PENDING" }), "queued");
  assert.equal(await of({ state: "SETUP_DONE" }), "queued");
  assert.equal(await of({ state: "RUNNING" }), "running");
  assert.equal(await of({ state: "CANCEL_PENDING" }), "running");
  assert.equal(await of({ state: "CANCEL_STARTED" }), "running");
  assert.equal(await of({ state: "ATTEMPT_FAILURE", details: "one attempt" }), "running");
  assert.equal(await of({ state: "ATTEMPT_FAILURE" }, { done: true }), "failed");
  assert.equal(await of({ state: "DONE", details: "finished with 0 errors" }, { done: true }), "succeeded");
  assert.equal(await of({ state: "ERROR", details: "boom" }, { done: true }), "failed");
  assert.equal(await of({ state: "CANCELLED" }, { done: true }), "cancelled");
  assert.equal(await of({ state: "DREAMING" }), "running with a warning");
  assert.equal(await of({}), "running");
  local.script = () => ({
    body: {
      reference: { jobId: "j" },
      status: { state: "DONE", stateStartTime: "2026-01-01T00:01:00Z" },
      statusHistory: [{ state: "PENDING" }, { state: "RUNNING", stateStartTime: "2026-01-01T00:00:00Z" }],
      yarnApplications: [{ name: "app", progress: 1, trackingUrl: "http://yarn/1" }],
      driverOutputResourceUri: "gs://b/out",
      done: true,
    },
  });
  const [result] = await ask(open, "poll", { ...jobs, refs: [ref] });
  assert.deepEqual(result, {
    observation: {
      ...{
        phase: "succeeded",
        rawStatus: "DONE",
        progress: { done: 1, total: 1 },
        links: [{ label: "app", url: "http://yarn/1" }],
      },
      ...{ startedAt: Date.parse("2026-01-01T00:00:00Z"), endedAt: Date.parse("2026-01-01T00:01:00Z") },
      result: { job_id: "j", driverOutputResourceUri: "gs://b/out" },
    },
  });
});

test("a job is submitted with id and request id of its token, and a duplicate is adopted", async () => {
  const spec = { cluster: "c", job: { pysparkJob: { mainPythonFileUri: "gs://b/x.py" } } };
  const prepared = await ask(open, "prepare", { ...jobs, spec, token: "t" });
  local.script = () => ({ body: {} });
  const job = await ask(open, "submit", { ...jobs, spec: prepared.spec, token: "t" });
  assert.deepEqual(
    [local.calls.at(-1)?.path, local.calls.at(-1)?.body],
    [
      "/v1/projects/shop/regions/europe-west1/jobs:submit",
      {
        job: {
          pysparkJob: { mainPythonFileUri: "gs://b/x.py" },
          reference: { projectId: "shop", jobId: nameOf("t") },
          placement: { clusterName: "c" },
        },
        requestId: shortHash("t"),
      },
    ],
  );
  local.script = () => duplicate;
  assert.deepEqual(await ask(open, "submit", { ...jobs, spec: prepared.spec, token: "t" }), job);
  assert.deepEqual(job, prepared.job);
});

test("a cancel of a job that ended meanwhile has nothing to do", async () => {
  const ref = { project: "shop", region: "europe-west1", job_id: "j" };
  local.script = ({ method }) =>
    method === "GET"
      ? { body: { reference: { jobId: "j" }, status: { state: "RUNNING" } } }
      : { status: 400, body: { error: { code: 400, status: "FAILED_PRECONDITION", message: "not cancellable" } } };
  assert.equal(await ask(open, "cancel", { ...jobs, ref }), "already_ended");
});

test("what Dataproc says of a batch, its submission and its cancel by its operation", async () => {
  const ref = { project: "shop", region: "europe-west1", batch_id: "b" };
  const name = "projects/shop/locations/europe-west1/batches/b";
  const of = (state: string) => phaseOf(batches, ref, { name, state });
  assert.deepEqual(
    [
      await of("PENDING"),
      await of("RUNNING"),
      await of("CANCELLING"),
      await of("SUCCEEDED"),
      await of("FAILED"),
      await of("CANCELLED"),
      await of("X"),
    ],
    ["queued", "running", "running", "succeeded", "failed", "cancelled", "running with a warning"],
  );
  const prepared = await ask(open, "prepare", { ...batches, spec: { batch: { pysparkBatch: {} } }, token: "t" });
  local.script = () => duplicate;
  assert.deepEqual(await ask(open, "submit", { ...batches, spec: prepared.spec, token: "t" }), prepared.job);
  const { path, query, body } = local.calls.at(-1) ?? {};
  assert.deepEqual(
    [path, query?.get("batchId"), query?.get("requestId"), body],
    ["/v1/projects/shop/locations/europe-west1/batches", nameOf("t"), shortHash("t"), { pysparkBatch: {} }],
  );
  local.script = ({ method }) =>
    method === "GET"
      ? { body: { name, state: "RUNNING", operation: "projects/shop/regions/europe-west1/operations/o" } }
      : { body: {} };
  assert.equal(await ask(open, "cancel", { ...batches, ref }), "accepted");
  assert.equal(local.calls.at(-1)?.path, "/v1/projects/shop/regions/europe-west1/operations/o:cancel");
  local.script = () => ({ body: { name, state: "RUNNING", operation: "../../x?y" } });
  await assert.rejects(ask(open, "cancel", { ...batches, ref }), /no operation/);
});

test("many are read by a listing of those that are open, and what it does not show is asked for", async () => {
  for (const [address, listing, refs] of [
    [jobs, "/v1/projects/shop/regions/europe-west1/jobs", Array.from({ length: 12 }, (_, n) => ({ job_id: `j${n}` }))],
    [
      batches,
      "/v1/projects/shop/locations/europe-west1/batches",
      Array.from({ length: 12 }, (_, n) => ({ batch_id: `j${n}` })),
    ],
  ] as const) {
    local.calls.length = 0;
    local.script = ({ path }) => {
      const one = (id: string, state: string) => ({
        reference: { jobId: id },
        name: `x/${id}`,
        status: { state },
        state,
      });
      if (path !== listing) return { body: one(path.split("/").at(-1) ?? "", "RUNNING") };
      const open = Array.from({ length: 11 }, (_, n) => one(`j${n}`, "RUNNING"));
      return { body: { jobs: open, batches: open } };
    };
    const results = await ask(open, "poll", { ...address, refs: [...refs] });
    assert.ok(results.every((result) => "observation" in result && result.observation.phase === "running"));
    assert.deepEqual(
      local.calls.map(({ path }) => path),
      [listing, `${listing}/j11`],
    );
  }
});
