// Faults to catch: an ordinary field called "deferred" taken for jobs, or jobs for an ordinary field; a quorum that is met too soon, or
// waits although it cannot be met any more; a result in another job's place; an end of an earlier try that counts in this one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry, type Json, type TaskSpec, waitRecord } from "@holdfast/protocol";
import { deferralOf, placed, recordOf, standingOf, type WaitEnd, waitEnds } from "./returned-jobs.ts";

function taskOf(output?: Json): TaskSpec {
  return {
    ...{
      kind: "task",
      id: "load",
      executor: "python",
      source: { module: "load.py", export: "main" },
      queue: "default",
    },
    ...{ priority: 0, retry: defaultRetry, placement: "process", isolation: "pool", reads: [], writes: [] },
    ...(output !== undefined && { output }),
  };
}

const job = { service_type: "bigquery", job_id: "j", project: "p", location: "EU" };

test("Ork's form names its jobs, and nothing else of that name is taken for it", () => {
  const found = deferralOf(taskOf(), { deferred: [job, { ...job, connection: "bq" }], rows: 1 });
  assert.deepEqual(found?.jobs, [
    { path: ["deferred", 0, "result"], service: "bigquery", ref: job },
    { path: ["deferred", 1, "result"], service: "bigquery", connection: "bq", ref: { ...job, connection: "bq" } },
  ]);
  assert.equal(found.enough, 2);
  const others: Json[] = [
    { deferred: [] },
    { deferred: [job, { service_type: "bigquery" }] },
    { deferred: [{ service_type: "bigquery", job_id: 1 }] },
    { deferred: [{ service_type: "", job_id: "j" }] },
    { deferred: ["j"] },
    { deferred: { ...job } },
    { deferred: null },
    [job],
    "deferred",
    null,
  ];
  for (const output of others) assert.equal(deferralOf(taskOf(), output), undefined, JSON.stringify(output));
});

test("a declared field called deferred is one's own, but where it is declared as such jobs", () => {
  const output = { deferred: [job] };
  const items = (properties: Json): Json => ({
    type: "object",
    properties: { deferred: { type: "array", items: { type: "object", properties } } },
  });
  assert.equal(deferralOf(taskOf(items({ note: { type: "string" } })), output), undefined);
  assert.equal(
    deferralOf(taskOf({ type: "object", properties: { deferred: { type: "boolean" } } }), output),
    undefined,
  );
  const text = { type: "string" };
  assert.equal(deferralOf(taskOf(items({ service_type: text, job_id: text })), output)?.jobs.length, 1);
  assert.equal(deferralOf(taskOf({ type: "object", properties: { rows: text } }), output)?.jobs.length, 1);
});

test("a result takes its job's place, whatever stands around it", () => {
  const output: Json = { rows: 1, jobs: [null, { note: "x" }] };
  assert.deepEqual(placed(output, ["jobs", 0], { n: 1 }), { rows: 1, jobs: [{ n: 1 }, { note: "x" }] });
  assert.deepEqual(placed(output, ["jobs", 1, "result"], 2), { rows: 1, jobs: [null, { note: "x", result: 2 }] });
  assert.deepEqual(placed(null, [], [1]), [1]);
  assert.deepEqual(output, { rows: 1, jobs: [null, { note: "x" }] });
});

const done: WaitEnd = { kind: "external", "holdfast.wait": "external", end: "done", hash: null, attempt: 1 };
const failed: WaitEnd = { ...done, end: "failed" };

function standing(enough: number, ends: readonly (WaitEnd | undefined)[]): string {
  const jobs = ends.map((_, index) => ({ path: [index], service: "s", ref: index }));
  const record = recordOf({ output: [], jobs, enough }, 1);
  const known = new Map(
    ends.flatMap((end, index) => (end === undefined ? [] : [[record.jobs[index]?.key ?? "", end] as const])),
  );
  const { is, ...rest } = standingOf(record, known);
  return `${is} ${("open" in rest ? rest.open : "keys" in rest ? rest.keys : []).join(" ")}`.trim();
}

test("who needs all waits for all, and then succeeds or fails", () => {
  assert.equal(standing(2, [undefined, undefined]), "open returned/1/0 returned/1/1");
  assert.equal(standing(2, [done, undefined]), "open returned/1/1");
  assert.equal(standing(2, [failed, undefined]), "open returned/1/1");
  assert.equal(standing(2, [failed, done]), "failed");
  assert.equal(standing(2, [done, done]), "enough");
});

test("any and a quorum are decided as soon as they can be", () => {
  assert.equal(standing(1, [undefined, done, undefined]), "enough returned/1/0 returned/1/2");
  assert.equal(standing(1, [failed, undefined, failed]), "open returned/1/1");
  assert.equal(standing(2, [failed, done, undefined]), "open returned/1/2");
  assert.equal(standing(2, [failed, failed, undefined]), "failed returned/1/2");
  assert.equal(standing(1, [failed, failed, failed]), "failed");
});

test("what failed in an earlier try is no end of this one", () => {
  const records = [
    { key: "a", value: waitRecord("external", { end: "failed", hash: null, attempt: 1 }) },
    { key: "b", value: waitRecord("external", { end: "done", hash: null, attempt: 1, value: 1 }) },
    { key: "c", value: 3 },
  ];
  assert.deepEqual([...waitEnds(records, 2).keys()], ["b"]);
  assert.deepEqual([...waitEnds(records, 1).keys()], ["a", "b"]);
});
