// Faults to catch: a key that is read before the input is whole, or of what the workflow got instead of the task; one key that
// keeps the runs of another; a run whose key is known only when it starts, and that goes on without a slot, or holds those of
// its other limits while it waits; a key that is null and limits; one that is no text, taken for one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cel, task, workflow } from "@holdfast/sdk";
import { z } from "zod";
import { openTest } from "../testing/index.ts";

/** How many bodies of each key were at work at most, and of all together. */
class Watch {
  readonly most = new Map<string, number>();
  readonly #active = new Map<string, number>();

  async work(key: string): Promise<string> {
    this.#count(key, 1);
    this.#count("all", 1);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    this.#count(key, -1);
    this.#count("all", -1);
    return key;
  }

  #count(key: string, by: number): void {
    const active = (this.#active.get(key) ?? 0) + by;
    this.#active.set(key, active);
    this.most.set(key, Math.max(active, this.most.get(key) ?? 0));
  }
}

const order = z.object({ customer: z.string().nullable(), n: z.number() });

test("of each key so many runs are under way at a time, and one key keeps nobody of another", async () => {
  const watch = new Watch();
  const ship = task(
    { id: "ship", input: order, concurrency: 2, concurrencyKey: (input) => input.customer },
    ({ customer }) => watch.work(customer ?? "none"),
  );
  await using holdfast = await openTest({ ship });
  const customers = ["acme", "acme", "acme", "globex", "acme", "globex", null, null, null, "acme"];
  const runs = [];
  for (const [n, customer] of customers.entries()) runs.push(await holdfast.start(ship, { customer, n }));
  for (const run of runs) await run.result();
  assert.deepEqual([watch.most.get("acme"), watch.most.get("globex"), watch.most.get("none")], [2, 2, 3]);
});

test("the items of a map and a nested workflow are counted by what they are given", async () => {
  const watch = new Watch();
  const ship = task({ id: "ship", input: order, concurrencyKey: (input) => input.customer }, ({ customer }) =>
    watch.work(customer ?? ""),
  );
  const pack = task({ id: "pack", input: z.object({ box: z.string() }) }, ({ box }) => watch.work(box));
  const boxes = workflow(
    { id: "boxes", params: z.object({ box: z.string() }), concurrencyKey: (params) => cel`${params.box} + "!"` },
    (w) => w.call(pack, { box: w.params.box }).output,
  );
  const all = workflow({ id: "all", params: z.object({ orders: z.array(order) }) }, (w) => {
    const shipped = w.map(w.params.orders, ship, { key: (item) => item.n });
    const first = w.call(boxes, { box: "a" }, { as: "first" });
    const second = w.call(boxes, { box: "a" }, { as: "second" });
    return { shipped: shipped.outputs, first: first.output, second: second.output };
  });
  await using holdfast = await openTest({ ship, pack, boxes, all });
  const orders = ["acme", "globex", "acme", "acme", "globex"].map((customer, n) => ({ customer, n }));
  const output = await holdfast.run(all, { orders });
  assert.deepEqual(output, { shipped: orders.map(({ customer }) => customer), first: "a", second: "a" });
  assert.deepEqual([watch.most.get("acme"), watch.most.get("globex"), watch.most.get("a")], [1, 1, 1]);
  assert.ok((watch.most.get("all") ?? 0) > 1);
});

test("a key that comes from what ran before is counted when it is known, and nothing is held meanwhile", async () => {
  const watch = new Watch();
  const find = task({ id: "find", input: z.object({ n: z.number() }) }, ({ n }) => ({
    customer: n < 4 ? "acme" : "globex",
  }));
  const ship = task(
    { id: "ship", input: z.object({ customer: z.string() }), concurrencyKey: (input) => input.customer },
    ({ customer }) => watch.work(customer),
  );
  const flow = workflow({ id: "flow", params: z.object({ n: z.number() }) }, (w) => {
    const found = w.call(find, { n: w.params.n });
    return w.call(ship, { customer: found.output.customer }).output;
  });
  await using holdfast = await openTest({ find, ship, flow });
  const runs = [];
  for (let n = 0; n < 6; n++) runs.push(await holdfast.start(flow, { n }));
  const outputs = [];
  for (const run of runs) outputs.push(await run.result());
  assert.deepEqual(outputs, ["acme", "acme", "acme", "acme", "globex", "globex"]);
  assert.deepEqual([watch.most.get("acme"), watch.most.get("globex"), watch.most.get("all")], [1, 1, 2]);
});

test("a key that is no text or number is refused where the run is asked for, and ends the one that is bound", async () => {
  const ship = task(
    { id: "ship", input: z.object({ to: z.unknown() }), concurrencyKey: (input) => cel<string>`${input.to}` },
    () => 1,
  );
  const flow = workflow({ id: "flow" }, (w) => w.call(ship, { to: ["a", "b"] }).output);
  await using holdfast = await openTest({ ship, flow });
  await assert.rejects(holdfast.start(ship, { to: { city: "Ulm" } }), {
    code: "invalid_input",
    message: 'The concurrency key of "ship" is {"city":"Ulm"} for this input.',
  });
  await assert.rejects(holdfast.start(ship, { to: "x".repeat(513) }), { code: "invalid_input" });
  assert.equal(await holdfast.run(ship, { to: 17 }), 1);
  const ended = await (await holdfast.start(flow, {})).ended();
  assert.match(ended.error?.message ?? "", /The concurrency key of "ship" is \["a","b"\] for this input/);
});
