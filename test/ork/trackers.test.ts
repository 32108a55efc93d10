// What went wrong in Ork's trackers, by the numbers of its list, against faithful fakes of the services and with Ork's own payloads.
// Faults to catch: those of the list that a tracker decides. What follows from jobs (1–4, 6, 7, 9, 10, 13) is in deferrals.test.ts.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import type { Json, Observation } from "@holdfast/protocol";
import { ask, openConnections } from "../../server/src/trackers/service.fixture.ts";
import { HeldClock } from "../clouds/clock.ts";
import { openClouds } from "../clouds/clouds.ts";
import type { Job, Moment } from "../clouds/world.ts";
import { signInAtFakes } from "../trackers/sign-in.ts";

const clock = new HeldClock();
const clouds = await openClouds({ clock });
signInAtFakes(clouds.url);
const google = { baseUrl: clouds.url, project: "shop", location: "europe-west1" };
const connections = { bigquery: google, cloudrun: google, dataproc: google, custom_http: { baseUrl: clouds.url } };
const open = openConnections(connections, { callMs: 60_000 });
after(async () => {
  await open.close();
  await clouds.close();
});
beforeEach(() => {
  clouds.server.faults.clear();
  clouds.server.world.clear();
});

/** Asks for a job by what Ork's task returned of it. */
async function look(payload: Record<string, Json>, signal?: AbortSignal): Promise<Observation | string> {
  const service = String(payload.service_type);
  const { ref } = await ask(open, "adopt", { service, connection: null, ref: payload });
  const [result] = await ask(open, "poll", { service, connection: null, refs: [ref] }, signal);
  assert.ok(result !== undefined);
  return "observation" in result ? (result.observation as Observation) : result.failure.fault;
}

async function phase(payload: Record<string, Json>): Promise<string> {
  const seen = await look(payload);
  return typeof seen === "string" ? seen : seen.phase;
}

async function start(service: string, spec: Json): Promise<{ job: Job; ref: Record<string, Json> }> {
  const asked = { service, connection: null, token: `ork-${service}-${clouds.server.calls.list({}).length}` };
  const prepared = await ask(open, "prepare", { ...asked, spec });
  const { ref } = await ask(open, "submit", { ...asked, spec: prepared.spec });
  const job = clouds.server.world.list().at(-1);
  assert.ok(job !== undefined);
  return { job, ref: ref as Record<string, Json> };
}

const turn = (job: Job, moment: Omit<Moment, "atMs">) => clouds.server.world.turn(job, moment);

test("Ork defect 5: an error of a look at a job is no end of it", async () => {
  const { ref } = await start("bigquery", { sql: "SELECT 1" });
  const payload = { ...ref, service_type: "bigquery" };
  for (const status of [429, 500, 503, 401]) {
    clouds.server.faults.add({
      match: { service: "bigquery", operation: "jobs.get" },
      fault: { kind: "status", status },
    });
    assert.match(await phase(payload), /^(transient|auth)$/, String(status));
    clouds.server.faults.clear();
  }
  assert.equal(await phase(payload), "queued");
});

test("Ork defect 8: a job that hangs holds up no other, and a hundred are no limit", async () => {
  const { ref } = await start("bigquery", { sql: "SELECT 1" });
  clouds.server.faults.add({ match: { text: "/jobs/hanging" }, fault: { kind: "hang" } });
  const giveUp = new AbortController();
  const hanging = look({ url: "/jobs/hanging", service_type: "custom_http", job_id: "/jobs/hanging" }, giveUp.signal);
  const many = await Promise.all(Array.from({ length: 150 }, () => phase({ ...ref, service_type: "bigquery" })));
  assert.ok(many.every((one) => one === "queued"));
  giveUp.abort();
  assert.equal(await hanging, "transient");
});

test("Ork defect 11: a service that nobody knows, and credentials that are not there, are said", async () => {
  const unknown = ask(open, "adopt", { service: "emr", connection: null, ref: { job_id: "j" } });
  await assert.rejects(unknown, /no tracker for the service "emr"/);
  const signedOut = openConnections({ bigquery: { ...google, credentials: { keyFile: "/nowhere.json" } } });
  const [result] = await ask(signedOut, "poll", { service: "bigquery", connection: null, refs: [{ job_id: "j" }] });
  assert.ok(result !== undefined && "failure" in result);
  assert.equal(result.failure.fault, "auth");
  assert.match(`${result.failure.message} ${result.failure.hint}`, /nowhere.json.*GOOGLE_APPLICATION_CREDENTIALS/);
  await signedOut.close();
});

