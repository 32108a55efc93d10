// Faults to catch: a pattern, an expression or a list of a user that keeps the node's thread for ever, so that it answers
// nobody, loses its lease and cannot be told to stop; a run that is tried again and again with it; work that is cut off
// because other processes had the processor.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, type Json, type TaskSpec } from "@holdfast/protocol";
import { task, workflow } from "@holdfast/sdk";
import { z } from "zod";
import { evaluateExpression, parseExpression } from "../expressions.ts";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { openTest } from "../testing/index.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { doBounded, doPart, Overrun } from "./bounded-work.ts";
import { Definitions } from "./definitions.ts";
import { Evaluator } from "./evaluation/evaluator.ts";
import { longestWorkMs } from "./evaluation/slowness.ts";
import { taskSpec } from "./manifest.fixture.ts";

const hostile = `${"a".repeat(44)}!`;
const backtracking = "^(a+)+$";

test("work that never ends is cut off, and says where it was and what to do", () => {
  const forever = () => doPart("the loop", "Leave it.", () => { for (;;); }); // biome-ignore format: one line
  assert.throws(
    () => doBounded(forever, 100),
    (error) => {
      assert.ok(error instanceof Overrun);
      assert.deepEqual([error.part, error.hint], ["the loop", "Leave it."]);
      return true;
    },
  );
  const caught = () => { for (;;) try { for (;;); } catch {} finally { /* again */ } }; // biome-ignore format: one line
  assert.throws(() => doBounded(caught, 100), Overrun);
  assert.equal(
    doBounded(() => 1, 100),
    1,
  );
  const own = new AppError("not_found", "It is not there.");
  assert.throws(() => doBounded(() => { throw own; }, 100), own); // biome-ignore format: one line
});

test("a pattern that never comes to an end refuses the input or output that it stands in, by name", async () => {
  const definitions = new Definitions({ store: openMemoryStore({ clock: new VirtualClock() }), namespace: "n" });
  const schema: Json = { type: "object", properties: { v: { type: "string", pattern: backtracking } } };
  const spec = { ...taskSpec, executor: "python", input: schema, output: structuredClone(schema) } as TaskSpec;
  const at = `took longer than ${longestWorkMs} ms; it was at the pattern ^(a+)+$.`;
  const hint = /repeats within what repeats/;
  await assert.rejects(definitions.fitInput(spec, { v: hostile }), {
    ...{ code: "invalid_input", message: `Checking the input of "unit" ${at}`, hint },
  });
  await assert.rejects(definitions.checkOutput(spec, { v: hostile }), {
    ...{ code: "invalid_output", message: `Checking the output of "unit" ${at}`, hint },
  });
  assert.deepEqual(await definitions.fitInput(spec, { v: "aaa" }), { v: "aaa" });
  await assert.rejects(definitions.fitInput(spec, { v: "b" }), { message: /v must match pattern/ });
});

test("what a schema compares each with each is bounded as well", async () => {
  const definitions = new Definitions({ store: openMemoryStore({ clock: new VirtualClock() }), namespace: "n" });
  const spec = { ...taskSpec, input: { type: "array", uniqueItems: true } };
  const list = Array.from({ length: 60_000 }, (_, i) => ({ i }));
  await assert.rejects(definitions.fitInput(spec, list), { code: "invalid_input", message: /took longer than/ });
  let deep: Json = {};
  for (let i = 0; i < 100; i++) deep = { a: deep };
  const branch = { properties: { a: { $ref: "#/$defs/n" } }, not: { required: ["z"], properties: { a: {} } } };
  const twice = { ...taskSpec, input: { $ref: "#/$defs/n", $defs: { n: { allOf: [branch, branch] } } } };
  await assert.rejects(definitions.fitInput(twice, deep), { code: "invalid_input", message: /took longer than/ });
});

test("an expression whose work grows with the square of a list is cut off by name, and can be used again", async () => {
  const list = Array.from({ length: 50_000 }, (_, i) => i);
  const cel = "size(params.l.filter(a, params.l.exists(b, b == a + 0.5))) > 0";
  const evaluator = new Evaluator();
  const bind = (l: Json) => evaluator.bind({ list: [{ cel }] }, { params: { l }, outputs: new Map() }, "its when");
  await assert.rejects(bind(list), {
    code: "invalid_input",
    message: `Binding its when took longer than ${longestWorkMs} ms; it was at the expression \`${cel}\`.`,
    hint: /do this work in a task/,
  });
  assert.deepEqual(await bind([1, 1.5]), [true]);
  assert.deepEqual(await bind([1, 2]), [false]);
  const matches = `params.v.matches("${backtracking}")`;
  const scope = { params: { v: hostile }, outputs: new Map() };
  await assert.rejects(evaluator.bind({ cel: matches }, scope, "its when"), { message: /it was at the expression/ });
});

