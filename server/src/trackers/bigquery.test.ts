// Faults to catch: Ork's 14 (a query runs twice), `errors` taken for a failure, a cancelled query told as failed, an unknown state
// as an end, a job missing in a listing as gone, values of parameters that become SQL.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Json, Observation } from "@holdfast/protocol";
import { nameOf } from "./names.ts";
import { queryParameters } from "./query-parameters.ts";
import { ask, LocalService, openConnections } from "./service.fixture.ts";

const local = await LocalService.start(() => "hang");
const open = openConnections({
  bq: { service: "bigquery", baseUrl: local.url, project: "shop", location: "EU", credentials: "none" },
});
after(async () => {
  await open.close();
  await local.close();
});
const address = { service: "bigquery", connection: "bq" };
const job = (jobId: string, status: Json, more: object = {}) => ({
  jobReference: { projectId: "shop", jobId, location: "EU" },
  status,
  ...more,
});

async function observed(body: Json): Promise<Observation> {
  local.script = () => ({ body });
  const [result] = await ask(open, "poll", { ...address, refs: [{ job_id: "j" }] });
  assert.ok(result !== undefined && "observation" in result, JSON.stringify(result));
  return result.observation as Observation;
}

test("what BigQuery says of a job", async () => {
  const phase = async (status: Json) => (await observed(job("j", status) as Json)).phase;
  assert.equal(await phase({ state: "PENDING" }), "queued");
  assert.equal(await phase({ state: "RUNNING", errors: [{ reason: "x" }] }), "running");
  assert.equal(await phase({ state: "DONE", errors: [{ reason: "invalid", message: "one row" }] }), "succeeded");
  assert.equal(await phase({ state: "DONE", errorResult: { reason: "invalidQuery", message: "no" } }), "failed");
  assert.equal(await phase({ state: "DONE", errorResult: { reason: "stopped" } }), "cancelled");
  const unknown = await observed(job("j", { state: "SUSPENDED" }) as Json);
  assert.deepEqual([unknown.phase, unknown.rawStatus], ["running", "SUSPENDED"]);
  assert.match(unknown.warning ?? "", /not known/);
  const done = await observed(
    job(
      "j",
      { state: "DONE" },
      {
        statistics: {
          startTime: "1700000000000",
          endTime: "1700000005000",
          totalBytesProcessed: "12345678901234567890",
          query: { statementType: "SELECT" },
        },
        configuration: { query: { destinationTable: { projectId: "shop", datasetId: "d", tableId: "t" } } },
      },
    ) as Json,
  );
  assert.deepEqual([done.startedAt, done.endedAt], [1_700_000_000_000, 1_700_000_005_000]);
  assert.deepEqual(done.result, {
    ...{
      project: "shop",
      job_id: "j",
      location: "EU",
      totalBytesProcessed: "12345678901234567890",
      statementType: "SELECT",
    },
    destinationTable: { projectId: "shop", datasetId: "d", tableId: "t" },
  });
});

test("a query is submitted under the name of its token, and a second submission is the same job", async () => {
  const spec = {
    sql: "SELECT @day",
    params: { day: "2026-01-01'; DROP" },
    labels: { team: "x" },
    jobTimeoutMs: 60_000,
  };
  const prepared = await ask(open, "prepare", { ...address, spec, token: "t1" });
  assert.equal(prepared.submission, "token");
  assert.deepEqual(prepared.job?.ref, { project: "shop", location: "EU", job_id: nameOf("t1") });
  assert.equal(prepared.job?.externalId, `shop/EU/${nameOf("t1")}`);
  local.script = () => ({ body: job(nameOf("t1"), { state: "PENDING" }) });
  const first = await ask(open, "submit", { ...address, spec: prepared.spec, token: "t1" });
  const { path, method, body } = local.calls.at(-1) ?? {};
  assert.deepEqual([method, path], ["POST", "/bigquery/v2/projects/shop/jobs"]);
  assert.deepEqual(body, {
    jobReference: { projectId: "shop", jobId: nameOf("t1"), location: "EU" },
    configuration: {
      query: {
        ...{ query: "SELECT @day", useLegacySql: false, parameterMode: "NAMED" },
        queryParameters: [
          { name: "day", parameterType: { type: "STRING" }, parameterValue: { value: "2026-01-01'; DROP" } },
        ],
      },
      labels: { team: "x" },
      jobTimeoutMs: "60000",
    },
  });
  local.script = () => ({
    status: 409,
    body: { error: { code: 409, message: "Already Exists", errors: [{ reason: "duplicate" }] } },
  });
  assert.deepEqual(await ask(open, "submit", { ...address, spec: prepared.spec, token: "t1" }), first);
  assert.deepEqual(first, prepared.job);
});

