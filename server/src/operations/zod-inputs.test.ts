// Fault to catch: a node that refuses an input which the task's own schema takes, so that a run cannot be started at all. What
// it lets through although the schema refuses it is the body's business.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError, type Json } from "@holdfast/protocol";
import { readJsonSchema } from "@holdfast/sdk/definitions";
import fc from "fast-check";
import { z } from "zod";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Definitions } from "./definitions.ts";
import { taskSpec, workflowManifest } from "./manifest.fixture.ts";

const definitions = new Definitions({ store: openMemoryStore({ clock: new VirtualClock() }), namespace: "n" });

/** What the node says of a value that a task's and a workflow's caller passes: its mistake, if any. */
async function refusal(schema: z.ZodType, value: Json): Promise<string | undefined> {
  const { jsonSchema, defects, transforms } = await readJsonSchema(schema, "input");
  if (defects.length > 0 || jsonSchema === undefined) return undefined;
  const task = { ...taskSpec, input: jsonSchema };
  const flow = workflowManifest("flow", [], { spec: { input: structuredClone(jsonSchema) } }).definitions.flow;
  assert.ok(flow !== undefined);
  try {
    await definitions.fitInput(task, value);
    if (transforms.length === 0) await definitions.fitInput(flow, value);
    return undefined;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return error.message;
  }
}

const taken: readonly (readonly [string, z.ZodType, Json])[] = [
  ["a hundredth", z.number().multipleOf(0.01), 0.07],
  ["113 hundredths", z.number().multipleOf(0.01), 1.13],
  ["435 hundredths", z.number().multipleOf(0.01), 4.35],
  ["a large multiple", z.number().multipleOf(3), 3e21],
  ["a text of two units", z.string().refine((s) => s.length >= 2).meta({ minLength: 2 }), "😀"],
  ["a text that is as long as it may be", z.string().max(2), "😀"],
  ["a text of one character", z.string().length(1), "😀"],
  ["a pattern that counts units", z.string().regex(/^..$/), "😀"],
  ["a pattern that is read as Unicode", z.string().regex(/^.$/u), "😀"],
  ["a default that its own check refuses", z.object({ a: z.string().min(5).default("a") }), {}],
  ["a field with a fallback that is left out", z.object({ a: z.number().catch(1).nullable() }), {}],
  ["a field that is made of nothing", z.object({ a: z.preprocess((v) => v ?? 1, z.number()) }), {}],
  ["keys that are numbers", z.record(z.number(), z.string()), { "1": "x" }],
  ["a list without its doubles", z.array(z.number()).overwrite((list) => [...new Set(list)]).max(1), [1, 1]],
  ["a named type", z.object({ a: z.string().meta({ id: "NamedTypeOfThisTest" }) }), { a: "x" }],
  ["strict objects that are both", z.strictObject({ a: z.number() }).and(z.strictObject({ b: z.number() })), { a: 1, b: 2 }],
  ["a number that is rounded first", z.number().overwrite(Math.round).max(1).multipleOf(1), 1.2],
]; // biome-ignore format: one line a case
for (const [what, schema, value] of taken) {
  test(`${what} is taken by the node as by zod`, async () => {
    assert.equal(schema.safeParse(value).success, true, "zod does not take it");
    assert.equal(await refusal(schema, value), undefined);
  });
}

test("what is plainly wrong is refused all the same", async () => {
  const wrong: readonly (readonly [z.ZodType, Json])[] = [
    [z.number().multipleOf(3), 4],
    [z.string().min(2), "a"],
    [z.string().max(2), "abc"],
    [z.string().regex(/^..$/), "a"],
    [z.object({ a: z.string().min(5).default("a") }), { a: "b" }],
  ];
  for (const [schema, value] of wrong) assert.notEqual(await refusal(schema, value), undefined);
});