// The fault: V8 ends the process for a list that is too long.
test("a text or list that doubles and doubles ends in an error", () => {
  const scope = { params: { l: Array.from({ length: 250_000 }, () => 0), s: "x".repeat(250_000) }, tasks: {} };
  for (const start of ["params.l", "params.s"]) {
    let text = "size(z20)";
    for (let i = 20; i > 0; i--) text = `cel.bind(z${i}, z${i - 1} + z${i - 1}, ${text})`;
    const doubling = parseExpression(`cel.bind(z0, ${start}, ${text})`);
    assert.throws(() => evaluateExpression(doubling, scope), /a text or list in it is larger than 16777216 bytes/);
  }
  const whole = parseExpression("params.l.map(x, params.l)");
  assert.throws(() => evaluateExpression(whole, scope), { message: /larger than 16777216 bytes/, hint: /in files/ });
});

test("many pieces are done in order, and others have the thread between", async () => {
  const list = Array.from({ length: 2_000 }, (_, i) => i);
  let turns = 0;
  let isDone = false;
  const others = (async () => {
    for (; !isDone; turns++) await new Promise((resolve) => setImmediate(resolve));
  })();
  const itemKey = { cel: `string(int(item) + size(params.l.filter(a, a < 0.0)))` };
  const scope = { params: { l: list }, outputs: new Map() };
  const keys = await new Evaluator().keys({ itemKey, scope, list, name: "each" });
  isDone = true;
  assert.deepEqual(keys, list.map(String));
  await others;
  assert.ok(turns > 2, `the loop has turned ${turns} times`);
});

test("however many starts hang in one pattern, the event loop turns between them", async () => {
  const clock = new VirtualClock();
  const { definitions, runs } = serve(openMemoryStore({ clock }), { clock });
  const v = { type: "string", pattern: backtracking };
  const evil = { ...taskSpec, input: { type: "object", properties: { v } } };
  await definitions.apply([{ format: 1, root: "unit", definitions: { unit: evil }, assets: {} }]);
  let turns = 0;
  let isDone = false;
  const others = (async () => {
    for (; !isDone; turns++) await new Promise((resolve) => setImmediate(resolve));
  })();
  const starts = [1, 2, 3].map((n) => runs.start({ definition: "unit", input: { v: `${hostile}${n}` } }));
  const ends = await Promise.allSettled(starts);
  isDone = true;
  await others;
  assert.deepEqual(
    ends.map((end) => (end.status === "rejected" ? (end.reason as AppError).code : end.status)),
    ["invalid_input", "invalid_input", "invalid_input"],
  );
  assert.ok(turns >= 3, `the loop has turned ${turns} times`);
});

test("a run that comes to such a value fails once, with the reason, and the next one goes on", async () => {
  const evil = task(
    { id: "evil", input: z.object({ v: z.string().regex(/^(a+)+$/) }), retry: { attempts: 5 } },
    () => 1,
  );
  const called = workflow({ id: "called", params: z.object({ v: z.string() }) }, (w) => {
    return w.call(evil, { v: w.params.v }).output;
  });
  const mapped = workflow({ id: "mapped", params: z.object({ v: z.string() }) }, (w) => {
    return w.map(["b", "c"], evil, { key: (item) => item, with: () => ({ v: w.params.v }) }).outputs;
  });
  await using holdfast = await openTest({ evil, called, mapped });
  for (const flow of ["called", "mapped"]) {
    const run = await holdfast.start(flow, { v: hostile });
    await assert.rejects(run.result(), (error: unknown) => {
      assert.ok(error instanceof Error);
      assert.match(error.message, /took longer than 1000 ms; it was at the pattern \^\(a\+\)\+\$\./);
      return true;
    });
    assert.equal((await run.status())?.attempt, 1);
    assert.deepEqual(await holdfast.run(flow, { v: "aa" }), flow === "called" ? 1 : [1, 1]);
  }
});
