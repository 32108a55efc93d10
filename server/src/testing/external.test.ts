// Faults to catch: a job that is started twice, by a crash, a second start of the body or a retry; a run that goes on before its jobs
// have ended, or with another one's result; a body that runs again for jobs that it has returned; a job that goes on when its run is
// cancelled, dropped or timed out; an end that nobody hears of.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError, type Json } from "@holdfast/protocol";
import { task, WaitTimedOut } from "@holdfast/sdk";
import {
  bigquery,
  customJob,
  deferred,
  ExternalJobError,
  http,
  isExternalJobError,
  mock,
  own,
} from "@holdfast/sdk/external";
import { openTest } from "./index.ts";

const scan = bigquery.query<{ n: number }>({ connection: "bq", sql: "SELECT 1 AS n", rows: 1 });
const result = { project: "p", job_id: "j", rows: [{ n: 1 }] };

test("a body waits for a job that the control plane starts, and goes on with its result", async () => {
  const starts: number[] = [];
  const reader = task({ id: "reader" }, async (_input: unknown, ctx) => {
    starts.push(ctx.epoch);
    const { rows } = await ctx.external("scan", scan);
    return rows[0]?.n;
  });
  await using holdfast = await openTest([reader]);
  const run = await holdfast.start(reader, {});
  await holdfast.clock.advance("5h");
  const { status, waits } = await run.status();
  assert.deepEqual([status, waits?.map(({ key, kind }) => [key, kind])], ["waiting", [["scan", "external"]]]);
  const [job] = await holdfast.external.list();
  assert.deepEqual(
    [job?.key, job?.service, job?.connection, job?.status, job?.spec],
    ["scan", "bigquery", "bq", "running", { sql: "SELECT 1 AS n", rows: 1 }],
  );
  await holdfast.external.finish("scan", result);
  assert.equal(await run.result(), 1);
  assert.deepEqual([starts, holdfast.external.submissions("bigquery")], [[1, 2], 1]);
});

test("a job may end before its body asks, and nobody who forgets to end one waits for ever", async () => {
  const reader = task({ id: "reader" }, async (_input: unknown, ctx) => (await ctx.external("scan", scan)).job_id);
  await using holdfast = await openTest([reader]);
  await holdfast.external.finish("scan", result);
  assert.equal(await holdfast.run(reader, {}), "j");
  await assert.rejects(holdfast.run(reader, {}), /waits for the external job "scan"/);
});

test("several jobs are waited for together, and raced with time", async () => {
  const reader = task({ id: "reader" }, async (_input: unknown, ctx) => {
    const jobs = [ctx.external("a", scan), ctx.external("b", customJob<number>({ service: "own", spec: 1 }))] as const;
    const [a, b] = await ctx.all(jobs);
    const first = await ctx.race("first", { late: ctx.external("c", scan), time: ctx.sleep("nap", "1h") });
    return [a.job_id, b, first.winner];
  });
  await using holdfast = await openTest([reader]);
  const run = await holdfast.start(reader, {});
  await holdfast.external.finish("a", result);
  await holdfast.external.finish("b", 2);
  assert.deepEqual(await run.result(), ["j", 2, "time"]);
  await holdfast.clock.advance("1h");
  const c = (await holdfast.external.list()).find(({ key }) => key === "c");
  assert.equal(c?.status, "cancelled", "what lost the race is ended outside");
});

test("a job that fails rejects with what its service says, and the next try starts another", async () => {
  const errors: ExternalJobError[] = [];
  const reader = task({ id: "reader", retry: { attempts: 2, delay: "1m" } }, async (_input: unknown, ctx) => {
    try {
      return (await ctx.external("scan", scan)).job_id;
    } catch (error) {
      if (isExternalJobError(error)) errors.push(error);
      throw error;
    }
  });
  await using holdfast = await openTest([reader]);
  const run = await holdfast.start(reader, {});
  await holdfast.external.fail("scan", { message: "No such table.", code: "notFound" });
  await holdfast.clock.advance("5m");
  await holdfast.external.finish("scan", result);
  assert.equal(await run.result(), "j");
  const [error] = errors;
  assert.ok(error instanceof ExternalJobError);
  assert.deepEqual([error.service, error.status, error.code], ["bigquery", "failed", "notFound"]);
  assert.match(error.message, /No such table/);
  const jobs = await holdfast.external.list();
  assert.deepEqual(
    jobs.map(({ number, status }) => [number, status]),
    [
      [1, "failed"],
      [2, "succeeded"],
    ],
  );
  assert.equal(new Set(jobs.map(({ token }) => token)).size, 2);
});

