import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { isDefinition } from "./definitions.ts";
import { asset, cel, type Json, type TaskContext, task, workflow } from "./index.ts";

// Type tests: `tsc` is what runs them. Each @ts-expect-error fails the check when the mistake compiles.

const orders = asset({ id: "orders", watermark: z.string() });
type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_ extends true>(): void {}

export const extract = task(
  {
    id: "extract",
    input: z.object({ day: z.string() }),
    output: z.object({ files: z.array(z.string()) }),
    retry: { attempts: 5 },
    timeout: "10m",
    writes: [orders],
  },
  async (input, ctx) => {
    holds<Is<typeof input, { day: string }>>();
    holds<Is<typeof ctx, TaskContext>>();
    return { files: [input.day] };
  },
);
export const transform = task(
  { id: "transform", input: z.object({ file: z.string(), level: z.number().default(1) }) },
  async (input) => {
    holds<Is<typeof input.level, number>>();
    return {
      rows: 3,
      at: new Date(),
      kind: input.level > 2 ? ("big" as const) : ("small" as const),
      note: undefined as string | undefined,
    };
  },
);
export const count = task({ id: "count", input: z.number() }, (n) => n + 1);
export const load = task(
  { id: "load", input: z.object({ parts: z.array(z.object({ rows: z.number(), at: z.string() })) }) },
  async () => "done",
);
export const bare = task({ id: "bare" }, async () => {});
export const annotated = task({ id: "annotated" }, async (input: { a: number }) => input.a);

// Wrong bodies.
// @ts-expect-error the output lacks files
task({ id: "x", output: z.object({ files: z.array(z.string()) }) }, async () => ({ file: [] }));
// @ts-expect-error the output's field has the wrong type
task({ id: "x", output: z.object({ n: z.number() }) }, () => ({ n: "1" }));
// @ts-expect-error a Map cannot be kept
task({ id: "x" }, async () => ({ m: new Map<string, number>() }));
// @ts-expect-error a function cannot be kept
task({ id: "x" }, () => ({ f: () => 1 }));
// @ts-expect-error a bigint cannot be kept
task({ id: "x" }, async () => ({ list: [{ n: 1n }] }));
// @ts-expect-error the body's input is not what the schema makes
task({ id: "x", input: z.object({ a: z.string() }) }, async (input: { a: number }) => input.a);
// @ts-expect-error unknown option
task({ id: "x", retries: 4 }, async () => 1);
// @ts-expect-error not a duration
task({ id: "x", timeout: "10 minutes" }, async () => 1);
// @ts-expect-error a key is read off the input, by reference
task({ id: "x", concurrencyKey: "x" }, async () => 1);
task({ id: "x", input: z.object({ a: z.string() }), concurrencyKey: (input) => input.a }, async () => 1);
task({ id: "x", concurrencyKey: (input) => input.a }, async (_: { a: string | null }) => 1);
// @ts-expect-error the input has no such field
task({ id: "x", input: z.object({ a: z.string() }), concurrencyKey: (input) => input.b }, async () => 1);
// @ts-expect-error a list is no key
task({ id: "x", input: z.object({ a: z.array(z.string()) }), concurrencyKey: (input) => input.a }, async () => 1);
task({ id: "x", rate: { limit: 2, per: "1m", key: (input) => input.a } }, async (_: { a: string | null }) => 1);
// @ts-expect-error not a duration
task({ id: "x", rate: { limit: 2, per: "a minute" } }, async () => 1);
workflow({ id: "x", params: z.object({ a: z.number() }), concurrencyKey: (params) => params.a }, () => 1);
// @ts-expect-error not an asset
task({ id: "x", reads: [extract] }, async () => 1);

