// Faults to catch: a misspelt parameter of a TypeScript workflow that is dropped without a word; one refused that the schema
// allows; a call by another workflow, whose values may have more fields, that fails; a task whose own schema is overruled.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError, type Json, manifestSchema } from "@holdfast/protocol";
import { workflow } from "@holdfast/sdk";
import { compileDefinitions, definitionData, readJsonSchema } from "@holdfast/sdk/definitions";
import { z } from "zod";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Definitions } from "./definitions.ts";
import { taskSpec } from "./manifest.fixture.ts";

const definitions = new Definitions({ store: openMemoryStore({ clock: new VirtualClock() }), namespace: "n" });

type Door = "fitGiven" | "fitInput";

/** How a value is kept that is given to a workflow with these parameters, or what is said of it. */
async function given(params: z.ZodType, value: Json, door: Door = "fitGiven"): Promise<Json> {
  const data = definitionData(workflow({ id: "flow", params }, () => null));
  assert.ok(data !== undefined);
  const { manifests, problems } = await compileDefinitions([{ data, source: { module: "flow.ts", export: "flow" } }], {
    expression: () => ({ tasks: [], usesItem: false }),
    timing: () => undefined,
  });
  assert.deepEqual(problems, []);
  const spec = manifestSchema.parse(manifests[0]).definitions.flow;
  assert.ok(spec !== undefined);
  try {
    return await definitions[door](spec, value);
  } catch (error) {
    if (!isAppError(error, "invalid_input")) throw error;
    return error.message.replace('The input of "flow" does not fit: ', "");
  }
}

const days = z.object({ days: z.number().default(1), deep: z.object({ name: z.string() }).optional() });

test("a parameter that a workflow's schema would drop is refused by name, at every level, with the nearest that there is", async () => {
  assert.equal(await given(days, { day: 2 }), 'it has an unknown field "day" (did you mean "days"?).');
  assert.equal(
    await given(days, { deep: { nme: "a", name: "b" } }),
    'deep has an unknown field "nme" (did you mean "name"?).',
  );
  assert.equal(await given(z.object({}), { day: 2 }), 'it has an unknown field "day" (it takes none).');
  assert.equal(
    await given(z.object({ list: z.array(z.object({ a: z.number() })) }), { list: [{ a: 1, b: 2 }] }),
    'list.0 has an unknown field "b" (known: "a").',
  );
  assert.equal(
    await given(z.strictObject({ days: z.number() }), { days: 1, dayz: 2 }),
    'it has an unknown field "dayz" (did you mean "days"?).',
  );
  assert.deepEqual(await given(days, {}), { days: 1 });
});

test("what a schema allows beside its fields is taken, and a call by another workflow may pass more than is read", async () => {
  const more = { days: 1, other: { x: 1 } };
  assert.deepEqual(await given(z.looseObject({ days: z.number() }), more), more);
  assert.deepEqual(await given(z.object({ days: z.number() }).catchall(z.json()), more), more);
  assert.deepEqual(await given(z.record(z.string(), z.unknown()), more), more);
  assert.deepEqual(await given(z.object({ days: z.number(), other: z.any() }), more), more);
  assert.deepEqual(await given(days, { days: 1, other: 2 }, "fitInput"), { days: 1, other: 2 });
});

test("of alternatives and of what is two objects at once, a field that one of them knows is known", async () => {
  const a = z.object({ a: z.number() });
  const either = z.union([a, z.object({ a: z.number(), b: z.string() }), z.null()]);
  assert.deepEqual(await given(z.object({ x: either }), { x: { a: 1, b: "b" } }), { x: { a: 1, b: "b" } });
  assert.equal(
    await given(z.object({ x: either }), { x: { a: 1, bb: "b" } }),
    'x has an unknown field "bb" (did you mean "b"?).',
  );
  const both = z.object({ x: a.and(z.object({ b: z.string() })) });
  assert.deepEqual(await given(both, { x: { a: 1, b: "b" } }), { x: { a: 1, b: "b" } });
  assert.equal(await given(both, { x: { a: 1, b: "b", c: 1 } }), 'x has an unknown field "c" (known: "a", "b").');
  const open = z.object({ x: z.union([a, z.looseObject({ kind: z.string() })]) });
  assert.deepEqual(await given(open, { x: { kind: "k", c: 1 } }), { x: { kind: "k", c: 1 } });
  assert.deepEqual(await given(z.object({ x: z.union([a, z.any()]) }), { x: { c: 1 } }), { x: { c: 1 } });
});

test("a schema that contains itself is closed at each of its levels", async () => {
  const tree = z.object({
    name: z.string(),
    get below() {
      return z.array(tree).optional();
    },
  });
  const wrong = { name: "a", below: [{ name: "b", nam: "c" }] };
  assert.match(String(await given(z.object({ tree }), { tree: wrong })), /^tree.below.0 has an unknown field "nam"/);
  assert.deepEqual(await given(z.object({ tree }), { tree: { name: "a", below: [] } }), {
    tree: { name: "a", below: [] },
  });
});

test("a task's own schema keeps its meaning: what it drops is let through to it", async () => {
  const { jsonSchema } = await readJsonSchema(days, "input");
  assert.ok(jsonSchema !== undefined);
  assert.deepEqual(await definitions.fitGiven({ ...taskSpec, input: jsonSchema }, { day: 2 }), { day: 2 });
});