test("what was prepared keeps its name when the connection changes afterwards", async () => {
  const prepared = await ask(open, "prepare", { ...address, spec: { sql: "SELECT 1" }, token: "t2" });
  const moved = openConnections({
    bq: { service: "bigquery", baseUrl: local.url, project: "other", location: "US", credentials: "none" },
  });
  after(() => moved.close());
  local.script = () => ({ body: job("x", { state: "PENDING" }) });
  assert.deepEqual(await ask(moved, "submit", { ...address, spec: prepared.spec, token: "t2" }), prepared.job);
  assert.equal(local.calls.at(-1)?.path, "/bigquery/v2/projects/shop/jobs");
});

test("many jobs are read by a listing, and those that it does not show one by one", async () => {
  const refs = Array.from({ length: 30 }, (_, n) => ({ job_id: `j${n}` }));
  local.calls.length = 0;
  local.script = ({ path, query }) => {
    if (path !== "/bigquery/v2/projects/shop/jobs")
      return { body: job(path.split("/").at(-1) ?? "", { state: "DONE" }) };
    if (query.get("pageToken") === null) {
      return {
        body: { jobs: Array.from({ length: 20 }, (_, n) => job(`j${n}`, { state: "RUNNING" })), nextPageToken: "2" },
      };
    }
    // A job that the listing has not seen end is asked for by itself.
    return { body: { jobs: [job("j20", { state: "DONE" }), job("foreign", { state: "RUNNING" })] } };
  };
  const results = await ask(open, "poll", { ...address, refs });
  const phases = results.map((result) => ("observation" in result ? result.observation.phase : "failure"));
  assert.deepEqual(phases, [
    ...Array.from({ length: 20 }, () => "running"),
    ...Array.from({ length: 10 }, () => "succeeded"),
  ]);
  assert.equal(local.calls.length, 12);
  local.script = ({ path }) => {
    return path.endsWith("/jobs") ? { status: 500 } : { body: job(path.split("/").at(-1) ?? "", { state: "RUNNING" }) };
  };
  const alone = await ask(open, "poll", { ...address, refs });
  assert.ok(alone.every((result) => "observation" in result));
});

test("a cancel reaches a job that runs, and says of others that they have ended or are not there", async () => {
  const ref = { project: "shop", location: "EU", job_id: "j" };
  local.script = ({ method }) => ({
    body: method === "GET" ? job("j", { state: "RUNNING" }) : { kind: "bigquery#jobCancelResponse" },
  });
  assert.equal(await ask(open, "cancel", { ...address, ref }), "accepted");
  assert.equal(local.calls.at(-1)?.path, "/bigquery/v2/projects/shop/jobs/j/cancel");
  local.script = () => ({ body: job("j", { state: "DONE" }) });
  assert.equal(await ask(open, "cancel", { ...address, ref }), "already_ended");
  local.script = () => ({ status: 404, body: { error: { code: 404, errors: [{ reason: "notFound" }] } } });
  assert.equal(await ask(open, "cancel", { ...address, ref }), "not_found");
});