export const nightly = workflow(
  { id: "nightly", params: z.object({ day: z.string(), n: z.number().default(2) }) },
  (w) => {
    const e = w.call(extract, { day: w.params.day });
    const t = w.map(e.output.files, transform, { key: (f) => f, with: (f) => ({ file: f }) });
    const l = w.call(
      load,
      { parts: t.outputs },
      { after: [e, t], when: () => cel`size(${t.outputs}) > 2`, rule: "none_failed", retry: { attempts: 2 } },
    );
    w.call(count, w.params.n);
    w.call(count, cel`${w.params.n} + 1`);
    w.call(count, cel<number>`${w.params.n} + 1`);
    w.call(count, 3);
    w.call(bare);
    w.call(annotated, { a: 1 });
    w.map(["a", "b"], transform, { key: (s) => s, with: (s) => ({ file: s, level: 2 }), as: "letters" });
    w.map([1, 2], count, { key: (n) => n });
    w.map(cel`[1, 2]`, transform, { key: () => cel`string(item)`, with: () => ({ file: cel`item` }) });
    const first = t.outputs[0];
    if (first !== undefined) w.call(load, { parts: [{ rows: first.rows, at: first.at }] });

    // @ts-expect-error wrong type
    w.call(extract, { day: 3 });
    // @ts-expect-error missing field
    w.call(extract, {});
    // @ts-expect-error missing arguments
    w.call(extract);
    // @ts-expect-error unknown field
    w.call(extract, { day: "x", dya: "y" });
    // @ts-expect-error a reference of the wrong type
    w.call(extract, { day: w.params.n });
    // @ts-expect-error an expression of the wrong type
    w.call(extract, { day: cel<number>`1` });
    // @ts-expect-error no such parameter
    w.params.dya;
    // @ts-expect-error no such output
    e.output.fils;
    // @ts-expect-error a list is no string
    w.call(extract, { day: e.output.files });
    // @ts-expect-error a map has outputs
    t.output;
    // @ts-expect-error not a list
    w.map(w.params.day, transform, { key: (f) => f, with: (f) => ({ file: f }) });
    // @ts-expect-error no key
    w.map(e.output.files, transform, { with: (f) => ({ file: f }) });
    // @ts-expect-error the item is not the task's input, so with is needed
    w.map(e.output.files, transform, { key: (f) => f });
    // @ts-expect-error with binds the wrong type
    w.map(e.output.files, transform, { key: (f) => f, with: (f) => ({ file: 3, g: f }) });
    // @ts-expect-error not a number
    w.map(e.output.files, transform, { key: (f) => f, with: (f) => ({ file: f }), concurrency: "2" });
    // @ts-expect-error callbacks are not supported yet
    w.call(count, 1, { onFailure: bare });
    // @ts-expect-error unknown rule
    w.call(count, 1, { rule: "all" });
    // @ts-expect-error a workflow is not mapped
    w.map([1], nested, { key: (n) => n });
    return { said: l.output, days: [w.params.day], first: t.outputs[0]?.kind };
  },
);
export const nested = workflow({ id: "nested", params: z.object({ day: z.string() }) }, (w) => {
  const n = w.call(nightly, { day: w.params.day });
  w.call(extract, { day: n.output.said });
  // @ts-expect-error no such output
  n.output.sayd;
  // @ts-expect-error params missing
  w.call(nightly, {});
  return n.output.days;
});
// @ts-expect-error a handle is not an output
workflow({ id: "x" }, (w) => w.call(bare));
// @ts-expect-error deadlines are not supported yet
workflow({ id: "x", deadlines: [] }, () => null);

type OutputOf<D> = D extends import("./index.ts").Task<never, infer O>
  ? O
  : D extends import("./index.ts").Workflow<never, infer O>
    ? O
    : never;
holds<Is<OutputOf<typeof bare>, null>>();
holds<Is<OutputOf<typeof load>, string>>();
holds<Is<OutputOf<typeof transform>["at"], string>>();
holds<Is<OutputOf<typeof transform>["kind"], "big" | "small">>();
holds<Is<OutputOf<typeof nested>, readonly string[]>>();
export const parsed = task({ id: "parsed" }, async () => JSON.parse("{}") as unknown);
holds<Is<OutputOf<typeof parsed>, Json>>();

test("definitions with mistakes in them can be made: mistakes are told when the project is compiled", () => {
  for (const definition of [extract, transform, nightly, nested]) assert.ok(isDefinition(definition));
});