test("Ork defect 12: a cancel reaches the job in its service", async () => {
  for (const [service, spec] of [
    ["bigquery", { sql: "SELECT 1" }],
    ["cloudrun", { job: "load" }],
    ["dataproc", { cluster: "c", job: { sparkJob: { mainClass: "x" } } }],
  ] as const) {
    const { job, ref } = await start(service, spec);
    assert.equal(await ask(open, "cancel", { service, connection: null, ref }), "accepted");
    assert.notEqual(job.cancelAskedMs, undefined, service);
    clock.advance(5_000);
    assert.equal(await phase({ ...ref, service_type: service }), "cancelled", service);
  }
});

test("Ork defect 14: the same token said again is the same job", async () => {
  const asked = { service: "dataproc", connection: null, token: "same" };
  const { spec } = await ask(open, "prepare", {
    ...asked,
    spec: { cluster: "c", job: { sparkJob: { mainClass: "x" } } },
  });
  const first = await ask(open, "submit", { ...asked, spec });
  assert.deepEqual(await ask(open, "submit", { ...asked, spec }), first);
  assert.equal(clouds.server.world.list("dataproc").length, 1);
});

test("Ork defect 15: the payloads of Ork's SDKs name their jobs", async () => {
  const payloads: readonly (readonly [Record<string, Json>, string])[] = [
    [{ project: "p", job_id: "j", location: "US", service_type: "bigquery" }, "p/US/j"],
    [
      { project: "p", region: "r", job_name: "jn", execution_id: "e", service_type: "cloudrun", job_id: "p/r/jn/e" },
      "p/r/jn/e",
    ],
    [{ project: "p", region: "r", cluster_name: "c", job_id: "j", service_type: "dataproc" }, "p/r/c/j"],
    [
      {
        ...{ url: "http://x/s", method: "GET", headers: {}, success_status_codes: [200], failure_value: "failed" },
        ...{ service_type: "custom_http", job_id: "http://x/s", status_field: "status", success_value: "completed" },
      },
      "http://x/s",
    ],
    [
      {
        url: "http://x/s",
        completion_field: "state",
        completion_value: "done",
        service_type: "custom_http",
        job_id: "http://x/s",
      },
      "http://x/s",
    ],
  ];
  for (const [payload, id] of payloads) {
    const adopted = await ask(open, "adopt", { service: String(payload.service_type), connection: null, ref: payload });
    assert.equal(adopted.externalId, id);
  }
});

test("Ork defect 16: what details say in words decides nothing, an attempt that failed is no end, and Ready is not Completed", async () => {
  const spark = await start("dataproc", { cluster: "c", job: { sparkJob: { mainClass: "x" } } });
  const payload = { ...spark.ref, service_type: "dataproc" };
  turn(spark.job, { phase: "running", state: "ATTEMPT_FAILURE", message: "attempt 1 failed with an error" });
  assert.equal(await phase(payload), "running");
  turn(spark.job, { phase: "succeeded", message: "finished with 0 errors" });
  assert.equal(await phase(payload), "succeeded");
  const run = await start("cloudrun", { job: "load" });
  turn(run.job, { phase: "running", patch: { conditions: [{ type: "Ready", state: "CONDITION_SUCCEEDED" }] } });
  assert.equal(await phase({ ...run.ref, service_type: "cloudrun" }), "running");
});

test("Ork defect 25: a Cloud Run job is started at the address that the service has, and is what the state of Completed says", async () => {
  const { job, ref } = await start("cloudrun", { job: "load" });
  assert.deepEqual(clouds.server.calls.list({ operation: "unexpected" }), []);
  const payload = { ...ref, service_type: "cloudrun" };
  for (const [state, expected] of [
    ["CONDITION_PENDING", "running"],
    ["CONDITION_RECONCILING", "running"],
    ["CONDITION_FAILED", "failed"],
    ["CONDITION_SUCCEEDED", "succeeded"],
  ] as const) {
    const counts = state === "CONDITION_SUCCEEDED" ? { taskCount: 1, succeededCount: 1 } : {};
    turn(job, { phase: "running", patch: { conditions: [{ type: "Completed", state }], ...counts } });
    assert.equal(await phase(payload), expected, state);
  }
});
