// Faults to catch: Ork's 16 and 25 (what is `Ready` is taken for complete; the kind of a condition for its state), a cancelled start told
// as a success (apache/airflow#57791), a start that is not found again by its token, a listing that fails taken for an empty one.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Json, type Observation, TrackingError } from "@holdfast/protocol";
import { ask, LocalService, openConnections } from "./service.fixture.ts";

const local = await LocalService.start(() => "hang");
const open = openConnections({
  cloudrun: { baseUrl: local.url, project: "shop", location: "europe-west1", credentials: "none" },
});
after(async () => {
  await open.close();
  await local.close();
});
const address = { service: "cloud_run", connection: null };
const root = "/v2/projects/shop/locations/europe-west1/jobs/load/executions";
const name = (id: string) => `${root.slice(4)}/${id}`;

async function phaseOf(started: object): Promise<Observation> {
  local.script = () => ({ body: { name: name("e"), ...started } });
  const [result] = await ask(open, "poll", {
    ...address,
    refs: [{ job_name: "load", execution_id: "e", service_type: "cloudrun", job_id: "x" }],
  });
  assert.ok(result !== undefined && "observation" in result, JSON.stringify(result));
  return result.observation as Observation;
}

const completed = (state: string, more: object = {}) => [
  { type: "Ready", state: "CONDITION_SUCCEEDED" },
  { type: "Completed", state, ...more },
];

test("what Cloud Run says of a start", async () => {
  const cases: readonly [string, object][] = [
    ["queued", {}],
    ["queued", { conditions: completed("CONDITION_PENDING") }],
    [
      "running",
      {
        startTime: "2026-01-01T00:00:00.123456789Z",
        conditions: completed("CONDITION_RECONCILING"),
        taskCount: 3,
        runningCount: 3,
      },
    ],
    [
      "running",
      {
        startTime: "2026-01-01T00:00:00Z",
        conditions: [{ type: "Ready", state: "CONDITION_SUCCEEDED" }],
        taskCount: 1,
      },
    ],
    ["succeeded", { conditions: completed("CONDITION_SUCCEEDED"), taskCount: 2, succeededCount: 2 }],
    ["failed", { conditions: completed("CONDITION_SUCCEEDED"), taskCount: 2, succeededCount: 1, failedCount: 1 }],
    [
      "failed",
      {
        conditions: completed("CONDITION_FAILED", { executionReason: "NON_ZERO_EXIT_CODE" }),
        taskCount: 1,
        failedCount: 1,
      },
    ],
    [
      "cancelled",
      { conditions: completed("CONDITION_FAILED", { executionReason: "CANCELLED" }), taskCount: 1, cancelledCount: 1 },
    ],
    ["cancelled", { conditions: completed("CONDITION_SUCCEEDED"), taskCount: 2, succeededCount: 1, cancelledCount: 1 }],
    ["running", { startTime: "2026-01-01T00:00:00Z", conditions: completed("CONDITION_DREAMING"), taskCount: 1 }],
  ];
  for (const [phase, started] of cases) assert.equal((await phaseOf(started)).phase, phase, JSON.stringify(started));
  const failed = await phaseOf({
    conditions: completed("CONDITION_FAILED", { executionReason: "NON_ZERO_EXIT_CODE", message: "exit 3" }),
  });
  assert.deepEqual(
    [failed.code, failed.message, failed.rawStatus],
    ["NON_ZERO_EXIT_CODE", "exit 3", "CONDITION_FAILED"],
  );
  assert.match((await phaseOf({ conditions: completed("CONDITION_DREAMING") })).warning ?? "", /not known/);
});

