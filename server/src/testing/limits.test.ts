import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError, limits } from "@holdfast/protocol";
import { type Task, task, type Workflow, workflow } from "@holdfast/sdk";
import { openTest } from "./index.ts";

// P11: what is just within a limit works, what is just over it is a clear error, and nothing else is harmed.

const echo = task({ id: "echo" }, (input: unknown) => input as string);
const noop = task({ id: "noop" }, () => 1);
/** A string whose JSON has exactly so many bytes. */
const ofBytes = (bytes: number) => "x".repeat(bytes - 2);

test("an input just within its limit runs, one byte more is refused before there is a run", async () => {
  await using holdfast = await openTest([echo]);
  // As output it would be within its limit too: both allow the same.
  assert.equal((await holdfast.run("echo", ofBytes(limits.inputBytes)))?.toString().length, limits.inputBytes - 2);
  await assert.rejects(holdfast.start("echo", ofBytes(limits.inputBytes + 1)), (error) =>
    isAppError(error, "too_large"),
  );
});

test("an output over its limit fails the run in words", async () => {
  const big = task({ id: "big" }, () => ofBytes(limits.outputBytes + 1));
  await using holdfast = await openTest([big]);
  const { status, error } = await (await holdfast.start(big, {})).ended();
  assert.equal(status, "failed");
  assert.match(error?.message ?? "", /1048577 bytes/);
});

test("a step's value over its limit fails the body, which may catch that", async () => {
  const careful = task({ id: "careful" }, async (_input: unknown, ctx) => {
    await ctx.step("fits", () => ofBytes(limits.stepValueBytes));
    return await ctx
      .step("too much", () => ofBytes(limits.stepValueBytes + 1))
      .then(
        () => "recorded",
        (error: unknown) => (isAppError(error) ? error.code : String(error)),
      );
  });
  await using holdfast = await openTest([careful]);
  assert.equal(await holdfast.run(careful, {}), "too_large");
});

test("the last step allowed is recorded, the next is refused", async () => {
  const many = task({ id: "many" }, async (_input: unknown, ctx) => {
    for (let i = 0; i < limits.stepsPerRun; i++) await ctx.step(`step-${i}`, () => i);
    return await ctx
      .step("one more", () => 0)
      .then(
        () => "recorded",
        (error: unknown) => (isAppError(error) ? error.code : String(error)),
      );
  });
  await using holdfast = await openTest([many]);
  assert.equal(await holdfast.run(many, {}), "limit_exceeded");
});

function chain(length: number): Workflow {
  return workflow({ id: "wide" }, (w) => {
    for (let i = 0; i < length; i++) w.call(noop, {}, { as: `n${i}` });
    return null;
  }) as Workflow;
}

test("a workflow of as many nodes as are allowed compiles, one more does not", async () => {
  await using holdfast = await openTest([noop, chain(limits.nodesPerWorkflow)]);
  assert.ok(holdfast);
  await assert.rejects(openTest([noop, chain(limits.nodesPerWorkflow + 1)]), (error) =>
    isAppError(error, "invalid_definition"),
  );
});

function nested(depth: number): (Workflow | Task)[] {
  const all: (Workflow | Task)[] = [noop as Task];
  for (let level = 1; level <= depth; level++) {
    const inner = all.at(-1) ?? noop;
    all.push(workflow({ id: `level-${level}` }, (w) => w.call(inner as Task<unknown>, {}).output) as Workflow);
  }
  return all;
}

test("workflows nest as deep as is allowed, and one level more is refused", async () => {
  await using holdfast = await openTest(nested(limits.treeDepth - 1));
  assert.equal(await holdfast.run(`level-${limits.treeDepth - 1}`, {}), 1);
  await assert.rejects(openTest(nested(limits.treeDepth)), (error) => isAppError(error, "invalid_definition"));
});

test("a map over more items than are allowed fails before it has children", async () => {
  const count = task({ id: "count" }, () => limits.itemsPerMap + 1);
  const list = task({ id: "list", input: undefined }, () =>
    Array.from({ length: limits.itemsPerMap + 1 }, (_, i) => i),
  );
  const wide = workflow({ id: "wide-map" }, (w) => {
    const items = w.call(list, {});
    return w.map(items.output, echo, { key: (item) => item, with: (item) => item }).outputs;
  });
  await using holdfast = await openTest([count, echo, list, wide]);
  const run = await holdfast.start(wide, {});
  assert.equal((await run.ended()).status, "failed");
  const map = (await run.tree()).find(({ kind }) => kind === "map");
  assert.match(map?.error?.message ?? "", /100001 items; 100000 are allowed/);
});

test("items with one key, or with a key that is none, fail the map in words", async () => {
  const given = (list: unknown) => task({ id: "echo" }, () => list as string);
  for (const [list, words] of [
    [["a", "b", "a"], /Two items .* "a"/],
    [[{}], /has the key {}/],
    ["text", /not a list/],
    // The words quote a part of it, and the cut goes through an emoji: half of one cannot be stored.
    [`a${"😀".repeat(50)}`, /not a list/],
  ] as const) {
    const source = given(list);
    const flow = workflow({ id: "flow" }, (w) => {
      const items = w.call(source, {});
      return w.map(items.output as never, noop, { key: (item: never) => item, with: () => ({}) }).outputs;
    });
    await using holdfast = await openTest([source, noop, flow]);
    const run = await holdfast.start(flow, {});
    await run.ended();
    const map = (await run.tree()).find(({ kind }) => kind === "map");
    assert.match(map?.error?.message ?? "", words);
  }
});

test("a map whose items' inputs are too much together fails in words that say what to do", async () => {
  const names = Array.from({ length: 80 }, (_, place) => String(place));
  const list = task({ id: "list" }, () => names);
  const part = task({ id: "part" }, (input: { name: string; data: string }) => input.name);
  const wide = workflow({ id: "wide-map" }, (w) => {
    const found = w.call(list);
    const data = w.call(filler);
    return w.map(found.output, part, { key: (name) => name, with: (name) => ({ name, data: data.output }) }).outputs;
  });
  const filler = task({ id: "filler" }, () => ofBytes(900_000));
  await using holdfast = await openTest([wide, list, part, filler]);
  const { status, error } = await (await holdfast.start(wide, {})).ended();
  assert.equal(status, "failed");
  assert.match(error?.message ?? "", /inputs of the 80 items of "part" are longer than 67108864 characters/);
});
