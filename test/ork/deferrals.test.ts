// What went wrong with Ork's deferred jobs, by the numbers of its list, in Ork's own form of them. Faults to catch: those of the list.
// What trackers decide is in trackers.test.ts, whole files of Ork with their Python in files.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, defaultRetry, type Json, type Manifest } from "@holdfast/protocol";
import { task, workflow } from "@holdfast/sdk";
import { bigquery } from "@holdfast/sdk/external";
import { z } from "zod";
import { systemClock } from "../../server/src/clock.ts";
import { serve, startNode } from "../../server/src/main.ts";
import { openStore } from "../../server/src/store/open.ts";
import { FakeServices } from "../../server/src/testing/fake-services.ts";
import { openTest, type TestHoldfast } from "../../server/src/testing/index.ts";

/** A job of BigQuery as Ork's SDK writes it. */
const deferral = (id: string) => ({ project: "p", job_id: id, location: "US", service_type: "bigquery" });
const keyOf = (index: number, attempt = 1) => `returned/${attempt}/${index}`;

/** `first` hands over two jobs with data of its own, `next` reads what `first` was, `other` only follows it. */
function twoJobs(retry: { attempts: number; delay: "1s" } = { attempts: 1, delay: "1s" }) {
  const started: string[] = [];
  const note = (name: string) => void started.push(name);
  const first = task({ id: "first", retry }, (_: unknown, ctx) => {
    note("first");
    return { rows: 5, deferred: [deferral(`a${ctx.attempt}`), deferral(`b${ctx.attempt}`)] };
  });
  const next = task({ id: "next" }, (input: unknown) => {
    note("next");
    return { was: input as Json };
  });
  const other = task({ id: "other" }, () => note("other"));
  const flow = workflow({ id: "flow" }, (w) => {
    const call = w.call(first, {});
    w.call(other, {}, { after: [call] });
    return w.call(next, call.output).output;
  });
  return { started, definitions: [first, next, other, flow], flow };
}

async function statusOf(holdfast: TestHoldfast): Promise<string[]> {
  return (await holdfast.external.list()).map(({ key, status }) => `${key} ${status}`).toSorted();
}

test("Ork defect 1: a task with two jobs has not succeeded before both have, and fails with either", async () => {
  const { started, definitions, flow } = twoJobs();
  await using holdfast = await openTest(definitions);
  const run = await holdfast.start(flow, {});
  await holdfast.external.finish(keyOf(0));
  await holdfast.clock.advance("1h");
  assert.deepEqual([(await run.status()).status, started], ["waiting", ["first"]]);
  await holdfast.external.fail(keyOf(1));
  assert.deepEqual([(await run.ended()).status, started], ["failed", ["first"]]);
});

test("Ork defect 2: what follows a task with jobs reads its data, and what became of each job", async () => {
  const { definitions, flow } = twoJobs();
  await using holdfast = await openTest(definitions);
  const run = await holdfast.start(flow, {});
  for (const index of [0, 1]) await holdfast.external.finish(keyOf(index), { row: index });
  const deferred = [
    { ...deferral("a1"), result: { row: 0 } },
    { ...deferral("b1"), result: { row: 1 } },
  ];
  assert.deepEqual(await run.result(), { was: { rows: 5, deferred } });
});

test("Ork defect 3: a job that fails fails a try, and the task is tried again", async () => {
  const { started, definitions, flow } = twoJobs({ attempts: 2, delay: "1s" });
  await using holdfast = await openTest(definitions);
  const run = await holdfast.start(flow, {});
  await holdfast.external.fail(keyOf(0));
  await holdfast.external.finish(keyOf(1));
  await holdfast.clock.advance("1m");
  for (const index of [0, 1]) await holdfast.external.finish(keyOf(index, 2));
  assert.equal((await run.ended()).status, "succeeded");
  assert.deepEqual(started.toSorted(), ["first", "first", "next", "other"]);
});

test("Ork defect 4: what follows a task whose job has failed does not start, whether it reads it or not", async () => {
  const { started, definitions, flow } = twoJobs();
  await using holdfast = await openTest(definitions);
  const run = await holdfast.start(flow, {});
  await holdfast.external.finish(keyOf(0));
  await holdfast.external.fail(keyOf(1));
  assert.equal((await run.ended()).status, "failed");
  await holdfast.clock.advance("1d");
  assert.deepEqual(started, ["first"]);
});

test("Ork defect 6: the end of a job is kept with what follows from it: whoever dies behind it loses nothing", async () => {
  const store = await openStore("memory:", { role: "either", clock: systemClock });
  let lost = 0;
  // What the store was told is kept, and whoever told it is gone before the answer.
  const deaf = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "noteJobs") return value.bind(target) as unknown;
      return async (...args: unknown[]) => {
        await Reflect.apply(value, target, args);
        lost += 1;
        throw new AppError("store_unavailable", "The connection was lost.");
      };
    },
  });
  const services = serve(deaf, {});
  const fake = new FakeServices();
  const source = { service: "bigquery", how: "follow", job: { project: "p", location: "US", job_id: "a" } };
  const definition = {
    ...{ kind: "task", id: "job", executor: "external", source, queue: "default", priority: 0 },
    ...{ retry: defaultRetry, placement: "process", isolation: "pool" },
    ...{ reads: [], writes: [] },
  };
  await services.definitions.apply([
    { format: 1, root: "job", definitions: { job: definition }, assets: {} } as unknown as Manifest,
  ]);
  const first = await startNode(services, { root: import.meta.dirname, tracking: fake, pollMs: 20 });
  const { run } = await services.runs.start({ definition: "job", input: {} });
  fake.end({ ref: source.job, externalId: "", links: [], group: "" }, { phase: "succeeded", result: 7 });
  const { status, output } = await services.history.result(run.id, 60_000);
  assert.deepEqual([status, output], ["succeeded", 7]);
  assert.ok(lost > 0);
  await first.stop({ graceMs: 0 });
  await services.close();
});