test("parameters have the types of their values", () => {
  const value = { n: 1, x: 1.5, ok: true, none: null, days: ["a"], mixed: [1, 2.5], row: { id: 7, tags: ["b"] } };
  assert.deepEqual(queryParameters(value), [
    { name: "n", parameterType: { type: "INT64" }, parameterValue: { value: "1" } },
    { name: "x", parameterType: { type: "FLOAT64" }, parameterValue: { value: "1.5" } },
    { name: "ok", parameterType: { type: "BOOL" }, parameterValue: { value: "true" } },
    { name: "none", parameterType: { type: "STRING" }, parameterValue: { value: null } },
    {
      name: "days",
      parameterType: { type: "ARRAY", arrayType: { type: "STRING" } },
      parameterValue: { arrayValues: [{ value: "a" }] },
    },
    {
      name: "mixed",
      parameterType: { type: "ARRAY", arrayType: { type: "FLOAT64" } },
      parameterValue: { arrayValues: [{ value: "1" }, { value: "2.5" }] },
    },
    {
      name: "row",
      parameterType: {
        type: "STRUCT",
        structTypes: [
          { name: "id", type: { type: "INT64" } },
          { name: "tags", type: { type: "ARRAY", arrayType: { type: "STRING" } } },
        ],
      },
      parameterValue: { structValues: { id: { value: "7" }, tags: { arrayValues: [{ value: "b" }] } } },
    },
  ]);
  for (const bad of [[], [1, "a"], [[1]], [null]]) assert.throws(() => queryParameters({ bad }), /The parameter bad/);
});

test("the first rows become part of the result, as values of JSON", async () => {
  const { spec, job: named } = await ask(open, "prepare", {
    ...address,
    spec: { sql: "SELECT 1", rows: 2 },
    token: "r",
  });
  local.script = () => ({ body: job(nameOf("r"), { state: "DONE" }) });
  const { ref } = await ask(open, "submit", { ...address, spec, token: "r" });
  assert.deepEqual(ref, named?.ref);
  const column = (name: string, type: string, more: object = {}) => ({ name, type, ...more });
  const cells = (...values: unknown[]) => ({ f: values.map((v) => ({ v })) });
  const fields = [
    ...[
      column("n", "INTEGER"),
      column("big", "INT64"),
      column("x", "FLOAT"),
      column("odd", "FLOAT"),
      column("ok", "BOOLEAN"),
    ],
    ...[
      column("at", "TIMESTAMP"),
      column("before", "TIMESTAMP"),
      column("day", "DATE"),
      column("price", "NUMERIC"),
      column("doc", "JSON"),
    ],
    ...[column("none", "STRING"), column("tags", "STRING", { mode: "REPEATED" })],
    column("rows", "RECORD", { mode: "REPEATED", fields: [column("id", "INTEGER")] }),
  ];
  const row = cells(
    ...["7", "9007199254740993", "1.5", "NaN", "true", "1700000000123456", "-1", "2026-01-01", "1.10", '{"a":1}', null],
    ...[[{ v: "a" }, { v: "b" }], [{ v: cells("1") }]],
  );
  local.script = ({ path }) => ({
    body: path.includes("/queries/")
      ? { jobComplete: true, schema: { fields }, rows: [row], totalRows: "30" }
      : job(nameOf("r"), { state: "DONE" }),
  });
  const [result] = await ask(open, "poll", { ...address, refs: [ref] });
  assert.ok(result !== undefined && "observation" in result);
  const { rows, totalRows } = result.observation.result as { rows: unknown; totalRows: string };
  assert.equal(totalRows, "30");
  assert.deepEqual(rows, [
    {
      ...{ n: 7, big: "9007199254740993", x: 1.5, odd: "NaN", ok: true, at: "2023-11-14T22:13:20.123456Z" },
      ...{ before: "1969-12-31T23:59:59.999999Z", day: "2026-01-01", price: "1.10", doc: { a: 1 }, none: null },
      ...{ tags: ["a", "b"], rows: [{ id: 1 }] },
    },
  ]);
  const { query } = local.calls.at(-1) ?? {};
  assert.deepEqual([query?.get("maxResults"), query?.get("location")], ["2", "EU"]);

  local.script = ({ path }) =>
    path.includes("/queries/") ? { status: 503 } : { body: job(nameOf("r"), { state: "DONE" }) };
  const [later] = await ask(open, "poll", { ...address, refs: [ref] });
  assert.ok(
    later !== undefined && "failure" in later && later.failure.fault === "transient",
    "rows that come later are waited for",
  );
  local.script = ({ path }) =>
    path.includes("/queries/") ? { status: 400 } : { body: job(nameOf("r"), { state: "DONE" }) };
  const [without] = await ask(open, "poll", { ...address, refs: [ref] });
  assert.ok(without !== undefined && "observation" in without);
  assert.equal(without.observation.phase, "succeeded");
  assert.match(without.observation.warning ?? "", /rows cannot be read/);
});
