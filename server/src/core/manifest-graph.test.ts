// Faults to catch: a manifest whose run would wait for ever (nodes in a circle, an upstream that is not there or counted
// twice), would never end (a workflow within itself), or would quietly work on nothing (an output or item that is not there).
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Binding,
  type CallNode,
  limits,
  type Manifest,
  type MapNode,
  type WorkflowNode,
} from "@holdfast/protocol";
import { taskSpec, workflowManifest } from "../operations/manifest.fixture.ts";
import { checkExpressionUses, checkManifestGraph } from "./manifest-graph.ts";

const unit = { definition: "unit", rule: "all_success" as const };
const output = (node: string): Binding => ({ ref: { from: "output", node, path: [] } });
const item: Binding = { ref: { from: "item", path: [] } };

function call(name: string, upstream: string[] = [], fields: Partial<CallNode> = {}): CallNode {
  return { kind: "call", name, upstream, args: { const: {} }, ...unit, ...fields };
}

function map(name: string, fields: Partial<MapNode> = {}): MapNode {
  return { kind: "map", name, upstream: [], list: { const: [] }, itemKey: item, with: item, ...unit, ...fields };
}

function flow(nodes: readonly WorkflowNode[], result: Binding = { const: null }): Manifest {
  return workflowManifest("flow", nodes, { spec: { output: result } });
}

const plain = workflowManifest("flow", []);
const a = call("a");
const mistakes: readonly (readonly [string, Manifest, RegExp, RegExp])[] = [
  ["two nodes that wait for each other", flow([call("a", ["b"]), call("b", ["a"])]), /circle: a → b → a/, /Remove one/],
  [
    "a long circle",
    flow([a, call("b", ["a", "d"]), call("c", ["b"]), call("d", ["c"])]),
    /circle: b → d → c → b/,
    /Remove/,
  ],
  ["a node that waits for itself", flow([call("a", ["a"])]), /node "a" of workflow "flow" depends on itself/, /Remove/],
  ["an upstream that is not there", flow([a, call("b", ["aa"])]), /names "aa", which is no node/, /Did you mean "a"/],
  ["an upstream that is counted twice", flow([a, call("b", ["a", "a"])]), /names "a" twice/, /Remove one/],
  ["two nodes of one name", flow([a, a]), /the node name "a" is used twice/, /name of its own/],
  ["a call of nothing", flow([call("a", [], { definition: "unitt" })]), /"unitt", which the/, /Did you mean "unit"/],
  ["a call of what every object has", flow([call("a", [], { definition: "constructor" })]), /"constructor"/, /Known/],
  ["a workflow within itself", flow([call("a", [], { definition: "flow" })]), /calls itself: flow → flow/, /no circles/],
  ["an id that is not its name", { ...plain, definitions: { ...plain.definitions, x: taskSpec } }, /"x" has the id "unit"/, /own id/],
  ["an asset's id that is not its name", { ...plain, assets: { x: { id: "y" } } }, /asset under the name "x"/, /own id/],
  ["an output read beside", flow([a, call("b", [], { args: { list: [output("a")] } })]), /its input\[0\] reads the node "a", which is not upstream/, /Add "a"/],
  ["an output read by a condition", flow([a, call("b", [], { when: output("a") })]), /"when" reads the node "a"/, /Add "a"/],
  ["an own output read", flow([call("a", [], { args: output("a") })]), /reads the node "a", which is not upstream/, /Add/],
  ["an output that is not there", flow([a], { object: { x: output("nothing") } }), /its output\.x reads the node "nothing"/, /Known: "a"/],
  ["an item outside of a map", flow([call("a", [], { args: item })]), /its input uses the item outside of a map/, /own map/],
  ["an item in its map's list", flow([map("m", { list: item })]), /the list uses the item outside of a map/, /own map/],
]; // biome-ignore format: one line a mistake

for (const [what, manifest, message, hint] of mistakes) {
  test(`${what} is refused with its place and a remedy`, () => {
    assert.throws(() => checkManifestGraph(manifest), { code: "invalid_definition", message, hint });
  });
}

test("workflows that contain each other by way of others are refused with the whole way", () => {
  const calling = (id: string, definition: string) => workflowManifest(id, [call("n", [], { definition })]).definitions;
  const definitions = { ...calling("x", "y"), ...calling("y", "z"), ...calling("z", "x") };
  const message = /workflow "(.)" calls itself: (x → y → z → x|y → z → x → y|z → x → y → z)/;
  assert.throws(() => checkManifestGraph({ ...plain, root: "x", definitions }), { message });
});

test("workflows are nested as deep as runs may be, a map's items being a level of their own, and no deeper", () => {
  const nested = (levels: number, last: WorkflowNode): Manifest => {
    let definitions = workflowManifest("flow-1", [last]).definitions;
    for (let i = 2; i < levels; i++) {
      const node = call("n", [], { definition: `flow-${i - 1}` });
      definitions = { ...definitions, ...workflowManifest(`flow-${i}`, [node]).definitions };
    }
    return { ...plain, root: `flow-${levels - 1}`, definitions };
  };
  checkManifestGraph(nested(limits.treeDepth + 1, call("n")));
  checkManifestGraph(nested(limits.treeDepth, map("n")));
  assert.throws(() => checkManifestGraph(nested(limits.treeDepth + 2, call("n"))), { message: /nests 21 deep/ });
  assert.throws(() => checkManifestGraph(nested(limits.treeDepth + 1, map("n"))), { message: /nests 21 deep/ });
});

test("what is in order passes in whichever order it stands, and its expressions are answered with what they may read", () => {
  const nodes = [
    call("last", ["m"], { when: { cel: "size(tasks.m.output) > 0" }, args: output("m") }),
    map("m", { upstream: ["a"], list: output("a"), with: { cel: "item.x" } }),
    a,
  ];
  const expressions = checkManifestGraph(flow(nodes, { object: { x: { cel: "tasks.a.output" }, y: output("last") } }));
  const seen = expressions.map(({ text, place }) => [text, place]);
  assert.deepEqual(seen, [
    ["size(tasks.m.output) > 0", 'node "last" of workflow "flow": "when"'],
    ["item.x", 'node "m" of workflow "flow": its input'],
    ["tasks.a.output", 'workflow "flow": its output.x'],
  ]);
  const [when, ofItem, result] = expressions;
  assert.ok(when !== undefined && ofItem !== undefined && result !== undefined);
  checkExpressionUses(when, { tasks: ["m"], usesItem: false });
  checkExpressionUses(ofItem, { tasks: ["a"], usesItem: true });
  checkExpressionUses(result, { tasks: ["a", "last", "m"], usesItem: false });
  assert.throws(() => checkExpressionUses(when, { tasks: ["a"], usesItem: false }), {
    message: /"a", which is not up/,
  });
  assert.throws(() => checkExpressionUses(result, { tasks: ["b"], usesItem: false }), { message: /"b", which is not/ });
  assert.throws(() => checkExpressionUses(result, { tasks: [], usesItem: true }), { message: /item outside/ });
});

test("the longest chain of nodes is no reason to fail", () => {
  const nodes = Array.from({ length: limits.nodesPerWorkflow }, (_, i) => call(`n${i}`, i === 0 ? [] : [`n${i - 1}`]));
  checkManifestGraph(flow(nodes.toReversed()));
});
