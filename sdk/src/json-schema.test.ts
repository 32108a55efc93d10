import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { z } from "zod";
import { readJsonSchema } from "./json-schema.ts";

// Faults to catch: a published schema that refuses what the task's own schema takes, so that a run cannot be started; a default
// that is computed once, when the project is compiled, and then is the same for every run.

test("what zod changes before it looks, or looks at with a flag, is left open for callers", async () => {
  const open = {
    "a pattern with a flag": z.string().regex(/^[a-z]+$/i),
    "a pattern that is none under Unicode": z.string().regex(/^[\w-.]+$/),
    "a coerced number": z.coerce.number().int().min(3),
    "a number behind a preprocess": z.preprocess(Number, z.number()),
    "a value with a fallback": z.number().catch(0),
    "a text that is trimmed first": z.string().trim().max(3),
    "a text that is lowered first": z
      .string()
      .toLowerCase()
      .regex(/^[a-z]+$/),
    "one of them that may be left out": z.coerce.number().optional(),
  };
  for (const [what, schema] of Object.entries(open)) {
    const { jsonSchema } = await readJsonSchema(z.object({ it: schema }), "input");
    const { it } = (jsonSchema?.properties ?? {}) as { readonly it?: Record<string, unknown> };
    const { type, default: _, ...rest } = it ?? { missing: true };
    assert.deepEqual(rest, {}, what);
    assert.ok(type === undefined || type === "string", what);
  }
});

test("what zod only looks at is published as it is", async () => {
  const schema = z.object({ day: z.string().regex(/^\d+$/).max(9), count: z.number().default(3) });
  const { jsonSchema } = await readJsonSchema(schema, "input");
  assert.deepEqual(jsonSchema?.properties, {
    day: { type: "string", pattern: "^\\d+$", maxLength: 9 },
    count: { type: "number", default: 3 },
  });
});

test("a default that is another value each time is left out and named; constant ones stay", async () => {
  let count = 0;
  const unsteady = {
    moment: z.string().default(() => new Date().toISOString()),
    day: z.iso.date().default(() => new Date().toISOString().slice(0, 10)),
    hour: z.number().default(() => new Date().getUTCHours()),
    weekday: z.number().default(() => new Date(Date.now()).getUTCDay()),
    text: z.string().default(() => Date()),
    uuid: z.uuid().default(() => randomUUID()),
    chance: z.number().default(() => Math.random()),
    counted: z.number().default(() => ++count),
    file: z.object({ at: z.number() }).default(() => ({ at: Date.now() })),
    prepared: z.number().prefault(() => Date.now()),
    fallback: z.number().catch(() => Date.now()),
    listed: z.array(z.object({ made: z.number().default(() => Date.now()) })),
  };
  const steady = {
    three: z.number().default(3),
    list: z.array(z.string()).default(() => []),
    fixed: z.string().default(() => new Date(0).toISOString()),
    default: z.string().default("default"),
    properties: z.object({ properties: z.object({ default: z.number().default(1) }) }),
  };
  const now = globalThis.Date;
  const { jsonSchema, unsteady: found } = await readJsonSchema(z.object({ ...unsteady, ...steady }), "input");
  assert.equal(globalThis.Date, now);
  assert.deepEqual(
    found.toSorted(),
    Object.keys(unsteady)
      .map((name) => (name === "listed" ? "listed[].made" : name))
      .sort(),
  );
  const properties = jsonSchema?.properties as Record<string, Record<string, unknown>>;
  for (const name of Object.keys(unsteady)) assert.equal(properties[name]?.default, undefined, name);
  const kept = Object.keys(steady).map((name) => properties[name]?.default);
  assert.deepEqual(kept, [3, [], "1970-01-01T00:00:00.000Z", "default", undefined]);
  assert.match(JSON.stringify(properties.properties), /"default":\{"default":1,"type":"number"\}/);
  assert.ok(!JSON.stringify(jsonSchema?.required).includes("moment"));
});