const texts = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 5 }),
  fc.constantFrom("2026-01-31", "a@b.de", "1", "😀😀", ""),
);
const numbers = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.integer(),
  // zod reckons multiples in whole numbers, and takes some large fractions for multiples that are none.
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => Number.isInteger(n) || Math.abs(n) < 1e8),
  fc.integer({ min: -5_000, max: 5_000 }).map((n) => n / 100),
);

interface Case {
  readonly schema: z.ZodType;
  readonly value: fc.Arbitrary<Json>;
}

const bound = fc.integer({ min: 0, max: 4 });
const stringCases: fc.Arbitrary<Case> = fc
  .array(
    fc.oneof(
      bound.map((n) => (s: z.ZodString) => s.min(n)),
      bound.map((n) => (s: z.ZodString) => s.max(n)),
      bound.map((n) => (s: z.ZodString) => s.length(n)),
      fc
        .constantFrom(/^.*$/, /^..$/, /[^a]/, /^\w*$/, /^\S{2}$/, /./u, /a/i)
        .map((p) => (s: z.ZodString) => s.regex(p)),
      fc.constant((s: z.ZodString) => s.trim()),
      fc.constant((s: z.ZodString) => s.toLowerCase()),
      fc.constantFrom("", "a", "😀").map((t) => (s: z.ZodString) => s.includes(t)),
      fc.constantFrom("", "a", "[").map((t) => (s: z.ZodString) => s.startsWith(t)),
      fc.constantFrom("", "e").map((t) => (s: z.ZodString) => s.endsWith(t)),
      fc.constant((s: z.ZodString) => s.normalize()),
      fc.constant((s: z.ZodString) => s.lowercase()),
    ),
    { maxLength: 2 },
  )
  .map((checks) => ({ schema: checks.reduce((s, check) => check(s), z.string()), value: texts }));
const numberCases: fc.Arbitrary<Case> = fc
  .array(
    fc.oneof(
      fc.constantFrom(0.01, 0.1, 2, 3, 0.5, 1e-7, 1.5).map((n) => (s: z.ZodNumber) => s.multipleOf(n)),
      fc.constantFrom(0.1, -3, 4).map((n) => (s: z.ZodNumber) => s.gt(n)),
      fc.constantFrom(0.3, 10, 1e9).map((n) => (s: z.ZodNumber) => s.lte(n)),
      fc.constant((s: z.ZodNumber) => s.int()),
    ),
    { maxLength: 2 },
  )
  .map((checks) => ({ schema: checks.reduce((s, check) => check(s), z.number()), value: numbers }));
const plainCases: fc.Arbitrary<Case> = fc.constantFrom<Case>(
  { schema: z.boolean(), value: fc.boolean() },
  { schema: z.null(), value: fc.constant(null) },
  { schema: z.enum(["a", "b", "😀"]), value: fc.constantFrom("a", "b", "😀") },
  { schema: z.literal(["a", 1, null, true]), value: fc.constantFrom("a", 1, null, true) },
  { schema: z.iso.date(), value: texts },
  { schema: z.email(), value: texts },
  { schema: z.coerce.number().min(2), value: fc.oneof(numbers, texts) },
  { schema: z.number().catch(3), value: fc.oneof(numbers, texts) },
  { schema: z.preprocess((v) => v ?? 1, z.number()), value: fc.oneof(numbers, texts) },
  { schema: z.string().min(4).default("x"), value: texts },
  { schema: z.json(), value: fc.jsonValue() as fc.Arbitrary<Json> },
  { schema: z.any(), value: fc.jsonValue() as fc.Arbitrary<Json> },
  { schema: z.stringbool(), value: fc.constantFrom("true", "yes", "0") },
  { schema: z.templateLiteral(["a", z.number()]), value: fc.constantFrom("a1", "a-2.5", "a") },
  { schema: z.int32(), value: numbers },
  { schema: z.float32(), value: numbers },
);

