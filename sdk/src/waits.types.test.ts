import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { type Json, type TaskContext, task, type Wait, workflow } from "./index.ts";

// Type tests of what bodies wait for: `tsc` is what runs them. Faults to catch: an input that does not fit and compiles; an output
// that is not that of the called definition; a winner whose value is another's.

const parse = task({ id: "parse", input: z.object({ text: z.string() }) }, async ({ text }) => ({
  words: text.length,
}));
const plain = task({ id: "plain" }, async () => new Date(0));
const flow = workflow(
  { id: "flow", params: z.object({ text: z.string() }) },
  (w) => w.call(parse, { text: w.params.text }).output,
);

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function body(ctx: TaskContext): Promise<void> {
  const parsed = ctx.call("a", parse, { text: "x" });
  same<typeof parsed, Wait<{ words: number }>>(true);
  same<Awaited<typeof parsed>, { words: number }>(true);
  const date = ctx.call("b", plain);
  same<Awaited<typeof date>, string>(true);
  const nested = await ctx.call("c", flow, { text: "x" }, { timeout: "1h" });
  nested.words.toFixed();
  // @ts-expect-error the text is missing
  void ctx.call("d", parse, {});
  // @ts-expect-error the input is missing
  void ctx.call("e", parse);
  const named = await ctx.call("f", "somewhere", { any: 1 });
  same<typeof named, Json>(true);
  const mapped = await ctx.map("g", ["x"], parse, { key: (text) => text, with: (text) => ({ text }) });
  same<typeof mapped, readonly { words: number }[]>(true);
  // @ts-expect-error a text is no input of parse
  void ctx.map("h", ["x"], parse, { key: (text) => text });
  // @ts-expect-error items have keys
  void ctx.map("i", [{ text: "x" }], parse, {});
  const signal = await ctx.waitForSignal("j", { schema: z.object({ by: z.string() }) });
  same<typeof signal, { by: string }>(true);
  const any = await ctx.waitForSignal("k");
  same<typeof any, Json>(true);
  const [one, two] = await ctx.all([ctx.sleep("l", "1h"), date]);
  same<typeof one, void>(true);
  same<typeof two, string>(true);
  const first = await ctx.race("m", { parsed, time: ctx.sleep("n", 5) });
  if (first.winner === "parsed") first.value.words.toFixed();
  // @ts-expect-error nothing comes of a sleep
  else void first.value.words;
  // @ts-expect-error only what the context answers can be waited for so
  void ctx.all([Promise.resolve(1)]);
  // @ts-expect-error no duration
  void ctx.sleep("o", "soon");
  const started = await ctx.start("p", parse, { text: "x" });
  started.id.at(0);
  // @ts-expect-error the input is missing
  void ctx.start("q", parse);
}

test("a body may return what it waits for", () => {
  const waits = task({ id: "waits" }, (_input: unknown, ctx) => ctx.call("a", parse, { text: "x" }));
  const sleeps = task({ id: "sleeps" }, (_input: unknown, ctx) => ctx.sleep("a", "1h"));
  assert.deepEqual([waits.id, sleeps.id], ["waits", "sleeps"]);
});
