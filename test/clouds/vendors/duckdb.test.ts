import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openDuckDB } from "../duckdb/duckdb.ts";
import { startClouds } from "../remote.ts";
import { testToken } from "../tokens.ts";
import { type ApiError, type BigQuery, bigQueryOf, type OpenFakes, openFakes } from "./clients.ts";

// Faults to catch, seen with @google-cloud/bigquery over DuckDB: a value that comes out as another or as text; a failure that is
// no result of its job; a query that reads the machine's files; a cancel that leaves the query running; a change that a job makes twice.

let folder: string;
let fakes: OpenFakes;
let bigQuery: BigQuery;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "hf-duckdb-"));
  mkdirSync(join(folder, "raw"));
  const flights = ["id,origin,delay,day", "1,JFK,5,2026-01-01", "2,LAX,-3,2026-01-02", "3,JFK,40,2026-02-03"];
  writeFileSync(join(folder, "raw", "flights.csv"), `${flights.join("\n")}\n`);
  writeFileSync(
    join(folder, "raw", "airports.json"),
    JSON.stringify([{ code: "JFK", tags: ["big"], at: { lat: 40.6, lon: -73.8 } }]),
  );
  fakes = await openFakes({ engine: await openDuckDB({ folder }) });
  bigQuery = await bigQueryOf(fakes.clouds);
});
after(async () => {
  await fakes[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("a query runs over the files of the folder, with parameters, and its rows have the client's types", async () => {
  const query =
    "SELECT origin, COUNT(*), AVG(delay) AS mean, MAX(day) AS last FROM `p.raw.flights` WHERE delay > @least GROUP BY origin";
  const [rows] = await bigQuery.query({ query, params: { least: 0 } });
  const [{ last, ...row } = {}] = rows;
  assert.deepEqual(row, { origin: "JFK", f0_: 2, mean: 22.5 });
  assert.equal((last as { value: string }).value, "2026-02-03");
  const [nested] = await bigQuery.query(
    "SELECT *, TIMESTAMP('2026-01-01 00:00:00.5') AS ts, b'\\x01' AS bytes, NULL AS nothing FROM raw.airports",
  );
  const { ts, bytes, ...airport } = nested[0] ?? {};
  assert.deepEqual(airport, { code: "JFK", tags: ["big"], at: { lat: 40.6, lon: -73.8 }, nothing: null });
  assert.equal((ts as { value: string }).value, "2026-01-01T00:00:00.500Z");
  assert.deepEqual(bytes, Buffer.from([1]));
});

test("a file that comes later is a table from the next query on", async () => {
  await assert.rejects(bigQuery.query("SELECT * FROM late.orders"), /not found|does not exist/i);
  mkdirSync(join(folder, "late"));
  writeFileSync(join(folder, "late", "orders.ndjson"), '{"id":7}\n');
  const [rows] = await bigQuery.query("SELECT id FROM late.orders");
  assert.deepEqual(rows, [{ id: 7 }]);
  rmSync(join(folder, "late"), { recursive: true });
  await bigQuery.query("DROP VIEW late.orders");
  await bigQuery.query("DROP SCHEMA late");
});

test("what a job writes is there for the next one", async () => {
  await bigQuery.query("CREATE SCHEMA mart");
  await bigQuery.query("CREATE TABLE mart.daily AS SELECT day, origin FROM raw.flights");
  const [job] = await bigQuery.createQueryJob("DELETE FROM mart.daily WHERE origin = 'LAX'");
  const [, , answer] = await job.getQueryResults();
  assert.equal(answer.numDmlAffectedRows, "1");
  const [metadata] = await bigQuery.dataset("mart").table("daily").getMetadata();
  assert.equal(metadata.numRows, "2");
  const [rows] = await bigQuery.dataset("mart").table("daily").getRows();
  assert.deepEqual(
    rows.map(({ origin }) => origin),
    ["JFK", "JFK"],
  );
  const [datasets] = await bigQuery.getDatasets();
  assert.deepEqual(
    datasets.map(({ id }) => id),
    ["mart", "raw"],
  );
});

test("a query that cannot be carried out ends its job, with the reason and the place", async () => {
  const failing: readonly (readonly [string, string, RegExp])[] = [
    ["SELECT nope FROM raw.flights", "invalidQuery", /Unrecognized name: nope at \[1:8\]/],
    ["SELECT FROM", "invalidQuery", /Syntax error/],
    ["SELECT * FROM raw.nope", "notFound", /Not found: Table p:raw\.nope/],
    ["SELECT * FROM read_csv('/etc/passwd')", "accessDenied", /Access Denied/],
    ["COPY raw.flights TO 'x.csv'", "invalidQuery", /no statement that is carried out here/],
    ["SELECT @missing", "invalidQuery", /'missing' not found/],
  ];
  for (const [query, reason, message] of failing) {
    const [job] = await bigQuery.createQueryJob(query);
    await assert.rejects(
      job.getQueryResults(),
      (error: ApiError) => error.errors?.[0]?.reason === reason && message.test(error.message),
    );
    assert.equal((await job.getMetadata())[0].status.errorResult?.reason, reason);
  }
});

test("a cancel ends the query itself", async () => {
  const [job] = await bigQuery.createQueryJob(
    "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 3000000)) AS a, UNNEST(GENERATE_ARRAY(1, 3000000)) AS b",
  );
  await job.cancel();
  await assert.rejects(
    job.getQueryResults(),
    (error: ApiError) => error.code === 499 && error.errors?.[0]?.reason === "stopped",
  );
  // A server that was still busy with it would not close.
});

test("a script stands above the engine: what it says of a job is all that becomes of it", async () => {
  await fakes.remote.script({ text: "by-script" }, { timeline: [{ afterMs: 0, phase: "running" }] });
  const [job] = await bigQuery.createQueryJob({ query: "CREATE SCHEMA twice", jobId: "by-script" });
  // Changes follow each other: had the first been made, this one would find its schema.
  await bigQuery.query("CREATE SCHEMA twice");
  assert.equal((await job.getMetadata())[0].status.state, "RUNNING");
  await fakes.remote.turn({ service: "bigquery", key: "p:US.by-script" }, { phase: "failed", reason: "quotaExceeded" });
  await assert.rejects(job.getQueryResults(), (error: ApiError) => error.errors?.[0]?.reason === "quotaExceeded");
});

test("a change is made once for its job, however often the job is carried out", async () => {
  const engine = await openDuckDB({ folder });
  const run = (job: string, sql: string) =>
    engine.run({ job, sql, project: "p", parameters: [] }, new AbortController().signal);
  await run("a", "CREATE SCHEMA s");
  await run("b", "CREATE TABLE s.t AS SELECT 1 AS n");
  const [first, second] = [await run("c", "INSERT INTO s.t VALUES (2)"), await run("c", "INSERT INTO s.t VALUES (2)")];
  assert.deepEqual([first.affectedRows, second.affectedRows], [1, 1]);
  assert.deepEqual((await run("d", "SELECT COUNT(*) FROM s.t")).rows, [["2"]]);
  await engine.close();
});

test("a fake that is killed amid a change makes it once, and has its tables and results again", async (t) => {
  const state = mkdtempSync(join(tmpdir(), "hf-duckdb-"));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  const flags = ["--duckdb", folder, "--journal", join(state, "journal")];
  const headers = { authorization: `Bearer ${testToken}`, "content-type": "application/json" };
  const insert = async (url: string, jobId: string, query: string) => {
    const body = JSON.stringify({ jobReference: { jobId }, configuration: { query: { query, useLegacySql: false } } });
    await fetch(`${url}/bigquery/v2/projects/p/jobs`, { method: "POST", headers, body });
  };
  const results = async (url: string, jobId: string) => {
    const response = await fetch(`${url}/bigquery/v2/projects/p/queries/${jobId}`, { headers });
    return (await response.json()) as { rows?: { f: { v: string }[] }[]; numDmlAffectedRows?: string };
  };
  const first = await startClouds(...flags);
  t.after(() => first.kill());
  await insert(first.url, "schema", "CREATE SCHEMA mart");
  await results(first.url, "schema");
  await insert(first.url, "table", "CREATE TABLE mart.t AS SELECT 0 AS n");
  await results(first.url, "table");
  await insert(first.url, "read", "SELECT 42");
  await results(first.url, "read");
  // Killed as soon as it has said yes: the change may have been made, or not, or half.
  await insert(first.url, "once", "INSERT INTO mart.t SELECT n FROM UNNEST(GENERATE_ARRAY(1, 100000)) AS n");
  await first.kill();

  await using second = await startClouds(...flags);
  assert.equal((await results(second.url, "once")).numDmlAffectedRows, "100000");
  assert.equal((await results(second.url, "read")).rows?.[0]?.f[0]?.v, "42");
  await insert(second.url, "count", "SELECT COUNT(*) FROM mart.t");
  assert.equal((await results(second.url, "count")).rows?.[0]?.f[0]?.v, "100001");
});
