// Faults to catch: each value for which a pattern never ends given as much time as the first; what was slow once refused for
// ever, or values for which it is quick; a thread that ends with the work of others; work in one queue behind a flood.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, Manifest, TaskSpec } from "@holdfast/protocol";
import { taskSpec } from "../manifest.fixture.ts";
import { Evaluator } from "./evaluator.ts";
import { longestWorkMs, Slowness } from "./slowness.ts";

const hostile = `${"a".repeat(44)}!`;
const bounded = { what: "Checking it", code: "invalid_input" } as const;
const options = { what: "schema", useDefaults: false };
const endless = () => ({ type: "string", pattern: "^(a+)+$" });

test("what runs over its bound again and again is held to less and less, and trusted again after a while", () => {
  let nowMs = 0;
  const slowness = new Slowness(() => nowMs);
  const [it, other] = [{}, {}];
  assert.equal(slowness.boundMs(it), undefined);
  const bounds = Array.from({ length: 8 }, () => {
    slowness.note(it);
    return slowness.boundMs(it);
  });
  assert.deepEqual(bounds, [500, 250, 125, 62, 31, 25, 25, 25]);
  assert.equal(slowness.boundMs(other), undefined);
  slowness.note(other);
  assert.deepEqual([slowness.leftMs(other), slowness.leftMs(it)], [10_000, 320_000]);
  nowMs = 10_000;
  assert.deepEqual([slowness.boundMs(other), slowness.boundMs(it)], [undefined, 25]);
  nowMs = 320_000;
  assert.equal(slowness.boundMs(it), undefined);
});

test("after a value that never ended the next has less time and is told so, and a quick one passes", async () => {
  const evaluator = new Evaluator();
  const schema = endless();
  await assert.rejects(evaluator.fit(hostile, schema, options, bounded), {
    message: `Checking it took longer than ${longestWorkMs} ms; it was at the pattern ^(a+)+$.`,
    hint: /check the text in the task\.$/,
  });
  await assert.rejects(evaluator.fit(hostile, schema, options, bounded), {
    ...{ code: "invalid_input", message: "Checking it took longer than 500 ms; it was at the pattern ^(a+)+$." },
    hint: /It has less time than others for \d+ s yet, since it has run over 1000 ms of late\.$/,
  });
  assert.deepEqual(await evaluator.fit("aaa", schema, options, bounded), { value: "aaa" });
  await evaluator.close();
});

test("kinds of work take turns, however many of one wait, and those who can ask again are refused then", async () => {
  const evaluator = new Evaluator();
  const schema = endless();
  const ended: string[] = [];
  const flood = Array.from({ length: 120 }, () =>
    evaluator.fit(hostile, schema, options, { ...bounded, mayRefuse: true }).catch(({ code }: { code: string }) => {
      ended.push(code);
    }),
  );
  await evaluator.fit(hostile, endless(), options, bounded).catch(() => ended.push("other"));
  await Promise.all(flood);
  const count = (code: string) => ended.filter((each) => each === code).length;
  assert.deepEqual([count("limit_exceeded"), count("invalid_input"), count("other")], [20, 100, 1]);
  const before = ended.slice(0, ended.indexOf("other")).filter((code) => code === "invalid_input");
  assert.ok(before.length <= 2, `${before.length} of the flood came before the other`);
  await evaluator.close();
});

// The fault: V8 ends a process, and with it the node, for memory that a list takes.
test("what takes more memory than there is ends the thread, not the node, and others' work is done again", async () => {
  const evaluator = new Evaluator({ memoryMb: 64 });
  const l = Array.from({ length: 200_000 }, (_, i) => i);
  const scope = { params: { l }, outputs: new Map() };
  const greedy = { cel: "size(params.l.map(a, params.l + [a]))" };
  const itemKey = { cel: "string(item) + string(size(params.l.filter(a, a < item)))" };
  const keys = evaluator.keys({
    ...{ itemKey, scope: { params: { l: l.slice(0, 60_000) }, outputs: new Map() }, list: l.slice(0, 12) },
    name: "each",
  });
  await assert.rejects(evaluator.bind(greedy, scope, "it"), {
    ...{ code: "invalid_input", message: "Binding it was given up: it needed more than 64 MB of memory." },
  });
  assert.equal((await keys).length, 12);
  assert.deepEqual(await evaluator.bind({ cel: "size(params.l)" }, scope, "it"), l.length);
  await evaluator.close();
});

// The fault: a text of a million characters is one part, and each mention of its length walks all of it.
test("a value is light only where the schema's work with all of its characters is", () => {
  const evaluator = new Evaluator();
  const lengths = { properties: { s: { allOf: Array.from({ length: 800 }, () => ({ maxLength: 2_000_000 })) } } };
  const values = { properties: { s: { enum: Array.from({ length: 2_000 }, (_, i) => i) } } };
  for (const schema of [lengths, values]) {
    const { isLight } = evaluator.schema(schema, options);
    assert.deepEqual([isLight({ s: "abc" }), isLight({ s: "a".repeat(100_000) })], [true, false]);
    assert.equal(isLight({ ["n".repeat(100_000)]: 1 }), false);
    assert.equal(isLight(Array.from({ length: 1_000 }, () => 0)), false);
  }
  assert.equal(evaluator.schema({ type: "object" }, options).isLight({ s: "a".repeat(10_000) }), true);
  for (const costly of [{ pattern: "a" }, { allOf: [{ $recursiveRef: "#" }] }, { $dynamicRef: "#" }, { $ref: "#" }]) {
    assert.equal(evaluator.schema(costly, options).isLight(""), false, JSON.stringify(costly));
  }
});

test("a manifest that takes long to check is checked all the same, and its mistake is told", async () => {
  const evaluator = new Evaluator();
  const fields = Array.from({ length: 400 }, (_, i) => {
    return [`p${i}`, { type: "object", properties: { [`q${i}`]: { type: "string", enum: [`${i}`] } } }] as const;
  });
  const manifestOf = (properties: Json): Manifest => {
    const spec: TaskSpec = { ...taskSpec, input: { type: "object", properties } };
    return { format: 1, root: "unit", definitions: { unit: spec }, assets: {} };
  };
  await evaluator.check(manifestOf(Object.fromEntries(fields)));
  const wrong = Object.fromEntries([...fields, ["last", { type: "no such type" }]]);
  await assert.rejects(evaluator.check(manifestOf(wrong)), {
    ...{ code: "invalid_definition", message: /no JSON Schema that can be used/ },
  });
  await evaluator.close();
});