test("a start carries its token and is found by it on whatever page of the listing", async () => {
  const spec = { job: "load", args: ["--day", "1"], env: { A: "b" }, taskCount: 2, timeout: "600s" };
  const prepared = await ask(open, "prepare", { ...address, spec, token: "tok" });
  assert.deepEqual([prepared.submission, prepared.job, prepared.settleMs], ["listed", null, 60_000]);
  local.script = () => ({ body: { name: "projects/p/operations/1", metadata: { "@type": "x", name: name("e7") } } });
  const job = await ask(open, "submit", { ...address, spec: prepared.spec, token: "tok" });
  assert.deepEqual(job.ref, { project: "shop", region: "europe-west1", job_name: "load", execution_id: "e7" });
  assert.deepEqual(
    [local.calls.at(-1)?.path, local.calls.at(-1)?.body],
    [
      "/v2/projects/shop/locations/europe-west1/jobs/load:run",
      {
        overrides: {
          containerOverrides: [
            {
              args: ["--day", "1"],
              env: [
                { name: "A", value: "b" },
                { name: "HOLDFAST_TOKEN", value: "tok" },
              ],
            },
          ],
          taskCount: 2,
          timeout: "600s",
        },
      },
    ],
  );
  const withToken = (value: string) => ({ containers: [{ env: [{ name: "HOLDFAST_TOKEN", value }] }] });
  local.script = ({ query }) =>
    query.get("pageToken") === null
      ? {
          body: {
            executions: [{ name: name("e1"), template: withToken("other") }, { name: name("e2") }],
            nextPageToken: "2",
          },
        }
      : { body: { executions: [{ name: name("e7"), template: withToken("tok") }] } };
  assert.deepEqual(await ask(open, "find", { ...address, spec: prepared.spec, token: "tok" }), job);
  assert.equal(await ask(open, "find", { ...address, spec: prepared.spec, token: "none" }), null);
  local.script = ({ query }) => (query.get("pageToken") === null ? { body: { nextPageToken: "2" } } : { status: 503 });
  await assert.rejects(ask(open, "find", { ...address, spec: prepared.spec, token: "none" }), TrackingError);
});

test("a start whose answer is lost may have happened; one that was refused has not", async () => {
  const spec = { project: "shop", region: "r", job: "load" };
  const undecided = async () => {
    const failed = await ask(open, "submit", { ...address, spec, token: "t" }).catch((error: unknown) => error);
    assert.ok(failed instanceof TrackingError);
    return failed.failure.undecided === true;
  };
  for (const [expected, script] of [
    [true, () => "cut" as const],
    [true, () => ({ status: 500 })],
    [true, () => ({ body: {} })],
    [true, () => ({ text: "<" })],
    [false, () => ({ status: 429 })],
    [false, () => ({ status: 404 })],
  ] as const) {
    local.script = script;
    assert.equal(await undecided(), expected);
  }
  const gone = openConnections({ cloudrun: { baseUrl: "http://127.0.0.1:1", credentials: "none" } });
  const failed = await ask(gone, "submit", { ...address, spec, token: "t" }).catch((error: unknown) => error);
  assert.ok(failed instanceof TrackingError && failed.failure.undecided === undefined);
  await assert.rejects(
    ask(open, "prepare", { ...address, spec: { ...spec, env: { HOLDFAST_TOKEN: "x" } }, token: "t" }),
    /Holdfast's own/,
  );
});

test("several starts of a job are read by its listing", async () => {
  local.calls.length = 0;
  local.script = ({ path }) => {
    if (path !== root) return { status: 404, body: { error: { code: 404, status: "NOT_FOUND" } } };
    return {
      body: {
        executions: ["a", "b", "c"].map((id) => ({
          name: name(id),
          conditions: completed("CONDITION_SUCCEEDED"),
          taskCount: 1,
          succeededCount: 1,
        })),
      },
    };
  };
  const refs = ["a", "b", "c", "d"].map((execution_id) => ({ job_name: "load", execution_id }));
  const results = await ask(open, "poll", { ...address, refs });
  assert.deepEqual(
    results.map((result) => "observation" in result && result.observation.phase),
    ["succeeded", "succeeded", "succeeded", "gone"],
  );
  assert.deepEqual(
    local.calls.map(({ path }) => path),
    [root, `${root}/d`],
  );
});

test("a cancel is ordered where something runs", async () => {
  const ref = { job_name: "load", execution_id: "e" } as Json;
  local.script = ({ method }) => ({
    body: method === "GET" ? { name: name("e") } : { name: "projects/p/operations/2" },
  });
  assert.equal(await ask(open, "cancel", { ...address, ref }), "accepted");
  assert.equal(local.calls.at(-1)?.path, `${root}/e:cancel`);
  local.script = () => ({ body: { name: name("e"), conditions: completed("CONDITION_FAILED") } });
  assert.equal(await ask(open, "cancel", { ...address, ref }), "already_ended");
});
