// What a body that waits sees. Faults to catch: an effect that happens twice because the body began again; a suspension that
// `catch` or `finally` sees; a body that never wakes; one that is woken by the wrong wait; a failure that is kept over tries.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, limits } from "@holdfast/protocol";
import { CallError, FatalError, isAppError, type TaskContext, task, WaitTimedOut, workflow } from "@holdfast/sdk";
import { mock } from "@holdfast/sdk/external";
import { z } from "zod";
import { openTest } from "./index.ts";

const double = task({ id: "double" }, async ({ n }: { n: number }) => n * 2);
const broken = task({ id: "broken" }, () => {
  throw new FatalError("it is broken");
});

test("a sleep ends the activation; afterwards the body begins again and what was recorded answers", async () => {
  const seen: string[] = [];
  const nap = task({ id: "nap" }, async (_input: unknown, ctx) => {
    const before = await ctx.step("before", () => seen.push("before"));
    seen.push(`start ${ctx.epoch}`);
    try {
      await ctx.sleep("night", "8h");
    } catch {
      seen.push("catch");
    } finally {
      seen.push(`finally ${ctx.epoch}`);
    }
    return before + (await ctx.step("after", () => seen.length));
  });
  await using holdfast = await openTest([nap]);
  const run = await holdfast.start(nap, {});
  await holdfast.clock.advance("7h");
  assert.equal((await run.status()).status, "waiting");
  assert.deepEqual(seen, ["before", "start 1"]);
  await holdfast.clock.advance("2h");
  assert.equal(await run.result(), 5);
  assert.deepEqual(seen, ["before", "start 1", "start 2", "finally 2"]);
});

test("a called task is a child of its caller, and its output comes back", async () => {
  const caller = task({ id: "caller" }, async (_input: unknown, ctx) => {
    const [a, b] = [ctx.call("a", double, { n: 1 }), ctx.call("b", double, { n: 2 })];
    return [await a, await b, await ctx.call("c", double, { n: (await a) + 1 })];
  });
  await using holdfast = await openTest([caller, double]);
  const run = await holdfast.start(caller, {});
  assert.deepEqual(await run.result(), [2, 4, 6]);
  const tree = await run.tree();
  assert.deepEqual(
    tree.map(({ name, status }) => `${name} ${status}`),
    ["caller succeeded", "a succeeded", "b succeeded", "c succeeded"],
  );
});

test("a workflow is called like a task, and a large output is read from its run", async () => {
  const flow = workflow(
    { id: "flow", params: z.object({ n: z.number() }) },
    (w) => w.call(double, { n: w.params.n }).output,
  );
  const large = task({ id: "large" }, () => "x".repeat(100_000));
  const caller = task({ id: "caller" }, async (_input: unknown, ctx) => {
    const [four, text] = await ctx.all([ctx.call("flow", flow, { n: 2 }), ctx.call("large", large)]);
    return [four, text.length];
  });
  await using holdfast = await openTest({ caller, flow, double, large });
  assert.deepEqual(await holdfast.run(caller, {}), [4, 100_000]);
});

test("a task that may have one run at a time calls itself: what it calls is in its slot", async () => {
  const down = task({ id: "down", concurrency: 1 }, async ({ n }: { n: number }, ctx): Promise<number> => {
    return n === 0 ? 0 : 1 + Number(await ctx.call("less", "down", { n: n - 1 }));
  });
  await using holdfast = await openTest([down]);
  assert.equal(await holdfast.run(down, { n: 3 }), 3);
});

test("a map's outputs come in the order of its list, and its items have names", async () => {
  const caller = task({ id: "caller" }, async (list: number[], ctx) => {
    return ctx.map("parts", list, double, { key: (n) => `n${n}`, with: (n) => ({ n }), concurrency: 2 });
  });
  await using holdfast = await openTest([caller, double]);
  const run = await holdfast.start(caller, [3, 1, 2]);
  assert.deepEqual(await run.result(), [6, 2, 4]);
  const names = (await run.tree()).map(({ name }) => name).toSorted();
  assert.deepEqual(names, ["caller", "parts", "parts[n1]", "parts[n2]", "parts[n3]"]);
  assert.deepEqual(await holdfast.run(caller, []), []);
});

