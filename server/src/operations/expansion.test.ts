// Faults to catch: what a workflow was made urgent by does not reach the tasks that do its work; a retry policy that a call
// states for its task is not the one that holds; outputs of a map that fill the memory;
// what an expression makes and no store keeps is told in the store's words, or by a run that never ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cel, task, workflow } from "@holdfast/sdk";
import { z } from "zod";
import { openTest } from "../testing/index.ts";

test("a child is as urgent as its parent, down the tree, and more so by its own priority", async () => {
  const calm = task({ id: "calm" }, () => 1);
  const urgent = task({ id: "urgent", priority: 9 }, () => 1);
  const inner = workflow({ id: "inner" }, (w) => w.map([1], calm, { key: (n) => n, with: () => ({}) }).outputs);
  const outer = workflow({ id: "outer", priority: 5 }, (w) => {
    w.call(calm, {});
    w.call(urgent, {});
    return w.call(inner, {}).output;
  });
  await using holdfast = await openTest({ calm, urgent, inner, outer });
  const run = await holdfast.start(outer, {});
  await run.result();
  const priorities = (await run.tree()).map(({ name, priority }) => `${name} ${priority}`).sort();
  assert.deepEqual(priorities, ["calm 5", "calm 5", "calm[1] 5", "inner 5", "outer 5", "urgent 9"]);
});

test("a retry policy of a call goes before its task's", async () => {
  let tries = 0;
  const flaky = task({ id: "flaky", retry: { attempts: 2, delay: "1s" } }, () => {
    tries += 1;
    throw new Error("never");
  });
  const flow = workflow({ id: "flow" }, (w) => {
    return w.call(flaky, {}, { retry: { attempts: 4, delay: "1s" } }).output;
  });
  await using holdfast = await openTest({ flaky, flow });
  assert.equal((await (await holdfast.start(flow, {})).ended()).status, "failed");
  assert.equal(tries, 4);
});

// The fault: everything is read into the node before it is known to be too much.
test("a map's outputs are collected over pages, and no further than they may be large together", async () => {
  const large = task({ id: "large" }, ({ n }: { n: number }) => `${n} ${"x".repeat(1_000_000)}`);
  const flow = workflow({ id: "flow", params: z.object({ items: z.array(z.number()) }) }, (w) => {
    return w.map(w.params.items, large, { key: (n) => n, with: (n) => ({ n }) }).outputs;
  });
  await using holdfast = await openTest({ large, flow });
  const items = (count: number) => Array.from({ length: count }, (_, n) => n);
  const outputs = await holdfast.run(flow, { items: items(16) });
  assert.deepEqual(outputs.map((output) => Number(output.slice(0, 2))), items(16)); // biome-ignore format: one line
  const ended = await (await holdfast.start(flow, { items: items(40) })).ended();
  assert.equal(ended.status, "failed");
  assert.match(
    ended.error?.message ?? "",
    /The outputs of "large" have more than 16777216 bytes, at item 17 already\./,
  );
});

test("what an expression makes of its own that no store keeps fails its run, and the error names the expression", async () => {
  const nul = cel`"a\u0000"`;
  const echo = task({ id: "echo" }, (input: unknown) => input as string);
  const line = task({ id: "line", concurrencyKey: () => cel<string>`"k\u0000"` }, () => 1);
  const input = workflow({ id: "input" }, (w) => w.call(echo, { v: nul }).output);
  const output = workflow({ id: "output" }, (w) => ({ done: w.call(echo, {}).output, r: nul }));
  const items = workflow(
    { id: "items" },
    (w) => w.map([1], echo, { key: (n) => cel`"a\u0000" + string(${n})`, with: () => ({}) }).outputs,
  );
  const called = workflow({ id: "called" }, (w) => w.call(line, {}).output);
  await using holdfast = await openTest({ echo, line, input, output, items, called });
  const wanted = [
    ["input", '"echo"\'s input.v'],
    ["output", '"output"\'s output.r'],
    ["items", '"echo"\'s key'],
    ["called", 'concurrency key of "line"'],
  ] as const;
  for (const [flow, place] of wanted) {
    const { status, error } = await (await holdfast.start(flow, {})).ended();
    assert.equal(status, "failed");
    assert.ok(error?.message.includes(place), `${error?.message} names ${place}`);
    assert.match(error?.message ?? "", /a text in its value has a NUL, which cannot be stored/);
  }
  await assert.rejects(holdfast.start(line, {}), /concurrency key of "line" failed: a text in its value has a NUL/);
});
