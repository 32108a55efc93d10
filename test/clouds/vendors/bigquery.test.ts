import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { HeldClock } from "../clock.ts";
import { type ApiError, type BigQuery, bigQueryOf, type OpenFakes, openFakes } from "./clients.ts";

// Faults to catch, seen with @google-cloud/bigquery: a state, error or row that the client reads otherwise than the service's;
// an id that makes two jobs; a job of a region that is found without it; a long-poll that answers early or never.

let clock: HeldClock;
let fakes: OpenFakes;
let bigQuery: BigQuery;

before(async () => {
  clock = new HeldClock();
  fakes = await openFakes({ clock });
  bigQuery = await bigQueryOf(fakes.clouds);
});
after(() => fakes[Symbol.asyncDispose]());
beforeEach(() => fakes.remote.reset());

const select = { query: "SELECT 1" };

test("a job goes from PENDING over RUNNING to DONE", async () => {
  const timeline = [
    { afterMs: 0, phase: "queued" },
    { afterMs: 10, phase: "running" },
    { afterMs: 20, phase: "succeeded" },
  ] as const;
  await fakes.remote.script({}, { timeline });
  const [job] = await bigQuery.createQueryJob({ ...select, jobId: "a" });
  assert.equal(job.metadata.status.state, "PENDING");
  const states = [];
  for (const ms of [10, 10]) {
    clock.advance(ms);
    states.push((await job.getMetadata())[0].status.state);
  }
  assert.deepEqual(states, ["RUNNING", "DONE"]);
  await job.promise();
});

test("a chosen id makes one job; a second submission is refused as a duplicate", async () => {
  await bigQuery.createQueryJob({ ...select, jobId: "once" });
  await assert.rejects(bigQuery.createQueryJob({ ...select, jobId: "once" }), (error: ApiError) => {
    assert.equal(error.code, 409);
    assert.equal(error.errors?.[0]?.reason, "duplicate");
    assert.match(error.message, /Already Exists: Job p:US\.once/);
    return true;
  });
  assert.deepEqual(
    (await fakes.remote.jobs()).map(({ submissions }) => submissions),
    [2],
  );
});

test("a job of a region is found with its location only; of the multi-regions EU and US without it too", async () => {
  await bigQuery.createQueryJob({ ...select, jobId: "far", location: "Europe-West3" });
  await bigQuery.createQueryJob({ ...select, jobId: "near", location: "EU" });
  await assert.rejects(bigQuery.job("far").getMetadata(), (error: ApiError) => error.code === 404);
  assert.equal((await bigQuery.job("far", { location: "europe-west3" }).getMetadata())[0].status.state, "PENDING");
  assert.equal((await bigQuery.job("near").getMetadata())[0].status.state, "PENDING");
});

test("rows come as the client's own types, page by page, and null is null", async () => {
  const fields = [
    { name: "n", type: "INTEGER" },
    { name: "x", type: "FLOAT" },
    { name: "on", type: "DATE" },
    { name: "at", type: "TIMESTAMP" },
    { name: "is", type: "BOOLEAN" },
    { name: "word", type: "STRING" },
  ];
  const rows = [
    ["1", "2.5", "2026-02-03", "1704067200123456", "true", "ä"],
    [null, null, null, null, null, null],
    ["3", "NaN", "2026-02-04", "0", "false", ""],
  ];
  await fakes.remote.script({}, { timeline: [{ afterMs: 0, phase: "succeeded" }], result: { fields, rows } });
  const [job] = await bigQuery.createQueryJob(select);
  const [page, next] = await job.getQueryResults({ maxResults: 2, autoPaginate: false });
  assert.deepEqual([page[0]?.n, page[0]?.x, page[0]?.is, page[0]?.word], [1, 2.5, true, "ä"]);
  const { on, at } = page[0] as { on: { value: string }; at: { value: string } };
  assert.equal(on.value, "2026-02-03");
  assert.equal(at.value, "2024-01-01T00:00:00.123456000Z");
  assert.deepEqual(Object.values(page[1] ?? {}), [null, null, null, null, null, null]);
  const [rest] = await job.getQueryResults(next ?? {});
  assert.deepEqual([rest.length, rest[0]?.n], [1, 3]);
  const [all] = await bigQuery.query(select);
  assert.equal(all.length, 3);
});