test("who does not catch that fails with it, and names the job", async () => {
  const reader = task({ id: "reader" }, async (_input: unknown, ctx) => (await ctx.external("scan", scan)).job_id);
  await using holdfast = await openTest([reader]);
  const run = await holdfast.start(reader, {});
  await holdfast.external.lose("scan");
  const { status, error } = await run.ended();
  const [job] = await holdfast.external.list();
  assert.deepEqual([status, error?.code, job?.status], ["failed", "external_failed", "lost"]);
  assert.partialDeepStrictEqual(error?.details, { service: "bigquery", status: "lost" });
});

test("a job that takes longer than its timeout is ended, and then rejects with WaitTimedOut", async () => {
  const reader = task({ id: "reader" }, async (_input: unknown, ctx) => {
    return ctx.external("scan", scan, { timeout: "1h" }).then(
      () => "done",
      (error: unknown) => (error instanceof WaitTimedOut ? "late" : "failed"),
    );
  });
  await using holdfast = await openTest([reader]);
  assert.equal(await holdfast.run(reader, {}), "late");
  assert.equal((await holdfast.external.list())[0]?.status, "cancelled");
});

test("a cancel of a waiting run ends its job, also when the service is away for an hour", async () => {
  const reader = task({ id: "reader" }, async (_input: unknown, ctx) => (await ctx.external("scan", scan)).job_id);
  await using holdfast = await openTest([reader]);
  const run = await holdfast.start(reader, {});
  await holdfast.clock.advance("1m");
  holdfast.external.away("bigquery");
  await run.cancel();
  await holdfast.clock.advance("1h");
  assert.equal((await run.status()).status, "cancelling");
  holdfast.external.away("bigquery", false);
  assert.equal((await run.ended()).status, "cancelled");
  assert.equal((await holdfast.external.list())[0]?.status, "cancelled");
});

test("a service that is away fails no job: its end is heard of when it is back", async () => {
  const reader = task({ id: "reader" }, async (_input: unknown, ctx) => (await ctx.external("scan", scan)).job_id);
  await using holdfast = await openTest([reader]);
  holdfast.external.away("bigquery");
  const run = await holdfast.start(reader, {});
  await holdfast.clock.advance("3h");
  assert.equal((await run.status()).status, "waiting");
  holdfast.external.away("bigquery", false);
  await holdfast.external.finish("scan", result);
  assert.equal(await run.result(), "j");
  assert.equal(holdfast.external.submissions("bigquery"), 1);
});

test("a run does not succeed before its jobs, though nobody awaits them", async () => {
  const reader = task({ id: "reader" }, (_input: unknown, ctx) => {
    void ctx.external("scan", scan);
    return "returned";
  });
  await using holdfast = await openTest([reader]);
  const run = await holdfast.start(reader, {});
  await holdfast.clock.advance("1h");
  assert.equal((await run.status()).status, "waiting");
  await holdfast.external.finish("scan", result);
  assert.equal(await run.result(), "returned");
});

test("a job that the body starts by itself has one token until it is known, whatever crashes", async () => {
  const tokens: string[] = [];
  const starter = task({ id: "starter" }, async (_input: unknown, ctx) => {
    const job = own(
      bigquery,
      ({ token }) => {
        tokens.push(token);
        return { project: "p", location: "EU", jobId: token };
      },
      { connection: "bq" },
    );
    return (await ctx.external("scan", job)).job_id;
  });
  await using holdfast = await openTest([starter]);
  holdfast.crashAt("waiting:scan");
  holdfast.crashAt("step:scan");
  holdfast.crashAt("recorded:scan");
  const run = await holdfast.start(starter, {});
  await holdfast.clock.advance("1h");
  const [job] = await holdfast.external.list();
  assert.deepEqual([job?.status, job?.connection], ["running", "bq"]);
  assert.deepEqual(tokens, [job?.token, job?.token, job?.token].slice(0, tokens.length));
  assert.ok(tokens.length >= 2);
  await holdfast.external.finish("scan", { job_id: "mine" });
  assert.equal(await run.result(), "mine");
  assert.equal(holdfast.external.submissions("bigquery"), 0, "the control plane started nothing");
});

