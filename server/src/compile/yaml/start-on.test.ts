// Faults to catch: a workflow's file that says otherwise than TypeScript which events start it; events that its parameters refuse; assets
// that only `start_on` names and that its manifest leaves out; a mistake that is let through, or told at another line.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AssetSpec } from "@holdfast/protocol";
import { inspectExpression } from "../inspect-expression.ts";
import { parseYaml } from "./document.ts";
import { compileWorkflowFile } from "./workflow-file.ts";

const orders: AssetSpec = { id: "orders", uri: "s3://lake/orders" };

async function compile(lines: string) {
  const text = `name: w\n${lines}\ntasks:\n  it: { executor: shell, command: echo, reads: [customers] }\n`;
  const { tree, problems } = parseYaml(text, "/w.yaml");
  assert.deepEqual(problems, []);
  assert.ok(tree !== undefined);
  const findAsset = (id: string) => (id === "orders" ? orders : undefined);
  const findExport = () => ({ kind: "broken" }) as const;
  const compiling = { root: "/", findExport, findAsset, inspectExpression, connections: undefined };
  const { manifests, problems: found } = await compileWorkflowFile({ path: "/w.yaml", tree }, compiling);
  const told = found.map(({ line, message, hint }) => `${line} ${message} / ${hint}`);
  return { told, manifest: manifests.find(({ root }) => root === "w") };
}

test("events start a workflow, and are a parameter of it that may be left out", async () => {
  const { told, manifest } = await compile("start_on: { all: [orders, customers], from: start }");
  assert.deepEqual(told, []);
  const spec = manifest?.definitions.w;
  assert.deepEqual(spec?.startOn, { mode: "all", assets: ["customers", "orders"], from: "start" });
  assert.deepEqual(manifest?.assets, { orders, customers: { id: "customers" } });
  const input = spec?.input as { properties: { events: { default: unknown } }; required?: unknown };
  assert.deepEqual([input.properties.events.default, input.required], [{}, undefined]);
  const any = await compile(
    "start_on: { any: [orders] }\nparams: { events: { type: { orders: [{ number: int }] } }, day: { type: str, default: x } }",
  );
  assert.deepEqual(any.told, []);
  assert.deepEqual(any.manifest?.definitions.w?.startOn, { mode: "any", assets: ["orders"] });
});

test("mistakes are told with their line and a remedy", async () => {
  const form = "Write start_on: { all: [orders, customers] }, or { any: […] }.";
  for (const [lines, told] of [
    ["start_on: {}", `2 "start_on" has neither "all" nor "any". / ${form}`],
    ["start_on: { all: [orders], any: [orders] }", `2 "start_on" has both "all" and "any". / ${form}`],
    ["start_on: { al: [orders], any: [orders] }", '2 "start_on": unknown key "al". / Did you mean "all"?'],
    ["start_on: { all: [orders, orders] }", '2 "start_on" names "orders" twice. / Remove one.'],
    ["start_on: { any: [] }", '2 "start_on": "any" is an empty list. / It must be the id of at least one asset.'],
    ["start_on: { any: orders }", '2 "start_on": "any" is "orders". / It must be a list of the ids of assets.'],
    [
      "start_on: { any: [a b] }",
      '2 "start_on": "any.0" is "a b". / It must be the id of an asset: letters and digits, and _ . - / inside.',
    ],
    ["start_on: { any: [orders], from: now }", '2 "start_on": "from" is "now". / It must be one of start.'],
    ["startOn: { any: [orders] }", '2 the workflow: unknown key "startOn". / It is called "start_on" here.'],
    [
      "start_on: { any: [orders] }\nparams: { day: str }",
      '2 events start it, but its input also needs "day". / Runs that events start are given { events } alone: give the others a default.',
    ],
  ] as const)
    assert.deepEqual((await compile(lines)).told, [told], lines);
});
