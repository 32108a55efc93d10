// Faults to catch: what a workflow was made urgent by does not reach the tasks that do its work; a retry policy that a call
// states for its task is not the one that holds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { task, workflow } from "@holdfast/sdk";
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