test("what fails rejects with what it was, and is called again by the next try", async () => {
  let tries = 0;
  const flaky = task({ id: "flaky" }, () => {
    tries += 1;
    if (tries === 1) throw new FatalError("not yet");
    return tries;
  });
  const errors: unknown[] = [];
  const caller = task({ id: "caller", retry: { attempts: 2, delay: "1s" } }, async (_input: unknown, ctx) => {
    try {
      return await ctx.call("flaky", flaky);
    } catch (error) {
      errors.push(error);
      throw error;
    }
  });
  await using holdfast = await openTest([caller, flaky]);
  assert.equal(await holdfast.run(caller, {}), 2);
  const [error] = errors;
  assert.ok(error instanceof CallError);
  assert.deepEqual([error.status, error.error?.code, error.error?.message], ["failed", "task_failed", "not yet"]);
});

test("who does not catch that fails with it, and names the run", async () => {
  const caller = task({ id: "caller" }, (_input: unknown, ctx) => ctx.call("broken", broken));
  await using holdfast = await openTest([caller, broken]);
  const run = await holdfast.start(caller, {});
  const { status, error } = await run.ended();
  const child = (await run.tree()).find(({ name }) => name === "broken");
  assert.deepEqual([status, error?.code, error?.details], ["failed", "child_failed", { runId: child?.id }]);
});

test("who fails with it says what that run's error says to do", async () => {
  const refused = task({ id: "refused" }, () => {
    throw new AppError("too_large", "It is large.", { hint: "Make it small." });
  });
  const caller = task({ id: "caller" }, (_input: unknown, ctx) => ctx.call("it", refused));
  const flow = workflow({ id: "flow" }, (w) => w.call(caller, {}).output);
  await using holdfast = await openTest([caller, refused, flow]);
  for (const definition of [caller, flow]) {
    const { error } = await (await holdfast.start(definition, {})).ended();
    assert.deepEqual([error?.code, error?.hint], ["child_failed", "Make it small."]);
  }
});

// The fault: a refusal whose stack ends in the channel names no line of the body.
test("what is refused names the line that asked, and what was meant", async () => {
  const strict = task({ id: "strict", input: z.object({ n: z.number() }) }, ({ n }) => n);
  const asks: Readonly<Record<string, (ctx: TaskContext) => PromiseLike<unknown>>> = {
    call: (ctx) => ctx.call("k", "strickt", {}),
    start: (ctx) => ctx.start("k", "strict", {}),
    map: (ctx) => ctx.map("k", [1, 1], strict, { key: (n) => n, with: (n) => ({ n }) }),
    output: async (ctx) => await ctx.call("k", "nobody at all", {}),
  };
  const asker = task({ id: "asker" }, async ({ how }: { how: string }, ctx) => asks[how]?.(ctx));
  await using holdfast = await openTest([asker, strict]);
  const hints: (string | undefined)[] = [];
  for (const how of Object.keys(asks)) {
    const { error } = await (await holdfast.start(asker, { how })).ended();
    assert.match(error?.stack ?? "", /^AppError: .*\n {4}at .*waits\.test\.ts:\d+:\d+/, how);
    hints.push(error?.hint);
  }
  assert.equal(hints[0], 'Did you mean "strict"?');
  assert.match(hints[3] ?? "", /^Pass what is used as well: openTest/);
});