const { any } = fc.letrec<{ any: Case }>((tie) => ({
  any: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    stringCases,
    numberCases,
    plainCases,
    tie("any").map(({ schema, value }) => ({ schema: schema.optional(), value })),
    tie("any").map(({ schema, value }) => ({ schema: schema.nullable(), value: fc.option(value) })),
    fc.tuple(tie("any"), bound, bound).map(([{ schema, value }, min, max]) => ({
      schema: z.array(schema).min(min).max(max),
      value: fc.array(value, { maxLength: 4 }) as fc.Arbitrary<Json>,
    })),
    fc.tuple(tie("any"), tie("any")).map(([a, b]) => ({
      schema: z.tuple([a.schema, b.schema]),
      value: fc.tuple(a.value, b.value) as fc.Arbitrary<Json>,
    })),
    fc.tuple(tie("any"), tie("any")).map(([a, b]) => ({
      schema: z.union([a.schema, b.schema]),
      value: fc.oneof(a.value, b.value),
    })),
    fc.tuple(tie("any"), fc.constantFrom(z.string(), z.string().min(2), z.enum(["a", "b"]), z.number(), z.string().regex(/^..$/))).map(([{ schema, value }, key]) => ({
      schema: z.partialRecord(key, schema),
      value: fc.dictionary(fc.constantFrom("a", "b", "1", "2.5", "😀", "ab"), value, { maxKeys: 3 }) as fc.Arbitrary<Json>,
    })),
    fc.tuple(tie("any"), tie("any"), fc.constantFrom(z.object, z.strictObject, z.looseObject)).map(([a, b, make]) => ({
      schema: make({ a: a.schema, b: b.schema.optional(), "": z.number().default(1) }) as z.ZodType,
      value: fc.record(
        { a: a.value, b: b.value, c: fc.constant(1), "": fc.constantFrom<Json>(2, 3) },
        { requiredKeys: [] },
      ) as fc.Arbitrary<Json>,
    })),
    fc.tuple(tie("any"), tie("any"), fc.boolean()).map(([a, b, strict]) => ({
      schema: z.discriminatedUnion("k", [
        (strict ? z.strictObject : z.object)({ k: z.literal("a"), v: a.schema }),
        z.object({ k: z.enum(["b", "c"]), v: b.schema }),
      ]) as z.ZodType,
      value: fc.oneof(
        fc.record({ k: fc.constant("a"), v: a.value }),
        fc.record({ k: fc.constantFrom("b", "c"), v: b.value }),
      ) as fc.Arbitrary<Json>,
    })),
    fc.tuple(tie("any"), tie("any")).map(([a, b]) => ({
      schema: z.intersection(z.object({ a: a.schema }), z.object({ b: b.schema })) as z.ZodType,
      value: fc.record({ a: a.value, b: b.value }) as fc.Arbitrary<Json>,
    })),
  ),
})); // biome-ignore format: read as a table

test("whatever zod takes the node takes", async () => {
  const seed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed}`);
  let taken = 0;
  const property = fc.asyncProperty(
    any.chain(({ schema, value }) => fc.tuple(fc.constant(schema), fc.array(value, { minLength: 1, maxLength: 3 }))),
    async ([schema, values]) => {
      for (const value of values) {
        const json = JSON.parse(JSON.stringify(value)) as Json;
        if (!(await schema.safeParseAsync(json)).success) continue;
        taken += 1;
        const refused = await refusal(schema, json);
        const shown = JSON.stringify((await readJsonSchema(schema, "input")).jsonSchema);
        assert.equal(refused, undefined, `${JSON.stringify(json)} of ${shown}`);
      }
    },
  );
  await fc.assert(property, {
    seed,
    numRuns: Number(process.env.HOLDFAST_SCHEMAS ?? 300),
    endOnFailure: process.env.CI === undefined,
  });
  assert.ok(taken > 50, `only ${taken} values were taken by zod`);
});