test("asking for results waits on the server until the job is done, or for as long as it is asked to", async () => {
  await fakes.remote.script(
    {},
    {
      timeline: [
        { afterMs: 0, phase: "running" },
        { afterMs: 60_000, phase: "succeeded" },
      ],
    },
  );
  const [job] = await bigQuery.createQueryJob(select);
  const early = job.getQueryResults({ timeoutMs: 5_000, autoPaginate: false });
  await fakes.remote.calls({ operation: "jobs.getQueryResults" }, { count: 1 });
  clock.advance(5_000);
  await assert.rejects(early, /did not complete before 5000ms/);
  const late = job.getQueryResults({ timeoutMs: 150_000, autoPaginate: false });
  await fakes.remote.calls({ operation: "jobs.getQueryResults" }, { count: 2 });
  clock.advance(60_000);
  assert.equal((await late)[2].jobComplete, true);
});

test("a failure is a result of the job, and an error of whoever asks for its rows", async () => {
  const failed = { afterMs: 10, phase: "failed", reason: "invalidQuery", message: "Syntax error at [1:8]" } as const;
  await fakes.remote.script({}, { timeline: [failed] });
  const [job] = await bigQuery.createQueryJob(select);
  clock.advance(10);
  assert.equal((await job.getMetadata())[0].status.errorResult?.reason, "invalidQuery");
  await assert.rejects(job.getQueryResults(), (error: ApiError) => {
    return error.code === 400 && error.errors?.[0]?.reason === "invalidQuery" && /Syntax error/.test(error.message);
  });
  await assert.rejects(job.promise(), /Syntax error at \[1:8\]/);
});

test("a cancel is answered at once; the job is DONE and stopped a while later", async () => {
  await fakes.remote.script({}, { timeline: [{ afterMs: 0, phase: "running" }], onCancel: { afterMs: 1_000 } });
  const [job] = await bigQuery.createQueryJob(select);
  await job.cancel();
  assert.equal((await job.getMetadata())[0].status.state, "RUNNING");
  clock.advance(1_000);
  const [{ status }] = await job.getMetadata();
  assert.deepEqual([status.state, status.errorResult?.reason], ["DONE", "stopped"]);
});

test("a job is stopped by the service after its own time", async () => {
  await fakes.remote.script({}, { timeline: [{ afterMs: 0, phase: "running" }] });
  const [job] = await bigQuery.createQueryJob({ ...select, jobTimeoutMs: 30_000 });
  clock.advance(30_000);
  assert.equal((await job.getMetadata())[0].status.errorResult?.reason, "stopped");
});

test("jobs are listed newest first, by their state and in pages", async () => {
  for (const id of ["a", "b", "c"]) await bigQuery.createQueryJob({ ...select, jobId: id });
  await fakes.remote.turn({ service: "bigquery", key: "p:US.b" }, { phase: "succeeded" });
  const [pending] = await bigQuery.getJobs({ stateFilter: "pending" });
  assert.deepEqual(
    pending.map(({ id }) => id),
    ["c", "a"],
  );
  const [page, next] = await bigQuery.getJobs({ maxResults: 2, autoPaginate: false });
  const [rest] = await bigQuery.getJobs(next);
  assert.deepEqual(
    [...page, ...rest].map(({ id }) => id),
    ["c", "b", "a"],
  );
});

test("refusals, full services and expired tokens are what the client takes them for", async () => {
  const [job] = await bigQuery.createQueryJob(select);
  await fakes.remote.fault(
    { operation: "jobs.get" },
    { kind: "status", status: 403, reason: "rateLimitExceeded" },
    { times: 1 },
  );
  await assert.rejects(job.getMetadata(), (error: ApiError) => error.errors?.[0]?.reason === "rateLimitExceeded");
  await fakes.remote.fault(
    { operation: "jobs.get" },
    { kind: "status", status: 503, reason: "backendError" },
    { times: 1 },
  );
  await assert.rejects(job.getMetadata(), (error: ApiError) => error.code === 503);
  await assert.rejects(bigQuery.createQueryJob({ ...select, jobId: "a b" }), (error: ApiError) => error.code === 400);
  await assert.rejects(bigQuery.createQueryJob({ ...select, labels: { Team: "x" } }), /invalid characters/);
  const raw = await fetch(`${fakes.clouds.url}/bigquery/v2/projects/p/jobs`, {
    headers: { authorization: "Bearer old" },
  });
  assert.equal(raw.status, 401);
  assert.match(raw.headers.get("www-authenticate") ?? "", /invalid_token/);
  await fakes.remote.expireTokens();
  await assert.rejects(job.getMetadata(), (error: ApiError) => error.code === 401);
});

test("nothing that the client called was unknown", async () => {
  assert.deepEqual(await fakes.remote.unexpected(), []);
});
