import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { HeldClock } from "../clock.ts";
import { testToken } from "../tokens.ts";
import { type OpenFakes, openFakes } from "./clients.ts";
import {
  asDescribed,
  cloudRunOf,
  defaultsIn,
  type Execution,
  type RestError,
  type RunExecutions,
  type RunJobs,
} from "./google.ts";

// Faults to catch, seen with @google-cloud/run: an execution that looks finished before `Completed` says so; a cancelled one
// that looks like a good one; a count, time or enum that the client reads otherwise; a run that can be told from another by nothing.

const clock = new HeldClock(Date.UTC(2026, 0, 1, 0, 0, 0, 250));
let fakes: OpenFakes;
let jobs: RunJobs;
let executions: RunExecutions;

before(async () => {
  fakes = await openFakes({ clock });
  ({ jobs, executions } = await cloudRunOf(fakes.clouds));
});
after(() => fakes[Symbol.asyncDispose]());
beforeEach(() => fakes.remote.reset());

const parent = "projects/p/locations/europe-west1/jobs/etl";
const endless = { timeline: [{ afterMs: 0, phase: "running" } as const] };

async function run(request: object = {}): Promise<string> {
  const [operation] = await jobs.runJob({ name: parent, ...request });
  assert.ok(operation.metadata?.name);
  return operation.metadata.name;
}

const completed = ({ conditions }: Execution) => conditions.find(({ type }) => type === "Completed");

test("a run makes an execution, which is found in its list by what was put into its environment", async () => {
  const name = await run({
    overrides: { containerOverrides: [{ env: [{ name: "HOLDFAST_TOKEN", value: "t1" }] }], taskCount: 2 },
  });
  assert.match(name, /^projects\/p\/locations\/europe-west1\/jobs\/etl\/executions\/etl-[a-z0-9]{5}$/);
  await run();
  const [all] = await executions.listExecutions({ parent });
  const mine = all.filter(({ template }) => template.containers[0]?.env.some(({ value }) => value === "t1"));
  assert.deepEqual(
    mine.map((execution) => [execution.name, execution.taskCount]),
    [[name, 2]],
  );
  // Nothing makes a second run the same as the first.
  assert.equal((await fakes.remote.jobs({ service: "cloudrun" })).length, 2);
});

test("an execution is done when Completed says so, whatever other conditions say", async () => {
  const name = await run();
  const states = [];
  for (const step of [0, 500, 1_000]) {
    clock.advance(step);
    const [execution] = await executions.getExecution({ name });
    states.push([completed(execution)?.state, execution.completionTime === null, execution.succeededCount]);
  }
  assert.deepEqual(states, [
    ["CONDITION_RECONCILING", true, 0],
    ["CONDITION_RECONCILING", true, 0],
    ["CONDITION_SUCCEEDED", false, 1],
  ]);
});

test("a failure and a cancel are told apart by their reason and counts", async () => {
  await fakes.remote.script({}, endless);
  const [bad, stopped] = [await run(), await run()];
  await fakes.remote.turn({ service: "cloudrun", key: bad }, { phase: "failed" });
  const [failed] = await executions.getExecution({ name: bad });
  assert.deepEqual(
    [completed(failed)?.state, completed(failed)?.executionReason],
    ["CONDITION_FAILED", "NON_ZERO_EXIT_CODE"],
  );
  assert.deepEqual([failed.failedCount, failed.cancelledCount, failed.succeededCount], [1, 0, 0]);
  await executions.cancelExecution({ name: stopped });
  const [stopping] = await executions.getExecution({ name: stopped });
  assert.equal(completed(stopping)?.executionReason, "CANCELLING");
  clock.advance(1_000);
  const [cancelled] = await executions.getExecution({ name: stopped });
  const { state, executionReason } = completed(cancelled) ?? {};
  assert.deepEqual([state, executionReason, cancelled.cancelledCount], ["CONDITION_FAILED", "CANCELLED", 1]);
  const again = executions.cancelExecution({ name: stopped });
  await assert.rejects(again, (error: RestError) => /FAILED_PRECONDITION/.test(error.message));
});

