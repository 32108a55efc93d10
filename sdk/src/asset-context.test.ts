// Assets as TypeScript bodies have them. Faults to catch: a message or a name that differs between languages; a watermark or an event that
// does not fit and that is sent; a page of events that is taken for all of them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type {
  ActivationStart,
  ChannelCall,
  ChannelParams,
  Json,
  StartingEvent,
  StateOpResult,
} from "@holdfast/protocol";
import { stateRecord } from "@holdfast/protocol";
import { z } from "zod";
import { asset } from "./asset.ts";
import { ActivationContext } from "./context.ts";
import type { TaskContext } from "./index.ts";
import { changesHash } from "./state-keys.ts";

const { assetChanges, commands } = JSON.parse(
  readFileSync(new URL("../../protocol/fixtures/channel-v1.json", import.meta.url), "utf8"),
) as {
  readonly assetChanges: { readonly ops: readonly Json[]; readonly hash: string; readonly name: string };
  readonly commands: readonly { readonly method: string; readonly params: ActivationStart }[];
};

interface Sent {
  readonly method: string;
  readonly params: unknown;
}

/** A body's context, and what it has sent; `result`: what each change is answered. */
function open({
  result = { version: 1 },
  events = [],
}: {
  result?: StateOpResult;
  events?: readonly StartingEvent[];
} = {}) {
  const sent: Sent[] = [];
  const answer = (method: string, params: unknown): unknown => {
    if (method === "state.transact") {
      const { ops } = params as ChannelParams<"state.transact">;
      return { recorded: true, value: stateRecord({ results: ops.map(() => result), hash: changesHash(ops) }) };
    }
    const { after = 0, limit = 1_000 } = params as ChannelParams<"asset.events">;
    if (method === "asset.events")
      return { events: events.filter((one) => one.number > after).slice(0, Math.min(2, limit)) };
    return { id: "orders", uri: null, watermarks: [] };
  };
  const call = (async (method: string, params: unknown) => {
    sent.push({ method, params });
    return answer(method, params);
  }) as ChannelCall;
  const start = commands.find(({ method }) => method === "activation.start")?.params;
  assert.ok(start !== undefined);
  const ctx: TaskContext = new ActivationContext({ ...start, steps: [] }, call, new AbortController().signal);
  return { ctx, sent };
}

const orders = asset({ id: "orders", watermark: z.string(), event: z.object({ files: z.array(z.string()) }) });

test("what the verbs send and how it is named is golden", async () => {
  const { ctx, sent } = open();
  const { op } = ctx.asset("orders");
  const changes = [
    op.advance("mark", ["2026-01-31", 7], { event: { files: ["ä"] }, key: "day 31" }),
    op.advance("seen", 2.5, { backwards: true }),
    op.emit(null, { key: "k" }),
    op.emit({ rows: 3 }),
    op.set("rows", 3),
    ctx.state.op.increment("n"),
  ];
  await ctx.state.transact(changes);
  const params = { key: `${assetChanges.name}#1`, ops: assetChanges.ops };
  assert.deepEqual(sent, [{ method: "state.transact", params }]);
  assert.equal(changesHash(assetChanges.ops), assetChanges.hash);
});

test("what came of a watermark and an event is answered", async () => {
  const { ctx } = open({ result: { version: 3, value: "b", changed: true, number: 7, emitted: true } });
  assert.deepEqual(await ctx.asset(orders).advance("mark", "b"), { changed: true, value: "b", event: 7 });
  assert.deepEqual(await ctx.asset(orders).emit({ files: [] }), { number: 7, existing: false });
  const again = open({ result: { version: 0, number: 3, emitted: false } });
  assert.deepEqual(await again.ctx.asset(orders).emit({ files: [] }), { number: 3, existing: true });
});

test("events are read page by page, until there are as many as asked for", async () => {
  const events = [1, 2, 3, 4, 5].map((number) => ({ number, key: null, payload: number, at: "t", run: null }));
  const { ctx, sent } = open({ events });
  const numbers = async (options?: { after?: number; limit?: number }) =>
    (await ctx.asset(orders).events(options)).map(({ number }) => number);
  assert.deepEqual(await numbers(), [1, 2, 3, 4, 5]);
  assert.deepEqual(await numbers({ after: 1, limit: 3 }), [2, 3, 4]);
  const asked = sent.length;
  for (const bad of [{ after: -1 }, { after: 0.5 }, { limit: 0 }, { limit: 1_001 }])
    await assert.rejects(numbers(bad), RangeError);
  assert.equal(sent.length, asked);
});

test("what does not fit is refused, and nothing is sent", async () => {
  const { ctx, sent } = open();
  const any = ctx.asset("orders") as unknown as Record<"advance" | "emit", (...args: unknown[]) => Promise<unknown>>;
  const typed = ctx.asset(orders) as unknown as typeof any;
  const bare = ctx.asset(asset({ id: "bare" })) as unknown as typeof any;
  for (const to of [undefined, null, true, {}, [], [[1]], Number.NaN, Array(17).fill(1)])
    await assert.rejects(any.advance("mark", to), TypeError);
  await assert.rejects(typed.advance("mark", 7), /The watermark of asset "orders" does not fit/);
  await assert.rejects(typed.advance("mark", "a", { event: { files: [1] } }), /at files\[0\]/);
  await assert.rejects(typed.emit({}), /What an event of asset "orders" says does not fit/);
  await assert.rejects(bare.advance("mark", "a"), /declare asset\(\{ id: "bare", watermark: z\.string\(\) \}\)/);
  await assert.rejects(any.advance("mark", 1, { key: "k" }), /and there is none/);
  await assert.rejects(any.emit(undefined), TypeError);
  await assert.rejects(any.emit({ deep: [Number.NaN] }), /deep\[0\]/);
  for (const name of ["", "x".repeat(513), "a\0", 7]) {
    await assert.rejects(any.advance(name, 1), TypeError);
    await assert.rejects(any.emit(1, { key: name }), TypeError);
  }
  for (const name of ["", "x".repeat(2_001), undefined, {}])
    assert.throws(() => ctx.asset(name as string), /takes an asset, or its id or URI/);
  assert.deepEqual(sent, []);
});
