import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import type { Client } from "./client.ts";
import { isDefinition } from "./definitions.ts";
import { type Json, task, workflow } from "./index.ts";

// Type tests of what callers may pass: `tsc` is what runs them. Faults to catch: a right call of a task whose input is a union,
// any JSON or optional that does not compile; a wrong one that does.

const union = z.union([
  z.object({ kind: z.literal("a"), x: z.string() }),
  z.object({ kind: z.literal("b"), y: z.number() }),
]);
export const tagged = task({ id: "tagged", input: union }, async () => 1);
export const inside = task({ id: "inside", input: z.object({ item: union }) }, async () => 1);
export const annotated = task(
  { id: "annotated" },
  async (input: { kind: "a"; x: string } | { kind: "b"; y: number }) => input.kind,
);
export const untagged = task(
  { id: "untagged", input: z.union([z.object({ x: z.string() }), z.object({ y: z.number() })]) },
  async () => 1,
);
export const textOrObject = task(
  { id: "text-or-object", input: z.union([z.string(), z.object({ y: z.number() })]) },
  async () => 1,
);
export const textOrList = task(
  { id: "text-or-list", input: z.union([z.string(), z.array(z.number())]) },
  async () => 1,
);
export const optional = task({ id: "optional", input: z.string().optional() }, async (v) => v ?? "none");
export const json = task({ id: "json" }, async (): Promise<Json> => ({ a: [1] }));
export const jsonField = task({ id: "json-field" }, async (): Promise<{ data: Json }> => ({ data: { a: [1] } }));
export const jsonInside = task({ id: "json-inside", input: z.object({ v: z.json() }) }, async ({ v }) => ({ v }));
export const anyJson = task({ id: "any-json", input: z.json() }, async (v) => v);
export const stepping = task({ id: "stepping" }, async (_input, ctx) => {
  const value = await ctx.step("a", async (): Promise<Json> => [1]);
  return value === null ? 0 : 1;
});

export const right = workflow(
  { id: "right", params: z.object({ union, text: z.string(), any: z.json(), flag: z.boolean() }) },
  (w) => {
    w.call(tagged, w.params.union);
    w.call(tagged, { kind: "a", x: "s" });
    w.call(inside, { item: { kind: "a", x: "s" } });
    w.call(inside, { item: { kind: "a", x: w.params.text } });
    w.call(annotated, { kind: "a", x: "s" });
    w.call(untagged, { x: "s" });
    w.call(untagged, { x: w.params.text });
    w.call(textOrObject, "s");
    w.call(textOrObject, { y: 3 });
    w.call(textOrList, [3]);
    w.call(anyJson, { a: w.params.flag });
    w.call(anyJson, w.params.any);
    w.call(jsonInside, { v: w.params.any });
    // @ts-expect-error the field of another member of the union
    w.call(tagged, { kind: "a", y: 3 });
    return w.call(json).output;
  },
);

export function starts(client: Client): unknown[] {
  return [
    client.start(tagged, { kind: "a", x: "s" }),
    client.start(inside, { item: { kind: "a", x: "s" } }),
    client.start(untagged, { x: "s" }),
    client.start(optional),
    client.start(optional, "x"),
    client.start(anyJson, { a: [1] }),
    // @ts-expect-error the field of another member of the union
    client.start(tagged, { kind: "a", y: 3 }),
    // @ts-expect-error unknown field
    client.start(untagged, { x: "s", levl: 3 }),
    // @ts-expect-error missing input
    client.start(untagged),
  ];
}

test("definitions whose inputs are unions and any JSON are definitions", () => {
  for (const definition of [tagged, right, anyJson]) assert.ok(isDefinition(definition));
});
