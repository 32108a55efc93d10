import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { type BodyContext, type Json, type StateOpResult, type TaskContext, task } from "./index.ts";

// Type tests of state: `tsc` is what runs them. Faults to catch: a key or a value that the schema does not have and that compiles; a
// value that is read as what was written and not as what JSON keeps of it; a task without schemas that may not use its state.

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

const state = z.object({ cursor: z.number(), since: z.date(), seen: z.array(z.string()).optional() });
const taskState = { schema: z.object({ watermark: z.string(), total: z.number() }), version: 2 } as const;

const typed = task({ id: "typed", input: z.object({ n: z.number() }), state, taskState }, async ({ n }, ctx) => {
  const cursor = await ctx.state.get("cursor");
  same<typeof cursor, number | undefined>(true);
  const since = await ctx.state.get("since");
  same<typeof since, string | undefined>(true);
  const seen = await ctx.state.entry("seen");
  same<NonNullable<typeof seen>["value"], string[]>(true);
  await ctx.state.set("since", new Date(0), { retention: "7d", ifVersion: 3, as: "since" });
  await ctx.state.set("seen", ["a"], { retention: "never" });
  // @ts-expect-error there is no such key
  await ctx.state.get("curser");
  // @ts-expect-error a text is no number
  await ctx.state.set("cursor", "7");
  // @ts-expect-error undefined is no value
  await ctx.state.set("seen", undefined);
  // @ts-expect-error no duration
  await ctx.state.set("cursor", 1, { retention: 5 });
  const sum = await ctx.state.increment("cursor", n);
  same<typeof sum, number>(true);
  // @ts-expect-error a list is not incremented
  await ctx.state.increment("seen");
  const length = await ctx.state.append("seen", "b");
  same<typeof length, number>(true);
  // @ts-expect-error the list is one of texts
  await ctx.state.append("seen", 1);
  // @ts-expect-error a number is no list
  await ctx.state.append("cursor", 1);
  const raised = await ctx.taskState.setIfMax("watermark", "2026-01-02");
  same<typeof raised, boolean>(true);
  // @ts-expect-error a list has no maximum
  await ctx.state.setIfMax("seen", "a");
  const next = await ctx.taskState.update("total", (total = 0) => total + 1);
  same<typeof next, number>(true);
  // @ts-expect-error an update makes the value of the schema
  await ctx.taskState.update("total", () => "one");
  const results = await ctx.state.transact([
    ctx.state.op.set("cursor", 1),
    ctx.taskState.op.increment("total"),
    ctx.state.op.clear({ prefix: "see" }),
  ]);
  same<typeof results, StateOpResult[]>(true);
  // @ts-expect-error changes are made by `op`
  await ctx.state.transact([{ op: "set" }]);
  // @ts-expect-error the key is none of the schema
  ctx.taskState.op.delete("totals");
  return helped(ctx);
});

const plain = task({ id: "plain" }, async (_: unknown, ctx) => {
  const any = await ctx.state.get("anything");
  same<typeof any, Json | undefined>(true);
  await ctx.state.set("anything/at-all", null);
  await ctx.state.increment("n");
  await ctx.state.append("list", { a: 1 });
  // @ts-expect-error undefined is no value
  await ctx.state.set("anything", undefined);
  const [entry] = await ctx.taskState.list({ prefix: "a/" });
  same<NonNullable<typeof entry>["value"], Json>(true);
  return byAny(ctx);
});

async function helped(ctx: BodyContext): Promise<string> {
  return ctx.run.id;
}

async function byAny(ctx: TaskContext): Promise<Json> {
  return (await ctx.state.get("anything")) ?? null;
}

const migrating = task(
  {
    id: "migrating",
    state: {
      schema: z.object({ total: z.number() }),
      version: 2,
      migrate: ({ sum }, from) => ({ total: Number(sum) * from }),
    },
  },
  async (_: unknown, ctx) => {
    const total = await ctx.state.get("total");
    same<typeof total, number | undefined>(true);
    return total ?? null;
  },
);

test("tasks with and without schemas of their state are tasks", () => {
  assert.deepEqual([typed.id, plain.id, migrating.id], ["typed", "plain", "migrating"]);
});
