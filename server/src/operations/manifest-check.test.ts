// Faults to catch: a schema that makes its validator answer promises, which lets every value in and ends the node at the
// first that does not fit; a schema that is none, or that lies elsewhere, told only when a run begins, an event is
// told or state is written.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { type Json, limits, type Manifest, type TaskSpec } from "@holdfast/protocol";
import { compileProject } from "../compile/compile.ts";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { taskSpec, workflowManifest } from "./manifest.fixture.ts";

function open() {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  return serve(store, { clock });
}

function withInput(input: Json): Manifest {
  return workflowManifest("flow", [], { spec: { input } });
}

const unusable: readonly (readonly [string, Json, RegExp, RegExp])[] = [
  ["$async at its top", { $async: true, type: "object", required: ["x"] }, /"\$async" makes it answer/, /Remove it/],
  ["$async in a field", { properties: { a: { $async: true } } }, /"\$async" at properties\.a makes/, /Remove it/],
  ["$async in a list", { anyOf: [{ type: "null" }, { $async: true }] }, /"\$async" at anyOf\.1/, /Remove it/],
  ["an unknown type", { type: "nonsense" }, /type must be equal to one of the allowed values/, /JSON Schema 2020-12/],
  ["a far $ref", { $ref: "http://example.com/x" }, /can't resolve reference http:\/\/example/, /begins with #/],
  ["a $ref to nothing", { $ref: "#/$defs/a" }, /can't resolve reference #\/\$defs\/a/, /stays inside/],
  ["a broken pattern", { type: "string", pattern: "(" }, /Unterminated group/, /JSON Schema 2020-12/],
  ["a text for a schema", "string", /it is "string", but must be an object/, /JSON Schema 2020-12/],
  ["another dialect", { $schema: "http://example.com/dialect" }, /no schema with key or ref/, /JSON Schema 2020-12/],
];
for (const [what, schema, message, hint] of unusable) {
  test(`a manifest whose schema has ${what} is refused where it is applied, and nothing of it is kept`, async () => {
    const { definitions, store } = open();
    const withTask = (task: Partial<TaskSpec>) =>
      workflowManifest("flow", [], { task: { ...taskSpec, ...task } as TaskSpec });
    const withAsset = (part: "watermark" | "event" | "state"): Manifest => ({
      ...workflowManifest("flow", []),
      assets: { orders: { id: "orders", [part]: schema } },
    });
    for (const [manifest, whose] of [
      [withInput(schema), /^The input schema of "flow" is no JSON Schema/],
      [withTask({ output: schema }), /^The output schema of "unit" is no JSON Schema/],
      [withTask({ state: { version: 1, schema } }), /^The state schema of "unit" is no JSON Schema/],
      [withTask({ taskState: { version: 1, schema } }), /^The taskState schema of "unit" is no JSON Schema/],
      [withAsset("watermark"), /^The watermark's schema of the asset "orders" is no JSON Schema/],
      [withAsset("event"), /^The event's schema of the asset "orders" is no JSON Schema/],
      [withAsset("state"), /^The state's schema of the asset "orders" is no JSON Schema/],
    ] as const) {
      await assert.rejects(definitions.apply([manifest]), (error: unknown) => {
        assert.ok(error instanceof Error && "code" in error && "hint" in error);
        assert.equal(error.code, "invalid_definition");
        assert.match(error.message, whose);
        assert.match(error.message, message);
        assert.match(String(error.hint), hint);
        return true;
      });
    }
    assert.deepEqual(await store.listDefinitions({ namespace: "default" }), []);
  });
}

test("names of users are no words of a schema: a field, a value or a default may be called $async", async () => {
  const { definitions, runs } = open();
  const schema = {
    type: "object",
    properties: { $async: { const: { $async: true }, default: { $async: true } }, id: { id: "Name", type: "string" } },
  };
  await definitions.apply([withInput(schema)]);
  await runs.start({ definition: "flow", input: { $async: { $async: true }, id: "x" } });
  await assert.rejects(runs.start({ definition: "flow", input: { $async: 1 } }), { code: "invalid_input" });
});

// As it may lie in a store since before manifests were looked at.
test("a run of a kept manifest with an asynchronous schema is refused, and the process goes on", async () => {
  const { store, runs } = open();
  const manifest = withInput({ $async: true, type: "object", required: ["x"] });
  const row = { id: "flow", kind: "workflow" as const, hash: "0".repeat(64), manifest };
  await store.applyManifests({ namespace: "default", manifests: [row] });
  await assert.rejects(runs.start({ definition: "flow", input: {} }), { code: "invalid_definition" });
});

test("schemas that give themselves and their parts the same names do not know each other's", async () => {
  const { definitions, runs } = open();
  const named = (type: string) => ({
    $id: "https://example.com/whole",
    $ref: "#part",
    $defs: { a: { $anchor: "part", type } },
  });
  const task = { ...taskSpec, input: named("string"), output: named("number") };
  await definitions.apply([workflowManifest("flow", [], { task, spec: { input: named("boolean") } })]);
  await runs.start({ definition: "flow", input: true });
});

const call = { kind: "call", definition: "unit", rule: "all_success", args: { const: null } } as const;

test("an expression that cannot be parsed, or that reads what is not there for it, is refused where it is applied", async () => {
  const { definitions } = open();
  const flow = (cel: string) => {
    const nodes = [
      { ...call, name: "a", upstream: [] },
      { ...call, name: "b", upstream: [], when: { cel } },
    ];
    return definitions.apply([workflowManifest("flow", nodes)]);
  };
  await assert.rejects(flow("1 +"), {
    code: "invalid_definition",
    message: /^node "b" of workflow "flow": "when" is an expression with a mistake: .*character/,
    hint: /CEL/,
  });
  await assert.rejects(flow("tasks.a.output"), { message: /"when" reads the node "a", which is not upstream/ });
  await assert.rejects(flow("item == 1"), { message: /"when" uses the item outside of a map/ });
  await flow("params.x == 1");
});

// The faults: a run that waits for ever; and a start that goes round in the node for ever, since what it asks to be kept is
// of another definition than what it asks for.
test("manifests that no compiler makes are refused, and nothing of those beside them is kept", async () => {
  const { definitions, store } = open();
  const circle = workflowManifest("circle", [{ ...call, name: "a", upstream: ["a"] }]);
  await assert.rejects(definitions.apply([workflowManifest("fine", []), circle]), { code: "invalid_definition" });
  const { flow } = workflowManifest("flow", []).definitions;
  assert.ok(flow !== undefined);
  const other = { ...workflowManifest("other", []), definitions: { other: flow } };
  await assert.rejects(definitions.apply([other]), {
    message: 'The definition under the name "other" has the id "flow".',
  });
  assert.deepEqual(await store.listDefinitions({ namespace: "default" }), []);
});

test("a run of a kept manifest that contradicts itself is refused; so is one whose store always knows another", async () => {
  const { store, runs, definitions } = open();
  const { flow } = workflowManifest("flow", []).definitions;
  assert.ok(flow !== undefined);
  const manifest = { ...workflowManifest("other", []), definitions: { other: flow } };
  const row = { id: "other", kind: "workflow" as const, hash: "1".repeat(64), manifest };
  await store.applyManifests({ namespace: "default", manifests: [row] });
  await assert.rejects(runs.start({ definition: "other" }), {
    code: "invalid_definition",
    message: 'The manifest of "other" calls it "flow".',
    hint: 'Apply "other" again.',
  });
  await definitions.apply([workflowManifest("flow", [])]);
  store.enqueueRuns = async () => [{ outcome: "outdated" }];
  await assert.rejects(runs.start({ definition: "flow" }), {
    code: "invalid_definition",
    message: /replaced 10 times/,
  });
});

const examples = join(import.meta.dirname, "../../../examples/flights");
for (const file of ["flights.ts", "flights.yaml"]) {
  test(`what the compiler makes of ${file} is applied`, async () => {
    const { manifests, problems } = await compileProject({ root: examples, files: [file] });
    assert.deepEqual(problems, []);
    const { definitions } = open();
    await definitions.apply(manifests.map(({ manifest }) => manifest));
  });
}

test("a manifest of the greatest size lets others have the thread while it is looked at", async () => {
  const schema = (i: number) => ({ type: "object", properties: { [`field-${i}`]: { type: "string", maxLength: i } } });
  const tasks = Array.from({ length: 600 }, (_, i) => ({ ...taskSpec, id: `task-${i}`, input: schema(i) }));
  const nodes = Array.from({ length: limits.nodesPerWorkflow }, (_, i) => ({
    ...{ ...call, name: `n${i}`, definition: `task-${i % 600}`, upstream: i === 0 ? [] : [`n${i - 1}`] },
    when: { cel: `params.x${i} == "${"x".repeat(1_000)}"` },
  }));
  const whole = workflowManifest("flow", nodes);
  const manifest = {
    ...whole,
    definitions: { ...whole.definitions, ...Object.fromEntries(tasks.map((t) => [t.id, t])) },
  };
  const { definitions } = open();
  let turns = 0;
  let isApplied = false;
  const others = (async () => {
    for (; !isApplied; turns++) await new Promise((resolve) => setImmediate(resolve));
  })();
  await definitions.apply([manifest]);
  isApplied = true;
  await others;
  assert.ok(turns > 2, `the loop has turned ${turns} times`);
});
