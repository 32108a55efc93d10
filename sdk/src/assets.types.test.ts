import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import {
  type Advanced,
  type AssetEvent,
  asset,
  type BodyContext,
  type Emitted,
  type Json,
  type StartedBy,
  type TaskContext,
  task,
  workflow,
} from "./index.ts";

// Type tests of assets: `tsc` is what runs them. Faults to catch: an asset that its task did not declare, or did not declare to write, and
// that compiles; an advance with a wrong type, or on an asset without a watermark; an event that its schema does not have.

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

const orders = asset({
  id: "orders",
  uri: "s3://lake/orders",
  watermark: z.string(),
  event: z.object({ files: z.array(z.string()), at: z.date() }),
  state: z.object({ rows: z.number() }),
});
const customers = asset({ id: "customers", watermark: z.tuple([z.number(), z.string()]) });
const pages = asset({ id: "pages" });

const at = new Date(0);

const load = task({ id: "load", reads: [customers], writes: [orders, pages] }, async (_: unknown, ctx) => {
  const own = ctx.asset(orders);
  const mark = await own.watermark();
  same<typeof mark, string | undefined>(true);
  const moved = await own.advance("mark", "2026-01-02", { event: { files: ["a"], at }, key: "a" });
  same<typeof moved, Advanced<string>>(true);
  await own.advance("mark", "2026-01-01", { backwards: true, as: "back" });
  // @ts-expect-error the watermark is a text
  await own.advance("mark", 7);
  // @ts-expect-error the event lacks its moment
  await own.advance("mark", "2026-01-02", { event: { files: ["a"] } });
  const told = await own.emit({ files: [], at }, { key: "k", as: "told" });
  same<typeof told, Emitted>(true);
  // @ts-expect-error no such event
  await own.emit({ files: "a" });
  const [event] = await own.events({ after: 3, limit: 10 });
  same<typeof event, AssetEvent<{ readonly files: string[]; readonly at: string }> | undefined>(true);
  await own.increment("rows", 2);
  // @ts-expect-error the schema has no such key
  await own.set("row", 2);
  await ctx.state.transact([
    own.op.advance("mark", "b", { event: { files: [], at } }),
    own.op.set("rows", 1),
    ctx.state.op.set("x", 1),
  ]);
  // @ts-expect-error the watermark is a text
  own.op.advance("mark", 7);

  const any = ctx.asset(pages);
  await any.emit(null);
  const [anything] = await any.events();
  same<typeof anything, AssetEvent<Json> | undefined>(true);
  await any.set("anything", { a: 1 });
  // @ts-expect-error an asset without a watermark has none to advance
  await any.advance("mark", "2026-01-02");
  // @ts-expect-error nor to read
  await any.watermark();
  // @ts-expect-error nor among its changes
  any.op.advance("mark", 1);

  const others = ctx.asset(customers);
  const pair = await others.watermark("loaded");
  same<NonNullable<typeof pair>[0], number>(true);
  await others.get("x");
  // @ts-expect-error it is only read
  await others.set("x", 1);
  // @ts-expect-error it is only read
  await others.emit(1);
  // @ts-expect-error it is only read
  await others.advance("mark", [1, "a"]);
  return helped(ctx);
});

task({ id: "none" }, async (_: unknown, ctx) => {
  // @ts-expect-error it declares none
  ctx.asset(orders);
  // By its name it is looked at when it is used.
  await ctx.asset("s3://lake/orders").advance("mark", "2026-01-01", { event: 1 });
  return null;
});

task({ id: "another", input: z.object({ n: z.number() }), reads: [orders], output: z.number() }, async ({ n }, ctx) => {
  // @ts-expect-error it declares another one
  ctx.asset(customers);
  same<typeof n, number>(true);
  return (await ctx.asset(orders).get("rows")) ?? n;
});

async function helped(ctx: BodyContext): Promise<string> {
  return ctx.run.id;
}

/** A function that is given any context sees any asset. */
export async function anywhere(ctx: TaskContext): Promise<Json> {
  const value = await ctx.asset(orders).watermark();
  same<typeof value, string | undefined>(true);
  return value ?? null;
}
export const handing = task({ id: "handing", reads: [orders] }, (_: unknown, ctx) => anywhere(ctx));

const joined = task(
  { id: "joined", startOn: { all: [orders, customers], from: "start" } },
  async ({ events }: StartedBy<typeof orders | typeof customers>) => {
    const [first] = events.orders;
    same<typeof first, AssetEvent<{ readonly files: string[]; readonly at: string }> | undefined>(true);
    same<(typeof events)["customers"], readonly AssetEvent<Json>[]>(true);
    // @ts-expect-error it does not start on pages
    events.pages;
    return events.orders.length;
  },
);
workflow({ id: "any", startOn: { any: [orders] } }, () => null);
// @ts-expect-error neither all nor any
task({ id: "x", startOn: {} }, async () => 1);
// @ts-expect-error not both
task({ id: "x", startOn: { all: [orders], any: [orders] } }, async () => 1);
// @ts-expect-error no asset
task({ id: "x", startOn: { all: [joined] } }, async () => 1);
// @ts-expect-error unknown option
asset({ id: "x", watermarks: z.string() });

test("assets with and without schemas are assets, and their tasks are tasks", () => {
  assert.deepEqual(
    [orders.id, customers.id, pages.id, load.id, joined.id],
    ["orders", "customers", "pages", "load", "joined"],
  );
});
