import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, limits, type Manifest, type StartingEvent, type StartOn } from "@holdfast/protocol";
import { serve } from "../main.ts";
import { declaring, emit } from "../store/contract/assets.fixture.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Consuming } from "./consuming.ts";

// Faults to catch: an event that two runs get, or none; one that waits for all and is started by one; events that are lost since their run could
// not be made; more in one run than an input may have; a consumer that cannot start and keeps another from it.

const namespace = "default";

function report(startOn: StartOn, input?: Json): Manifest {
  const manifest = declaring("report", { startOn });
  const spec = { ...manifest.definitions.report, ...(input === undefined ? {} : { input }) } as never;
  return { ...manifest, definitions: { report: spec } };
}

async function open(...manifests: readonly Manifest[]) {
  const clock = new VirtualClock();
  const services = serve(openMemoryStore({ clock }), { clock });
  const { store, definitions, concurrency } = services;
  await definitions.apply([declaring("load", { writes: ["orders", "customers"] }), ...manifests]);
  const tell = async (asset: string, ...payloads: Json[]) => {
    const ops = payloads.map((payload) => emit(payload, undefined, asset));
    const [result] = await store.transactState({ rows: [{ namespace, ops, writer: null }] });
    assert.equal(result?.outcome, "applied");
  };
  /** What each run that was started got, by asset: its payloads. */
  const got = async () => {
    const { runs } = await store.listRuns({ namespace, definition: "report", rootsOnly: true, limitRows: 100 });
    return runs.reverse().map(({ input }) => {
      const { events } = input as unknown as { events: Record<string, StartingEvent[]> };
      return Object.fromEntries(Object.entries(events).map(([asset, of]) => [asset, of.map(({ payload }) => payload)]));
    });
  };
  return { ...services, clock, tell, got, other: new Consuming({ store, definitions, concurrency, namespace }) };
}

test("what has come of all assets goes into one run, and the next waits for all again", async () => {
  const { consuming, tell, got } = await open(report({ mode: "all", assets: ["orders", "customers"] }));
  await tell("orders", 1, 2);
  assert.deepEqual(await consuming.consumeDue(10), { started: 0, stale: 0, problems: [] });
  await tell("customers", "a");
  assert.deepEqual(await consuming.consumeDue(10), { started: 1, stale: 0, problems: [] });
  await tell("orders", 3);
  assert.equal((await consuming.consumeDue(10)).started, 0);
  await tell("customers", "b");
  await consuming.consumeDue(10);
  assert.deepEqual(await got(), [
    { orders: [1, 2], customers: ["a"] },
    { orders: [3], customers: ["b"] },
  ]);
});

test("who waits for any is started by one, and finds nothing of the others", async () => {
  const { consuming, tell, got, store } = await open(report({ mode: "any", assets: ["orders", "customers"] }));
  await tell("customers", "a");
  await consuming.consumeDue(10);
  assert.deepEqual(await got(), [{ orders: [], customers: ["a"] }]);
  const { runs } = await store.listRuns({ namespace, rootsOnly: true, limitRows: 1 });
  const { events } = (runs[0]?.input ?? {}) as { events?: Record<string, StartingEvent[]> };
  const event = events?.customers?.[0];
  assert.deepEqual([event?.number, event?.key, event?.run], [1, null, null]);
  assert.match(event?.at ?? "", /^\d{4}-.*Z$/);
});

test("two nodes that look at the same time start one run", async () => {
  const { consuming, other, tell, got } = await open(report({ mode: "any", assets: ["orders"] }));
  await tell("orders", 1);
  const [one, two] = await Promise.all([consuming.consumeDue(10), other.consumeDue(10)]);
  assert.deepEqual([one.started + two.started, one.stale + two.stale], [1, 1]);
  assert.deepEqual(await got(), [{ orders: [1] }]);
});

test("a run takes so many events and bytes, and what is left goes into the next", async () => {
  const { consuming, tell, got } = await open(report({ mode: "any", assets: ["orders", "customers"], maxEvents: 2 }));
  await tell("orders", 1, 2, 3);
  assert.equal((await consuming.consumeDue(10)).started, 1);
  assert.equal((await consuming.consumeDue(10)).started, 1);
  assert.deepEqual(
    (await got()).map(({ orders }) => orders),
    [[1, 2], [3]],
  );
  const large = await open(report({ mode: "any", assets: ["orders", "customers"] }));
  const payload = "x".repeat(limits.assetEventBytes - 2);
  for (const asset of ["orders", "customers"]) await large.tell(asset, ...Array.from({ length: 20 }, () => payload));
  while ((await large.consuming.consumeDue(10)).started > 0);
  const counts = (await large.got()).map((events) => [events.orders?.length, events.customers?.length]);
  assert.deepEqual(counts, [
    [10, 1],
    [10, 1],
    [0, 11],
    [0, 7],
  ]);
});

test("events whose run cannot be made wait, say so once, and keep nobody else from starting", async () => {
  const strict = { type: "object", properties: { day: { type: "string" } }, required: ["day"] };
  const other = { ...declaring("zone", { startOn: { mode: "any", assets: ["orders"] } }) };
  const { consuming, tell, got, store, definitions } = await open(
    report({ mode: "any", assets: ["orders"] }, strict),
    other,
  );
  await tell("orders", 1);
  const first = await consuming.consumeDue(1);
  assert.deepEqual([first.started, first.problems.map(({ definition }) => definition)], [1, ["report"]]);
  assert.match(first.problems[0]?.problem ?? "", /day/);
  assert.deepEqual(await consuming.consumeDue(1), { started: 0, stale: 0, problems: [] });
  const found = await store.findConsumer({ namespace, definition: "report" });
  assert.match(found?.consumer.problem ?? "", /day/);
  await tell("orders", 2);
  // It is looked at again, and there is nothing new to say.
  assert.deepEqual(await consuming.consumeDue(1), { started: 1, stale: 0, problems: [] });
  await definitions.apply([report({ mode: "any", assets: ["orders"] })]);
  assert.equal((await consuming.consumeDue(1)).started, 1);
  assert.deepEqual(await got(), [{ orders: [1, 2] }]);
});

test("a definition that is paused gets nothing until it is resumed", async () => {
  const { consuming, pauses, store, tell, got } = await open(report({ mode: "any", assets: ["orders"] }));
  const heard: string[] = [];
  store.onRing((topics) => heard.push(...topics));
  await pauses.pause("definition", "report");
  await tell("orders", 1);
  assert.equal((await consuming.consumeDue(10)).started, 0);
  heard.length = 0;
  await pauses.resume("definition", "report");
  assert.ok(heard.includes("assets"));
  assert.equal((await consuming.consumeDue(10)).started, 1);
  assert.deepEqual(await got(), [{ orders: [1] }]);
});
