import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { readJsonSchema } from "./json-schema.ts";

// Fault to catch: a published schema that refuses what the task's own schema takes, so that a run cannot be started.

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