// The fault: the protocol's own words for too long a list.
test("who waits for more than may be open, or returns more jobs, is told the limit and what to do", async () => {
  const many = Array.from({ length: limits.openWaitsPerRun + 1 }, (_, n) => n);
  const naps = task({ id: "naps" }, (_input: unknown, ctx) => ctx.all(many.map((n) => ctx.sleep(`nap ${n}`, "1h"))));
  const jobs = task({ id: "jobs" }, () => many.map((n) => mock.job("success", { name: `j${n}` })));
  await using holdfast = await openTest([naps, jobs]);
  const ends = [await holdfast.start(naps, {}), await holdfast.start(jobs, {})];
  for (const [index, code] of ["limit_exceeded", "result_invalid"].entries()) {
    const error = (await ends[index]?.ended())?.error;
    assert.deepEqual([error?.code, error?.hint?.slice(0, 8)], [code, "Map a ta"]);
    assert.match(error?.message ?? "", /The run has reached its limit of 1000 openWaitsPerRun\.$/);
  }
});

test("a call whose input does not fit, or of what is not there, rejects alone", async () => {
  const strict = task({ id: "strict", input: z.object({ n: z.number() }) }, ({ n }) => n);
  const caller = task({ id: "caller" }, async (_input: unknown, ctx) => {
    const other = ctx.call("double", double, { n: 1 });
    const codes: unknown[] = [];
    for (const [key, id] of [
      ["unfit", "strict"],
      ["gone", "nobody"],
    ] as const) {
      await ctx
        .call(key, id, { n: "one" })
        .catch((error: unknown) => codes.push(isAppError(error) ? error.code : error));
    }
    return [...codes, await other];
  });
  await using holdfast = await openTest([caller, strict, double]);
  assert.deepEqual(await holdfast.run(caller, {}), ["invalid_input", "not_found", 2]);
});

test("a race records its winner, drops the others and cancels what they called", async () => {
  const slow = task({ id: "slow" }, async (_input: unknown, ctx) => ctx.sleep("long", "10h"));
  const starts: number[] = [];
  const caller = task({ id: "caller" }, async (_input: unknown, ctx) => {
    starts.push(ctx.epoch);
    const first = await ctx.race("first", { slow: ctx.call("slow", slow), time: ctx.sleep("time", "1h") });
    await ctx.sleep("later", "1h");
    return first.winner;
  });
  await using holdfast = await openTest([caller, slow]);
  const run = await holdfast.start(caller, {});
  assert.equal(await run.result(), "time");
  const child = (await run.tree()).find(({ name }) => name === "slow");
  assert.deepEqual([child?.status, starts], ["cancelled", [1, 2, 3]]);
});

test("all waits for everybody in one suspension, and rejects as the first of its list", async () => {
  const starts: number[] = [];
  const caller = task({ id: "caller" }, async (_input: unknown, ctx) => {
    starts.push(ctx.epoch);
    const waits = [ctx.sleep("a", "1h"), ctx.call("broken", broken), ctx.sleep("b", "2h")] as const;
    await ctx.all(waits).catch((error: unknown) => assert.ok(error instanceof CallError));
    return "done";
  });
  await using holdfast = await openTest([caller, broken]);
  assert.equal(await holdfast.run(caller, {}), "done");
  assert.deepEqual(starts, [1, 2]);
});

test("a wait is not suspended while a step is under way", async () => {
  const epochs: number[] = [];
  const caller = task({ id: "caller" }, async (_input: unknown, ctx) => {
    const step = ctx.step("work", async () => {
      epochs.push(ctx.epoch);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      return "worked";
    });
    return Promise.all([ctx.sleep("nap", "1h"), step]);
  });
  await using holdfast = await openTest([caller]);
  assert.deepEqual(await holdfast.run(caller, {}), [null, "worked"]);
  assert.deepEqual(epochs, [1]);
});

test("a run does not succeed before what it called, though nobody awaits it", async () => {
  let done = false;
  const slow = task({ id: "slow" }, async (_input: unknown, ctx) => {
    await ctx.sleep("long", "1h");
    done = true;
  });
  const caller = task({ id: "caller" }, (_input: unknown, ctx) => {
    void ctx.call("slow", slow);
    return "returned";
  });
  await using holdfast = await openTest([caller, slow]);
  assert.equal(await holdfast.run(caller, {}), "returned");
  assert.ok(done);
});

