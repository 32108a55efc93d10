// Faults to catch: a rate of a definition, a queue or a key that is not the one that holds; one that counts the waits of a
// workflow as starts, or a retry as none; one that ends with its run instead of its time; keys
// that take turns in front of what nobody waits for, and stand in the order in which they came where they do wait; runs that wait for
// their turn behind such as wait for them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Task, task, workflow } from "@holdfast/sdk";
import { z } from "zod";
import { openTest } from "../testing/index.ts";

const minuteMs = 60_000;

/** How many of these moments lie within any time of that length, at most. */
function densest(moments: readonly number[], perMs: number): number {
  return Math.max(...moments.map((from) => moments.filter((at) => at >= from && at < from + perMs).length));
}

test("of a task so many activations start within its time, its retries among them", async () => {
  const starts: number[] = [];
  const call = task({ id: "call", rate: { limit: 3, per: "1m" }, retry: { attempts: 2, delay: "0s" } }, (_, ctx) => {
    starts.push(holdfast.clock.now());
    if (ctx.attempt === 1 && starts.length % 2 === 1) throw new Error("once more");
    return 1;
  });
  await using holdfast = await openTest({ call });
  const runs = [];
  for (let i = 0; i < 8; i++) runs.push(await holdfast.start(call, {}));
  for (const run of runs) assert.equal(await run.result(), 1);
  assert.ok(starts.length > 8);
  assert.equal(densest(starts, minuteMs), 3);
  const shortest = (Math.ceil(starts.length / 3) - 1) * minuteMs;
  assert.ok((starts.at(-1) ?? 0) - (starts[0] ?? 0) < shortest + 5_000, "no start is left unused");
});

test("a rate by key is of each key, also where the input is bound when the run starts", async () => {
  const starts = new Map<string, number[]>();
  const call = task(
    { id: "call", input: z.object({ to: z.string() }), rate: { limit: 1, per: "10s", key: (input) => input.to } },
    ({ to }) => {
      starts.set(to, [...(starts.get(to) ?? []), holdfast.clock.now()]);
      return to;
    },
  );
  const find = task({ id: "find", input: z.object({ to: z.string() }) }, ({ to }) => to);
  const flow = workflow({ id: "flow", params: z.object({ to: z.string() }) }, (w) => {
    const found = w.call(find, { to: w.params.to });
    return w.call(call, { to: found.output }).output;
  });
  await using holdfast = await openTest({ call, find, flow });
  const runs = [];
  for (const to of ["a", "b", "a"]) runs.push(await holdfast.start(call, { to }));
  for (const to of ["a", "c"]) runs.push(await holdfast.start(flow, { to }));
  for (const run of runs) await run.result();
  const of = (to: string) => starts.get(to) ?? [];
  assert.deepEqual([of("a").length, of("b").length, of("c").length], [3, 1, 1]);
  assert.equal(densest(of("a"), 10_000), 1);
  assert.ok((of("c")[0] ?? 0) < (of("a").at(-1) ?? 0), "one key waits for no other");
});

test("runs take turns by their key: one of few does not wait behind all of many", async () => {
  const order: string[] = [];
  const sync = task(
    { id: "sync", input: z.object({ of: z.string() }), rate: { limit: 1, per: "1s" }, fair: (input) => input.of },
    ({ of }) => {
      order.push(of);
      return of;
    },
  );
  await using holdfast = await openTest({ sync });
  const runs = [];
  for (let i = 0; i < 120; i++) runs.push(await holdfast.start(sync, { of: "many" }));
  runs.push(await holdfast.start(sync, { of: "few" }));
  for (const run of runs) await run.result();
  assert.equal(order.length, 121);
  assert.ok(order.indexOf("few") <= 11, `it was number ${order.indexOf("few") + 1}`);
});

test("a workflow starts once, however often it goes on", async () => {
  const calm = task({ id: "calm" }, () => 1);
  const flow = workflow({ id: "flow", rate: { limit: 1, per: "1h" } }, (w) => w.call(calm, {}).output);
  await using holdfast = await openTest({ calm, flow });
  const [first, second] = [await holdfast.start(flow, {}), await holdfast.start(flow, {})];
  const began = holdfast.clock.now();
  assert.equal(await first.result(), 1);
  assert.ok(holdfast.clock.now() < began + minuteMs);
  assert.equal(await second.result(), 1);
  assert.ok(holdfast.clock.now() >= began + 60 * minuteMs);
});

test("who calls a run of its own definition does not wait behind those that wait for its slot", async () => {
  const input = z.object({ of: z.string(), deep: z.boolean() });
  const dig: Task<{ of: string; deep: boolean }, string> = task(
    { id: "dig", input, output: z.string(), concurrency: 1, fair: (given) => given.of },
    async ({ of, deep }, ctx): Promise<string> => (deep ? await ctx.call("below", dig, { of, deep: false }) : of),
  );
  await using holdfast = await openTest({ dig });
  const runs = [];
  for (let i = 0; i < 13; i++) runs.push(await holdfast.start(dig, { of: "acme", deep: true }));
  for (const run of runs) assert.equal(await run.result(), "acme");
});

test("a retry does not wait behind those of its key that wait for what it holds", async () => {
  const ship = task(
    {
      id: "ship",
      input: z.object({ of: z.string() }),
      concurrencyKey: (given) => given.of,
      fair: (given) => given.of,
      retry: { attempts: 2, delay: "1s" },
    },
    ({ of }, ctx) => {
      if (ctx.attempt === 1) throw new Error("once more");
      return of;
    },
  );
  await using holdfast = await openTest({ ship });
  const runs = [];
  for (let i = 0; i < 13; i++) runs.push(await holdfast.start(ship, { of: "acme" }));
  for (const run of runs) assert.equal(await run.result(), "acme");
});