test("what could not be started rejects, and a body that goes on without it succeeds", async () => {
  const starter = task({ id: "starter" }, async (_input: unknown, ctx) => {
    const job = own(http, () => {
      throw new Error("no quota");
    });
    return ctx.external("scan", job).catch((error: Error) => error.message);
  });
  await using holdfast = await openTest([starter]);
  assert.equal(await holdfast.run(starter, {}), "no quota");
});

// The fault: what may go on outside is in no log and no answer, so that nobody can find it.
test("of a job that a body went on without, though its start may have begun it, the token and the name are told", async () => {
  let token = "";
  const lost = own(http, (asked) => {
    token = asked.token;
    throw new Error("timed out");
  });
  const unnamed = own(http, () => ({ url: `large${"x".repeat(2_000_000)}`, statuses: { succeeded: ["done"] } }));
  const starter = task({ id: "starter" }, async (_input: unknown, ctx) => {
    const ends = await Promise.allSettled([ctx.external("scan", lost), ctx.external("load", unnamed)]);
    return ends.map(({ status }) => status);
  });
  await using holdfast = await openTest([starter]);
  const run = await holdfast.start(starter, {});
  assert.deepEqual(await run.result(), ["rejected", "rejected"]);
  const told = (await run.logs()).filter(({ level }) => level === "warn").map(({ text }) => text);
  const scan = `The body went on without the job "scan", whose start threw: Error: timed out. Whether http has it is not known, and nobody follows or ends it: look for the token ${token} there.`;
  assert.equal(
    told.find((text) => text.includes('"scan"')),
    scan,
  );
  assert.match(told.find((text) => text.includes('"load"')) ?? "", /which calls it \{"url":"largex{900}/);
});

test("a returned job ends the body: its run waits, and succeeds with what came of it", async () => {
  let bodies = 0;
  const one = task({ id: "one" }, () => {
    bodies += 1;
    return bigquery.existing({ project: "p", location: "EU", jobId: "j" });
  });
  const caller = task({ id: "caller" }, async (_input: unknown, ctx) => (await ctx.call("one", one)).job_id);
  await using holdfast = await openTest([one, caller]);
  const run = await holdfast.start(caller, {});
  await holdfast.clock.advance("1h");
  await holdfast.external.finish("returned/1/0", result);
  assert.equal(await run.result(), "j");
  assert.equal(bodies, 1);
});

test("lists of jobs, and data with jobs in it: each is replaced by what came of it", async () => {
  const several = task({ id: "several" }, (_input: unknown) => ({
    count: 2,
    jobs: [mock.job("success", { name: "a" }), http.existing<{ n: number }>({ url: "/b", result: "/n" })],
  }));
  await using holdfast = await openTest([several]);
  const run = await holdfast.start(several, {});
  await holdfast.external.finish("returned/1/1", { n: 2 });
  assert.deepEqual(await run.result(), { count: 2, jobs: [{ url: "mock://success/a" }, { n: 2 }] });
});

test("a returned job that fails fails its try: the next one runs the body again", async () => {
  let bodies = 0;
  const flaky = task({ id: "flaky", retry: { attempts: 2, delay: "1s" } }, () => {
    bodies += 1;
    return mock.job(bodies === 1 ? "failed" : "success");
  });
  await using holdfast = await openTest([flaky]);
  assert.deepEqual(await holdfast.run(flaky, {}), { url: "mock://success/job" });
  assert.equal(bodies, 2);
});

test("any of several jobs is enough where that was said, and the others are ended", async () => {
  const some = task({ id: "some" }, () =>
    deferred({ a: mock.job("running", { name: "a" }), b: mock.job("success"), n: 1 }, { enough: "any" }),
  );
  await using holdfast = await openTest([some]);
  assert.deepEqual(await holdfast.run(some, {}), { a: null, b: { url: "mock://success/job" }, n: 1 });
  await holdfast.clock.advance("1h");
  const statuses = (await holdfast.external.list()).map(({ key, status }) => `${key} ${status}`);
  assert.deepEqual(statuses.toSorted(), ["returned/1/0 cancelled", "returned/1/1 succeeded"]);
});

test("a crash at the body's end starts it again, and a crash after its jobs are known does not", async () => {
  let bodies = 0;
  const one = task({ id: "one" }, () => {
    bodies += 1;
    return customJob<Json>({ service: "own", spec: { n: 1 } });
  });
  await using holdfast = await openTest([one]);
  holdfast.crashAt("succeed");
  const run = await holdfast.start(one, {});
  await holdfast.clock.advance("1h");
  await holdfast.external.finish("returned/1/0", 7);
  assert.equal(await run.result(), 7);
  assert.deepEqual([bodies, holdfast.external.submissions("own")], [2, 1]);
});

test("Ork's form of deferred jobs is waited for, with its own data", async () => {
  const ork = task({ id: "ork" }, (_input: unknown) => ({
    rows: 5,
    deferred: [{ service_type: "custom_http", job_id: "mock://success/x", url: "mock://success/x" }],
  }));
  const plain = task({ id: "plain" }, (_input: unknown) => ({ deferred: [{ service_type: "x" }] }));
  await using holdfast = await openTest([ork, plain]);
  assert.deepEqual(await holdfast.run("ork", {}), {
    rows: 5,
    deferred: [
      {
        ...{ service_type: "custom_http", job_id: "mock://success/x", url: "mock://success/x" },
        result: { url: "mock://success/x" },
      },
    ],
  });
  assert.deepEqual(await holdfast.run("plain", {}), { deferred: [{ service_type: "x" }] });
});

test("what comes of a job has to fit what the task declares", async () => {
  const { z } = await import("zod");
  const declared = task({ id: "declared", output: z.object({ job_id: z.string() }) }, () =>
    customJob<{ job_id: string }>({ service: "own", spec: 1 }),
  );
  await using holdfast = await openTest([declared]);
  const run = await holdfast.start(declared, {});
  await holdfast.external.finish("returned/1/0", { job_id: 5 });
  const { status, error } = await run.ended();
  assert.deepEqual([status, error?.code], ["failed", "result_invalid"]);
});

test("what the test says of a job that never comes is told", async () => {
  const noop = task({ id: "noop" }, () => 1);
  const holdfast = await openTest([noop]);
  await holdfast.external.finish("scna");
  await assert.rejects(holdfast.close(), (error) => isAppError(error, "invalid_request") && /scna/.test(error.message));
});

const ways = {
  submitted: () => customJob<number>({ service: "own", spec: 1 }),
  adopted: () => customJob<number>({ service: "own", ref: { name: "mine" } }),
  own: () =>
    own({ service: "own", existing: (ref: Json) => customJob<number>({ service: "own", ref }) }, () => ({
      name: "mine",
    })),
};
const points = ["wait:key", "waiting:key", "step:key", "recorded:key", "succeed"] as const;

for (const [way, job] of Object.entries(ways)) {
  for (const crash of points) {
    if (way !== "own" && (crash === "step:key" || crash === "recorded:key")) continue;
    test(`a job that is ${way} is one job with one answer, though the body's process dies at ${crash}`, async () => {
      const answers: number[] = [];
      const body = task({ id: "body" }, async (_input: unknown, ctx) => {
        answers.push(await ctx.external("key", job()));
        return true;
      });
      await using holdfast = await openTest([body]);
      holdfast.crashAt(crash);
      await holdfast.external.finish("key", 7);
      assert.equal(await holdfast.run(body, {}), true);
      assert.deepEqual([...new Set(answers)], [7]);
      const jobs = await holdfast.external.list();
      assert.deepEqual(
        jobs.map(({ number, status }) => [number, status]),
        [[1, "succeeded"]],
      );
      assert.equal(holdfast.external.submissions("own"), way === "submitted" ? 1 : 0);
    });
  }
}