test("a call that takes longer than its timeout rejects with WaitTimedOut, and is ended", async () => {
  const slow = task({ id: "slow" }, (_input: unknown, ctx) => ctx.sleep("long", "10h"));
  const caller = task({ id: "caller" }, async (_input: unknown, ctx) => {
    return ctx.call("slow", slow, {}, { timeout: "1h" }).catch((error: unknown) => {
      assert.ok(error instanceof WaitTimedOut);
      return "late";
    });
  });
  await using holdfast = await openTest([caller, slow]);
  const run = await holdfast.start(caller, {});
  assert.equal(await run.result(), "late");
  assert.deepEqual(await run.logs(), [], "it was awaited, though it was over by then");
  assert.equal((await run.tree()).find(({ name }) => name === "slow")?.error?.code, "expired");
});

test("keys are used once: twice at once is an error, a step's key is no wait's, and nobody waits inside of a step", async () => {
  const caller = task({ id: "caller" }, async (_input: unknown, ctx) => {
    await ctx.step("step", () => 1);
    const open = ctx.sleep("nap", 1);
    if (ctx.epoch === 1) assert.throws(() => ctx.sleep("nap", 1), /is open already/);
    assert.throws(() => ctx.sleep("", 1), /1 to 512 characters/);
    assert.throws(() => ctx.sleep("x", "soon" as never), /takes a duration/);
    await assert.rejects(
      ctx.step("inside", () => ctx.sleep("x", 1)),
      /inside of the step/,
    );
    await open;
    await assert.rejects(ctx.sleep("step", 1), /key of a step/);
    await assert.rejects(
      ctx.step("nap", () => 1),
      /key of a wait/,
    );
  });
  await using holdfast = await openTest([caller]);
  await holdfast.run(caller, {});
});

test("a signal reaches its wait before, while and after it is open, once each, in their order", async () => {
  const listener = task({ id: "listener" }, async (_input: unknown, ctx) => {
    const heard: unknown[] = [];
    for (const n of [1, 2, 3]) heard.push(await ctx.waitForSignal(`wait-${n}`, { name: "news" }));
    return heard;
  });
  await using holdfast = await openTest([listener]);
  const run = await holdfast.start(listener, {});
  await run.signal("news", "early");
  await holdfast.clock.advance("1h");
  assert.deepEqual(
    (await run.status()).waits?.map(({ key, signal }) => [key, signal]),
    [["wait-2", "news"]],
  );
  await run.signal("news", { n: 2 });
  await run.signal("news");
  assert.deepEqual(await run.result(), ["early", { n: 2 }, null]);
  await assert.rejects(run.signal("news"), (error) => isAppError(error, "run_ended"));
});

test("a signal that does not fit its schema rejects, and one that does not come in time", async () => {
  const listener = task({ id: "listener" }, async (_input: unknown, ctx) => {
    const errors: string[] = [];
    const schema = z.object({ by: z.string() });
    await ctx.waitForSignal("unfit", { schema }).catch((error: Error) => errors.push(error.name));
    await ctx.waitForSignal("late", { timeout: "1h" }).catch((error: Error) => errors.push(error.name));
    return [...errors, (await ctx.waitForSignal("fit", { schema })).by];
  });
  await using holdfast = await openTest([listener]);
  const run = await holdfast.start(listener, {});
  await run.signal("unfit", { by: 1 });
  await run.signal("fit", { by: "Ada" });
  assert.deepEqual(await run.result(), ["TypeError", "WaitTimedOut", "Ada"]);
});

