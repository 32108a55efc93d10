// What a task's `onCancel` sees and does. Faults to catch: a run that ends without its clean-up, or before what it called has ended; a
// clean-up of a run whose body never began, or that failed by itself; one that is not tried again after a crash or an error, or for
// ever; one whose failure changes how the run ends; one that waits; one that begins while the body is at work.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CleanUp, type CleanUpContext, FatalError, type TaskContext, task, workflow } from "@holdfast/sdk";
import { mock } from "@holdfast/sdk/external";
import { openTest } from "./index.ts";

interface Named {
  readonly name: string;
}

/** A task that makes something, waits, and takes it away when it is cut off. */
function cluster(onCancel: CleanUp<Named>, wait?: (ctx: TaskContext) => unknown) {
  return task({ id: "cluster", onCancel, expiresAfter: "1d" }, async ({ name }: Named, ctx) => {
    await ctx.step("made", () => `${name}-17`);
    await (wait ?? (() => ctx.sleep("night", "8h")))(ctx);
    return "done";
  });
}

/** Resolves when the signal fires. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener("abort", resolve));
}

test("a waiting run that is cancelled is cleaned up with what its body recorded, and then it is cancelled", async () => {
  const order: string[] = [];
  let message = "";
  const made = cluster(async ({ name }, ctx) => {
    order.push(`clean ${name} ${ctx.try}`);
    assert.equal(await ctx.recorded("made"), "eu-17");
    assert.equal(await ctx.step("made", () => "again"), "eu-17");
    assert.equal(await ctx.recorded("unknown"), undefined);
    await ctx.step("deleted", () => order.push("deleted"));
    await ctx.state.set("gone", true);
    assert.equal(await ctx.state.get("gone"), true);
    ctx.log.info("gone");
    assert.deepEqual([ctx.reason.code, ctx.run.name, ctx.attempt, ctx.epoch], ["cancelled", "cluster", 1, 2]);
    message = ctx.reason.message;
  });
  await using holdfast = await openTest([made]);
  const run = await holdfast.start(made, { name: "eu" });
  await holdfast.clock.advance("1h");
  await run.cancel("too dear");
  const ended = await run.ended();
  assert.deepEqual([ended.status, order], ["cancelled", ["clean eu 1", "deleted"]]);
  assert.match(message, /too dear/);
  assert.match(ended.error?.message ?? "", /too dear/);
  assert.ok((await run.logs()).some(({ text }) => text === "gone"));
});

test("a body at work ends before its run is cleaned up, and so does what it called", async () => {
  const order: string[] = [];
  const below = task({ id: "below", onCancel: () => order.push("clean below") }, async (_: unknown, ctx) => {
    order.push("below");
    await aborted(ctx.abortSignal);
    order.push("below ends");
  });
  const made = cluster(
    () => order.push("clean"),
    (ctx) => ctx.call("below", below, {}),
  );
  await using holdfast = await openTest([made, below]);
  const run = await holdfast.start(made, { name: "eu" });
  await holdfast.clock.advance(0);
  await run.cancel();
  assert.equal((await run.ended()).status, "cancelled");
  assert.deepEqual(order, ["below", "below ends", "clean below", "clean"]);
});

test("an external job has ended before its run is cleaned up", async () => {
  const order: string[] = [];
  const made = cluster(
    () => order.push("clean"),
    (ctx) => ctx.external("job", mock.job("running")),
  );
  await using holdfast = await openTest([made]);
  const run = await holdfast.start(made, { name: "eu" });
  await holdfast.clock.advance("1h");
  await run.cancel();
  assert.equal((await run.ended()).status, "cancelled");
  assert.deepEqual(order, ["clean"]);
});

test("a run that expires is cleaned up and fails; one that fails by itself, or never began, is not", async () => {
  const order: string[] = [];
  const made = cluster(
    (_, ctx) => order.push(ctx.reason.code),
    (ctx) => ctx.waitForSignal("never"),
  );
  const broken = task({ id: "broken", onCancel: () => order.push("broken") }, () => {
    throw new FatalError("by itself");
  });
  await using holdfast = await openTest([made, broken]);
  const expired = await (await holdfast.start(made, { name: "eu" })).ended();
  assert.deepEqual([expired.status, expired.error?.code], ["failed", "expired"]);
  assert.equal((await (await holdfast.start(broken)).ended()).status, "failed");
  const later = await holdfast.start(made, { name: "us" }, { startAfter: new Date(holdfast.clock.now() + 60_000) });
  await later.cancel();
  assert.equal((await later.ended()).status, "cancelled");
  assert.deepEqual(order, ["expired"]);
});

test("a clean-up that crashes begins again, and what it recorded answers", async () => {
  for (const point of ["onCancel", "step:deleted", "recorded:deleted", "cleaned"] as const) {
    const order: string[] = [];
    const made = cluster(async (_, ctx) => {
      order.push(`begins ${ctx.try}`);
      await ctx.step("deleted", () => order.push("deletes"));
    });
    await using holdfast = await openTest([made]);
    holdfast.crashAt(point);
    const run = await holdfast.start(made, { name: "eu" });
    await holdfast.clock.advance("1h");
    await run.cancel();
    assert.equal((await run.ended()).status, "cancelled");
    const begins = ["begins 1", "deletes", "begins 1"];
    const expected = { onCancel: ["begins 1", "deletes"], "step:deleted": [...begins, "deletes"] };
    assert.deepEqual(order, point in expected ? expected[point as keyof typeof expected] : begins, point);
  }
});

test("a clean-up that fails is tried three times; its run is cancelled all the same, and says so", async () => {
  const tries: number[] = [];
  const made = cluster((_, ctx) => {
    tries.push(ctx.try);
    throw new Error("the service is down");
  });
  await using holdfast = await openTest([made]);
  const run = await holdfast.start(made, { name: "eu" });
  await holdfast.clock.advance("1h");
  await run.cancel();
  const ended = await run.ended();
  assert.deepEqual([ended.status, tries], ["cancelled", [1, 2, 3]]);
  assert.match(ended.error?.message ?? "", /onCancel.* failed 3 times: the service is down/);
});

test("a clean-up says how often it is tried and how long; FatalError ends it at once", async () => {
  const tries: number[] = [];
  const fatal = cluster({
    run: (_, ctx) => {
      tries.push(ctx.try);
      throw ctx.try === 2 ? new FatalError("no use") : new Error("again");
    },
    attempts: 5,
  });
  const slow = task(
    { id: "slow", onCancel: { run: (_, ctx) => aborted(ctx.abortSignal), timeout: "30s", attempts: 1 } },
    async (_: unknown, ctx) => ctx.sleep("night", "8h"),
  );
  await using holdfast = await openTest([fatal, slow]);
  const first = await holdfast.start(fatal, { name: "eu" });
  const second = await holdfast.start(slow);
  await holdfast.clock.advance("1h");
  await first.cancel();
  assert.equal((await first.ended()).status, "cancelled");
  assert.deepEqual(tries, [1, 2]);
  await second.cancel();
  await holdfast.clock.advance("31s");
  const ended = await second.ended();
  assert.equal(ended.status, "cancelled");
  assert.match(ended.error?.message ?? "", /longer than its timeout of 30s/);
});

test("a clean-up waits for nothing, whatever it asks for", async () => {
  const said: string[] = [];
  const made = cluster(async (_, ctx) => {
    const all = ctx as unknown as TaskContext;
    const asks = [
      () => all.sleep("a", "1h"),
      () => all.waitForSignal("b"),
      () => all.call("c", "cluster", {}),
      () => all.external("d", mock.job("running")),
      () => all.skip("e"),
    ];
    for (const ask of asks) {
      try {
        await ask();
      } catch (error) {
        said.push(String(error));
      }
    }
  });
  await using holdfast = await openTest([made]);
  const run = await holdfast.start(made, { name: "eu" });
  await holdfast.clock.advance("1h");
  await run.cancel();
  assert.equal((await run.ended()).status, "cancelled");
  assert.equal(said.length, 5);
  for (const text of said) assert.match(text, /cannot be used in onCancel/);
});

test("a task of a workflow is cleaned up with the input that it was bound, and then the workflow is cancelled", async () => {
  const order: string[] = [];
  const made = cluster(({ name }) => order.push(`clean ${name}`));
  const name = task({ id: "name" }, () => "eu");
  const flow = workflow({ id: "flow" }, (w) => w.call(made, { name: w.call(name).output }).output);
  await using holdfast = await openTest([flow, name, made]);
  const run = await holdfast.start(flow, {});
  await holdfast.clock.advance("1h");
  await run.cancel();
  assert.equal((await run.ended()).status, "cancelled");
  const statuses = (await run.tree()).map((each) => `${each.name} ${each.status}`);
  assert.deepEqual(statuses.sort(), ["cluster cancelled", "flow cancelled", "name succeeded"]);
  assert.deepEqual(order, ["clean eu"]);
});

test("what a clean-up reads of a call is its output, however large", async () => {
  const large = task({ id: "large" }, () => "x".repeat(100_000));
  let length = 0;
  const made = cluster(
    async (_, ctx: CleanUpContext) => {
      length = String(await ctx.recorded("large")).length;
      assert.equal(await ctx.recorded("small"), 4);
    },
    async (ctx) => {
      await ctx.call("large", large);
      await ctx.call("small", four);
      await ctx.sleep("night", "8h");
    },
  );
  const four = task({ id: "four" }, () => 4);
  await using holdfast = await openTest([made, large, four]);
  const run = await holdfast.start(made, { name: "eu" });
  await holdfast.clock.advance("1h");
  await run.cancel();
  assert.equal((await run.ended()).status, "cancelled");
  assert.equal(length, 100_000);
});
