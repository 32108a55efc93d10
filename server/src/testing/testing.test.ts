import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { FatalError, RetryAfter, task, workflow } from "@holdfast/sdk";
import { z } from "zod";
import { openTest } from "./index.ts";

const hour = 3_600_000;

test("a task runs to its output on a clock that stands still", async () => {
  const double = task({ id: "double", input: z.object({ n: z.number() }) }, ({ n }) => n * 2);
  await using holdfast = await openTest([double]);
  const before = holdfast.clock.now();
  assert.equal(await holdfast.run(double, { n: 21 }), 42);
  assert.ok(holdfast.clock.now() - before < 1_000);
});

test("retries wait for the clock of the test", async () => {
  let tries = 0;
  const flaky = task({ id: "flaky", retry: { attempts: 3, delay: "1h", factor: 1, jitter: 0 } }, () => {
    tries += 1;
    if (tries < 3) throw new Error("not yet");
    return tries;
  });
  const holdfast = await openTest({ flaky });
  const run = await holdfast.start(flaky, {});
  await holdfast.clock.advance("59m");
  assert.equal(tries, 1);
  await holdfast.clock.advance("2m");
  assert.equal(tries, 2);
  const before = holdfast.clock.now();
  assert.equal(await run.result(), 3);
  assert.ok(holdfast.clock.now() - before > hour / 2, "result() lets the hour pass");
  await holdfast.close();
});

test("never more run at a time than a task, a map or a workflow allows, and all have their turn", async () => {
  const most = { all: 0, mapped: 0 };
  const now = { all: 0, mapped: 0 };
  const work = task({ id: "work", concurrency: 3 }, async ({ mapped }: { mapped: boolean }) => {
    const counts = mapped ? (["all", "mapped"] as const) : (["all"] as const);
    for (const count of counts) most[count] = Math.max(most[count], ++now[count]);
    // Long enough for everybody to begin who may.
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    for (const count of counts) now[count]--;
    return mapped;
  });
  const flow = workflow({ id: "flow", concurrency: 2 }, (w) => {
    const items = Array.from({ length: 6 }, (_, n) => ({ n, mapped: true }));
    return w.map(items, work, { key: (item) => item.n, with: (item) => ({ mapped: item.mapped }), concurrency: 1 })
      .outputs;
  });
  const holdfast = await openTest({ work, flow });
  const flows = [await holdfast.start(flow, {}), await holdfast.start(flow, {}), await holdfast.start(flow, {})];
  const alone = [];
  for (let i = 0; i < 8; i++) alone.push(await holdfast.start(work, { mapped: false }));
  assert.equal((await flows[2]?.status())?.limit, "definition/flow");
  for (const run of flows) assert.equal((await run.result()).length, 6);
  for (const run of alone) assert.equal(await run.result(), false);
  assert.deepEqual(
    [most, now],
    [
      { all: 3, mapped: 2 },
      { all: 0, mapped: 0 },
    ],
  );
  await holdfast.close();
});

test("a crash between a step's work and its record repeats the step, one after the record does not", async () => {
  const done: string[] = [];
  const two = task({ id: "two" }, async (_input: unknown, ctx) => {
    await ctx.step("first", () => void done.push("first"));
    await ctx.step("second", () => void done.push("second"));
    return done.length;
  });
  const holdfast = await openTest({ two });
  holdfast.crashAt("step:second");
  holdfast.crashAt("recorded:first");
  const run = await holdfast.start(two, {});
  assert.equal(await run.result(), 3);
  assert.deepEqual(done, ["first", "second", "second"]);
  const { attempt, epoch } = await run.status();
  assert.deepEqual({ attempt, epoch }, { attempt: 1, epoch: 3 }, "a lost process uses up no attempt");
  await holdfast.close();
});

test("a crash before the success is said repeats the body and its steps answer from their records", async () => {
  const done: string[] = [];
  const last = task({ id: "last" }, async (_input: unknown, ctx) => {
    done.push("body");
    return ctx.step("only", () => {
      done.push("step");
      return 7;
    });
  });
  const holdfast = await openTest({ last });
  holdfast.crashAt("succeed", { of: last });
  holdfast.crashAt("start", { of: last });
  const run = await holdfast.start(last, {});
  assert.equal(await run.result(), 7);
  assert.deepEqual(done, ["body", "step", "body"]);
  await holdfast.close();
});

test("a workflow with a map runs whole, and its failure is told", async () => {
  const item = task({ id: "item", input: z.object({ n: z.number() }) }, ({ n }) => {
    if (n < 0) throw new FatalError("negative");
    return n + 1;
  });
  const sum = task({ id: "sum", input: z.object({ parts: z.array(z.number()) }) }, ({ parts }) =>
    parts.reduce((a, b) => a + b, 0),
  );
  const all = workflow({ id: "all", params: z.object({ list: z.array(z.number()) }) }, (w) => {
    const parts = w.map(w.params.list, item, { key: (n) => n, with: (n) => ({ n }) });
    return w.call(sum, { parts: parts.outputs }).output;
  });
  const holdfast = await openTest({ item, sum, all });
  const good = await holdfast.start(all, { list: [1, 2, 3] });
  assert.equal(await good.result(), 9);
  const bad = await holdfast.start(all, { list: [1, -2] });
  await assert.rejects(bad.result(), (error) => isAppError(error, "run_ended"));
  assert.match(
    (await bad.status()).error?.message ?? "",
    /^One task did not succeed, and one was skipped because of it. "item" failed: One item .* "item\[-2\]" failed: negative/,
  );
  const statuses = (await bad.tree()).map(({ name, status }) => `${name} ${status}`).sort();
  assert.deepEqual(statuses, ["all failed", "item failed", "item[-2] failed", "item[1] succeeded", "sum skipped"]);
  await holdfast.close();
});