test("Ork defect 7: time in which a job runs is no running time, and what ends too late changes nothing", async () => {
  const patient = task({ id: "patient", timeout: "5m" }, () => ({ deferred: [deferral("long")] }));
  const bounded = task({ id: "bounded" }, (_: unknown, ctx) =>
    ctx.external("job", bigquery.query({ sql: "SELECT 1" }), { timeout: "5m" }).then(() => 1),
  );
  await using holdfast = await openTest([patient, bounded]);
  const run = await holdfast.start(patient, {});
  await holdfast.clock.advance("9h");
  assert.equal((await run.status()).status, "waiting");
  await holdfast.external.finish(keyOf(0));
  assert.equal((await run.ended()).status, "succeeded");
  const late = await holdfast.start(bounded, {});
  const { status, error } = await late.ended();
  assert.deepEqual([status, error?.code], ["failed", "wait_timed_out"]);
  assert.ok((await statusOf(holdfast)).includes("job cancelled"));
});

test("Ork defect 9: an empty list, and items that name no job, are ordinary output", async () => {
  const outputs: Json[] = [
    { deferred: [] },
    { deferred: [{ service_type: "bigquery" }] },
    { deferred: [{ job_id: "a" }] },
  ];
  const each = task({ id: "each", input: z.object({ at: z.int() }), output: z.unknown() }, ({ at }) => outputs[at]);
  await using holdfast = await openTest([each]);
  for (const [at, output] of outputs.entries()) assert.deepEqual(await holdfast.run(each, { at }), output);
  assert.deepEqual(await holdfast.external.list(), []);
});

test("Ork defect 10: a field called deferred that the task declares is its own", async () => {
  const item = z.looseObject({ until: z.string() });
  const loans = task({ id: "loans", output: z.object({ deferred: z.array(item) }) }, () => ({
    deferred: [{ service_type: "loan", job_id: "17", until: "2027" }],
  }));
  await using holdfast = await openTest([loans]);
  assert.deepEqual((await holdfast.run(loans, {})).deferred[0]?.until, "2027");
  assert.deepEqual(await holdfast.external.list(), []);
});

test("Ork defect 12: a cancel ends both jobs in their service, and the run has not ended before", async () => {
  const { started, definitions, flow } = twoJobs();
  await using holdfast = await openTest(definitions);
  const run = await holdfast.start(flow, {});
  await holdfast.clock.advance("1m");
  holdfast.external.away("bigquery");
  await run.cancel();
  await holdfast.clock.advance("1h");
  assert.equal((await run.status()).status, "cancelling");
  holdfast.external.away("bigquery", false);
  assert.equal((await run.ended()).status, "cancelled");
  assert.deepEqual(await statusOf(holdfast), [`${keyOf(0)} cancelled`, `${keyOf(1)} cancelled`]);
  assert.deepEqual(started, ["first"]);
});

test("Ork defect 13: the next try does not begin before the jobs of the last have ended", async () => {
  const { started, definitions, flow } = twoJobs({ attempts: 2, delay: "1s" });
  await using holdfast = await openTest(definitions);
  const run = await holdfast.start(flow, {});
  await holdfast.external.fail(keyOf(0));
  await holdfast.clock.advance("1h");
  assert.deepEqual([started, await statusOf(holdfast)], [["first"], [`${keyOf(0)} failed`, `${keyOf(1)} running`]]);
  await holdfast.external.finish(keyOf(1));
  await holdfast.clock.advance("1m");
  const live = (await statusOf(holdfast)).filter((one) => /running|submitting|cancelling/.test(one));
  assert.deepEqual(live, [`${keyOf(0, 2)} running`, `${keyOf(1, 2)} running`]);
  for (const index of [0, 1]) await holdfast.external.finish(keyOf(index, 2));
  assert.equal((await run.ended()).status, "succeeded");
});

test("Ork defect 14: a body that starts its job by itself has one token for it, whatever crashes", async () => {
  const tokens: string[] = [];
  const submits = task({ id: "submits" }, (_: unknown, ctx) => {
    tokens.push(ctx.token("load"));
    return { deferred: [deferral(ctx.token("load"))] };
  });
  await using holdfast = await openTest([submits]);
  holdfast.crashAt("succeed");
  const run = await holdfast.start(submits, {});
  await holdfast.external.finish(keyOf(0));
  assert.equal((await run.ended()).status, "succeeded");
  assert.deepEqual([tokens.length, new Set(tokens).size], [2, 1]);
});

test("Ork defect 15: a job, and a list of jobs, are returned as they are", async () => {
  const job = (jobId: string) => bigquery.existing({ project: "p", location: "US", jobId });
  const one = task({ id: "one" }, () => job("a"));
  const several = task({ id: "several" }, () => [job("b"), job("c")]);
  await using holdfast = await openTest([one, several]);
  const run = await holdfast.start(one, {});
  await holdfast.external.finish(keyOf(0), { job_id: "a" });
  assert.deepEqual(await run.result(), { job_id: "a" });
  const list = await holdfast.start(several, {});
  for (const index of [0, 1]) await holdfast.external.finish(keyOf(index), index);
  assert.deepEqual(await list.result(), [0, 1]);
});