test("the operation of a run ends with its execution, also for who waits on the server", async () => {
  await fakes.remote.script({}, endless);
  const [operation] = await jobs.runJob({ name: parent });
  const wait = async (timeout: string) => {
    const response = await fetch(`${fakes.clouds.url}/v2/${operation.name}:wait`, {
      method: "POST",
      headers: { authorization: `Bearer ${testToken}`, "content-type": "application/json" },
      body: JSON.stringify({ timeout }),
    });
    return (await response.json()) as { done?: boolean; response?: Execution; error?: { message: string } };
  };
  const early = wait("5s");
  await fakes.remote.calls({ operation: "operations.wait" }, { count: 1 });
  clock.advance(5_000);
  assert.equal("done" in (await early), false);
  const late = wait("60s");
  await fakes.remote.calls({ operation: "operations.wait" }, { count: 2 });
  await fakes.remote.turn({ service: "cloudrun", key: operation.metadata?.name ?? "" }, { phase: "succeeded" });
  assert.equal((await late).done, true);
  const [execution] = await operation.promise();
  assert.equal(execution.succeededCount, 1);
  const [other] = await jobs.runJob({ name: parent });
  await fakes.remote.turn(
    { service: "cloudrun", key: other.metadata?.name ?? "" },
    { phase: "failed", message: "Exit 3" },
  );
  await assert.rejects(other.promise(), /Exit 3/);
});

test("a job tells of its newest execution, and a deleted execution is gone", async () => {
  await fakes.remote.script({}, endless);
  const name = await run();
  const [job] = await jobs.getJob({ name: parent });
  assert.deepEqual([job.executionCount, job.latestCreatedExecution.completionStatus], [1, "EXECUTION_RUNNING"]);
  await executions.deleteExecution({ name });
  await assert.rejects(executions.getExecution({ name }), (error: RestError) => {
    return error.code === 404 && /Resource 'etl-[a-z0-9]{5}' of kind 'EXECUTION'/.test(error.message);
  });
});

test("what the request's message has not is refused by its place", async () => {
  const response = await fetch(`${fakes.clouds.url}/v2/${parent}:run`, {
    method: "POST",
    headers: { authorization: `Bearer ${testToken}` },
    body: JSON.stringify({ overrides: { container_overrides: [{ envs: [] }] } }),
  });
  assert.equal(response.status, 400);
  assert.match(
    await response.text(),
    /Unknown name \\"envs\\" at 'overrides.containerOverrides\[0\]': Cannot find field/,
  );
});

test("every answer is JSON of the published messages: enums by name, int64 as text, defaults left out", async () => {
  const described = await asDescribed("@google-cloud/run");
  const get = async (path: string) =>
    (await fetch(`${fakes.clouds.url}/v2/${path}`, { headers: { authorization: `Bearer ${testToken}` } })).json();
  await fakes.remote.script({}, endless);
  const [operation] = await jobs.runJob({ name: parent });
  const key = operation.metadata?.name ?? "";
  for (const phase of ["queued", "running", "cancelling", "succeeded", "failed", "cancelled"] as const) {
    await fakes.remote.turn({ service: "cloudrun", key }, { phase });
    const execution = await get(key);
    assert.deepEqual(described("google.cloud.run.v2.Execution", execution), execution, phase);
    assert.deepEqual(defaultsIn(execution), [], phase);
    const whole = await get(operation.name);
    assert.deepEqual(described("google.longrunning.Operation", whole), whole, phase);
  }
  const page = await get(`${parent}/executions?pageSize=1`);
  assert.deepEqual(described("google.cloud.run.v2.ListExecutionsResponse", page), page);
  const job = await get(parent);
  assert.deepEqual(described("google.cloud.run.v2.Job", job), job);
  assert.deepEqual(defaultsIn({ page, job }), []);
});

test("nothing that the client called was unknown", async () => {
  assert.deepEqual(await fakes.remote.unexpected(), []);
});