test("a timeout and an expiry come when the clock says so", async () => {
  const hang = task(
    { id: "hang", timeout: "10m" },
    (_input: unknown, ctx) =>
      new Promise((_resolve, reject) => {
        ctx.abortSignal.addEventListener("abort", () => reject(new Error("told to stop")));
      }),
  );
  const holdfast = await openTest({ hang });
  const timed = await holdfast.start(hang, {});
  await holdfast.clock.advance("11m");
  const { error } = await timed.status();
  assert.deepEqual([error?.code, error?.message], ["task_timed_out", "It ran longer than its timeout of 10m."]);
  const expired = await holdfast.start(
    hang,
    {},
    { startAfter: new Date(holdfast.clock.now() + hour), expiresAfter: "30m" },
  );
  await holdfast.clock.advance("31m");
  assert.equal((await expired.status()).error?.code, "expired");
  await holdfast.close();
});

test("a crash point that is never reached fails the test", async () => {
  const plain = task({ id: "plain" }, () => 1);
  const holdfast = await openTest({ plain });
  holdfast.crashAt("step:misspelt");
  const run = await holdfast.start(plain, {});
  assert.equal(await run.result(), 1);
  await assert.rejects(holdfast.close(), /never reached/);
});

test("what is no crash point is refused where it is set, with the one that is meant", async () => {
  await using holdfast = await openTest({ plain: task({ id: "plain" }, () => 1) });
  for (const [wrong, words] of [
    ["stepp:x", /Did you mean "step:"/],
    ["step", /Did you mean "step:"/],
    ["step:", /step:KEY/],
    ["succeed:x", /succeed/],
  ] as const) {
    assert.throws(
      () => holdfast.crashAt(wrong as "start"),
      (error) => isAppError(error, "invalid_request") && words.test(error.hint ?? ""),
      wrong,
    );
  }
});

test("definitions with mistakes are refused with all of them", async () => {
  const wrong = task({ id: "wrong", timeout: "soon" as never }, () => 1);
  await assert.rejects(
    openTest({ wrong }),
    (error) => isAppError(error, "invalid_definition") && /timeout/.test(error.message),
  );
  await assert.rejects(openTest({ nothing: 1 }), /no definition/);
  const used = task({ id: "used" }, () => 1);
  const user = workflow({ id: "user" }, (w) => w.call(used, {}).output);
  await assert.rejects(openTest({ user }), (error) => {
    return (
      isAppError(error) &&
      /which was not given to openTest/.test(error.message) &&
      /openTest\(\[/.test(error.hint ?? "")
    );
  });
});

test("errors and reasons of any text end their run, whatever in them cannot be stored", async () => {
  const text = `a\u0000${"x".repeat(997)}😀`;
  const failing = task({ id: "failing" }, () => Promise.reject(new FatalError(text)));
  const skipping = task({ id: "skipping" }, (_input: unknown, ctx) => ctx.skip(text));
  await using holdfast = await openTest([failing, skipping]);
  for (const [definition, status] of [
    [failing, "failed"],
    [skipping, "skipped"],
  ] as const) {
    const { error, ...run } = await (await holdfast.start(definition, {})).ended();
    assert.equal(run.status, status);
    assert.match(error?.message ?? "", /^a\ufffdx+/);
    assert.ok(error?.message.isWellFormed());
  }
});

test("an id may be a name that every object has, and a retry may follow at once", async () => {
  let tries = 0;
  const options = { id: "constructor", retry: { attempts: 3, delay: "0s" } } as const;
  const flaky = task(options, async () => {
    tries += 1;
    if (tries < 3) throw new Error("not yet");
    return tries;
  });
  await using holdfast = await openTest([flaky]);
  assert.equal(await holdfast.run(flaky, {}), 3);
  const proto = task({ id: "__proto__" }, async () => 1);
  await assert.rejects(openTest([proto]), (error) => isAppError(error, "invalid_definition"));
});

test("the time that an item may take begins with the item, not with the workflow", async () => {
  const late = task({ id: "late", retry: { attempts: 2 } }, (_input: unknown, ctx) => {
    if (ctx.attempt === 1) throw new RetryAfter("2h", "not yet");
    return ["a", "b"];
  });
  const part = task({ id: "part", input: z.string(), expiresAfter: "1h" }, (name) => name);
  const flow = workflow({ id: "flow" }, (w) => {
    const list = w.call(late);
    return w.map(list.output, part, { key: (name) => name }).outputs;
  });
  await using holdfast = await openTest([flow, late, part]);
  const run = await holdfast.start(flow, {});
  await holdfast.clock.advance("2h");
  assert.deepEqual(await run.result(), ["a", "b"]);
});

test("a run that waits for a signal which nobody sends is told of, and time goes on by what is a time", async () => {
  const approval = task({ id: "approval" }, (_: unknown, ctx) => ctx.waitForSignal("approved"));
  await using holdfast = await openTest([approval]);
  const run = await holdfast.start(approval);
  await assert.rejects(run.result(), (error) => {
    return (
      isAppError(error, "invalid_request") &&
      /waits for the signal "approved", which the test does not send/.test(error.message)
    );
  });
  for (const ms of [-5, Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    await assert.rejects(holdfast.clock.advance(ms), (error) => isAppError(error, "invalid_request"));
  }
  const beside = run.result();
  await run.signal("approved", "yes");
  assert.equal(await beside, "yes");
});
