// Faults to catch: a manifest that leaves out which events start a definition, or an asset that only that names; an input that has no place
// for events; two assets that one URI names; a mistake that is let through.
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { definitionData } from "./definition.ts";
import { asset, task, workflow } from "./index.ts";
import { compileDefinitions } from "./spec.ts";

async function compile(definitions: Readonly<Record<string, unknown>>) {
  const exported = Object.entries(definitions).flatMap(([name, value]) => {
    const data = definitionData(value);
    return data === undefined ? [] : [{ data, source: { module: "tasks.ts", export: name } }];
  });
  const inspect = { expression: () => ({ tasks: [], usesItem: false }), timing: () => undefined };
  const { manifests, problems } = await compileDefinitions(exported, inspect);
  return { manifests, told: problems.map(({ message, hint }) => `${message} ${hint}`) };
}

const orders = asset({
  id: "orders",
  uri: "s3://lake/orders",
  watermark: z.string(),
  event: z.object({ n: z.number() }),
});
const customers = asset({ id: "customers" });

test("a manifest says which events start its definition, and has their assets with what fits them", async () => {
  const events = z.object({ events: z.record(z.string(), z.array(z.unknown())) });
  const { manifests, told } = await compile({
    joined: task({ id: "joined", input: events, startOn: { all: [orders, customers], from: "start" } }, async () => 1),
    any: workflow({ id: "any", startOn: { any: [customers] } }, () => null),
  });
  assert.deepEqual(told, []);
  const [any, joined] = manifests;
  assert.deepEqual(any?.definitions.any?.startOn, { mode: "any", assets: ["customers"] });
  assert.deepEqual(Object.keys(any?.assets ?? {}), ["customers"]);
  const startOn = { mode: "all", assets: ["customers", "orders"], from: "start" };
  assert.deepEqual(joined?.definitions.joined?.startOn, startOn);
  const { watermark, event, uri } = joined?.assets.orders ?? {};
  assert.deepEqual([watermark, uri], [{ type: "string" }, "s3://lake/orders"]);
  assert.deepEqual((event as { required: string[] }).required, ["n"]);
});

test("mistakes are told with a remedy", async () => {
  const form = 'Write startOn: { all: [orders, customers] }, or { any: […] }, where orders = asset({ id: "orders" }).';
  const told = async (startOn: unknown) =>
    (await compile({ it: task({ id: "it", startOn: startOn as { any: [typeof orders] } }, async () => 1) })).told;
  assert.deepEqual(await told("orders"), [`task "it": "startOn" is "orders". ${form}`]);
  assert.deepEqual(await told({}), [`task "it": "startOn" has neither "all" nor "any". ${form}`]);
  assert.deepEqual(await told({ all: [orders], any: [orders] }), [
    `task "it": "startOn" has both "all" and "any". ${form}`,
  ]);
  assert.deepEqual(await told({ all: ["orders"] }), [`task "it": "all" of "startOn" is not a list of assets. ${form}`]);
  assert.deepEqual(await told({ any: [] }), ['task "it": "any" of "startOn" has 0 assets. 1 to 10 are allowed.']);
  assert.deepEqual(await told({ any: [orders, orders] }), [
    'task "it": "any" of "startOn" has "orders" twice. Remove one.',
  ]);
  assert.deepEqual(await told({ any: [orders], from: "now" }), [
    'task "it": "from" of "startOn" is "now". Write from: "start", or leave it out.',
  ]);
  assert.deepEqual(await told({ any: [orders], form: "start" }), [
    'task "it": in "startOn" unknown option "form". Did you mean "from"?',
  ]);
  const needs = { id: "it", input: z.object({ day: z.string() }), startOn: { any: [orders] } } as const;
  assert.match(
    (await compile({ it: task(needs, async () => 1) })).told[0] ?? "",
    /its input also needs "day"\. Runs that events/,
  );
  const closed = {
    id: "it",
    params: z.strictObject({ day: z.string().default("x") }),
    startOn: { any: [orders] },
  } as const;
  assert.match(
    (await compile({ it: workflow(closed, () => 1) })).told[0] ?? "",
    /its input has no "events"\. Runs that/,
  );
});

test("a URI names one asset and begins with its scheme", async () => {
  const same = asset({ id: "same", uri: "s3://lake/orders" });
  assert.deepEqual((await compile({ it: task({ id: "it", reads: [orders], writes: [same] }, async () => 1) })).told, [
    'asset "same": the asset "orders" has the same "uri". A URI names one asset: declare it once and import it.',
  ]);
  const named = asset({ id: "named", uri: "orders" });
  assert.match((await compile({ named })).told[0] ?? "", /A URI begins with its scheme, as in "s3:\/\/lake\/orders"\./);
  const wrong = asset({ id: "wrong", event: "text" as never });
  assert.match((await compile({ wrong })).told[0] ?? "", /"event" is "text"/);
});