test("a cancel ends a run that waits and what it called; a try that is over leaves what is open to the next", async () => {
  const slow = task({ id: "slow" }, (_input: unknown, ctx) => ctx.sleep("long", "10h"));
  const caller = task({ id: "caller", retry: { attempts: 2, delay: "1h" } }, async (_input: unknown, ctx) => {
    const call = ctx.call("slow", slow);
    await ctx.sleep("short", "1h");
    if (ctx.attempt === 1) throw new Error("not yet");
    await call;
    return ctx.attempt;
  });
  await using holdfast = await openTest([caller, slow]);
  const run = await holdfast.start(caller, {});
  assert.equal(await run.result(), 2);
  assert.equal((await run.tree()).length, 2);
  const other = await holdfast.start(caller, {});
  await holdfast.clock.advance("30m");
  await other.cancel();
  assert.equal((await other.ended()).status, "cancelled");
  assert.deepEqual(
    (await other.tree()).map(({ status }) => status),
    ["cancelled", "cancelled"],
  );
});

test("ten thousand runs wait in rows alone: nothing of them is at work, and each goes on at its time", async () => {
  const nap = task({ id: "nap" }, async ({ n }: { n: number }, ctx) => {
    await ctx.sleep("night", "8h");
    return n;
  });
  await using holdfast = await openTest([nap]);
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  for (let n = 0; n < 10_000; n++) await holdfast.start(nap, { n });
  await holdfast.clock.advance("1h");
  const some = await holdfast.runs();
  assert.ok(some.every(({ status, epoch }) => status === "waiting" && epoch === 1));
  assert.ok(timers() <= before, "a run that waits has no timer");
  await holdfast.clock.advance("8h");
  const done = await holdfast.runs();
  assert.ok(done.every(({ status, epoch }) => status === "succeeded" && epoch === 2));
});

/** Each method of a context that does something once or waits: what it does, and under which key. */
const methods: Readonly<Record<string, (ctx: TaskContext, effects: string[]) => Promise<unknown>>> = {
  step: (ctx, effects) => ctx.step("key", () => effects.push("step") && "stepped"),
  sleep: (ctx) => ctx.sleep("key", "1h"),
  call: (ctx) => ctx.call("key", "effect", {}),
  map: (ctx) => ctx.map("key", ["a", "b"], effect, { key: (item) => item, with: () => ({}) }),
  all: (ctx) => ctx.all([ctx.call("key", "effect", {}), ctx.sleep("other", "1h")]),
  race: (ctx) => ctx.race("race", { call: ctx.call("key", "effect", {}), time: ctx.sleep("other", "9h") }),
  start: async (ctx) => (await ctx.start("key", "effect", {})) !== undefined,
};
let counted = 0;
const effect = task({ id: "effect" }, (_input: unknown, ctx) => ctx.step("count", () => ++counted && "done"));
const crashes = {
  step: ["step:key", "recorded:key", "succeed"],
  start: ["step:key", "recorded:key", "succeed"],
  race: ["wait:key", "waiting:key", "wait:race", "waiting:race", "succeed"],
  other: ["wait:key", "waiting:key", "succeed"],
} as const;

for (const [name, method] of Object.entries(methods)) {
  const points = crashes[name as "step"] ?? crashes.other;
  for (const crash of [undefined, ...points]) {
    const what = crash === undefined ? "and the run waits afterwards" : `though its process dies at ${crash}`;
    test(`ctx.${name} has one effect and one answer, ${what}`, async () => {
      counted = 0;
      const effects: string[] = [];
      const answers: unknown[] = [];
      const body = task({ id: "body" }, async (_input: unknown, ctx) => {
        answers.push(await method(ctx, effects));
        await ctx.sleep("afterwards", "1h");
        return true;
      });
      await using holdfast = await openTest({ body, effect });
      if (crash !== undefined) holdfast.crashAt(crash, { of: body });
      assert.equal(await holdfast.run(body, {}), true);
      for (const run of await holdfast.runs()) if (run.definition === "effect") assert.equal(run.status, "succeeded");
      const once = { step: 1, sleep: 0, call: 1, map: 2, all: 1, race: 1, start: 1 }[name];
      // A step's function may run again until its record commits, and only then.
      const happened = name === "step" ? effects.length : counted;
      assert.equal(happened, crash === "step:key" && name === "step" ? 2 : once);
      assert.ok(answers.length >= 2);
      for (const answer of answers) assert.deepEqual(answer, answers[0]);
    });
  }
}
