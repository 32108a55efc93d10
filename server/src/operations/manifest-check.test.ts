// Faults to catch: a schema that makes its validator answer promises, which lets every value in and ends the node at the
// first that does not fit; a schema that is none, or that lies elsewhere, told only when a run begins.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, Manifest } from "@holdfast/protocol";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { taskSpec, workflowManifest } from "./manifest.fixture.ts";

function open() {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  return serve(store, { clock });
}

function withInput(input: Json): Manifest {
  return workflowManifest("flow", [], { spec: { input } });
}

const unusable: readonly (readonly [string, Json, RegExp, RegExp])[] = [
  ["$async at its top", { $async: true, type: "object", required: ["x"] }, /"\$async" makes it answer/, /Remove it/],
  ["$async in a field", { properties: { a: { $async: true } } }, /"\$async" at properties\.a makes/, /Remove it/],
  ["$async in a list", { anyOf: [{ type: "null" }, { $async: true }] }, /"\$async" at anyOf\.1/, /Remove it/],
  ["an unknown type", { type: "nonsense" }, /type must be equal to one of the allowed values/, /JSON Schema 2020-12/],
  ["a far $ref", { $ref: "http://example.com/x" }, /can't resolve reference http:\/\/example/, /begins with #/],
  ["a $ref to nothing", { $ref: "#/$defs/a" }, /can't resolve reference #\/\$defs\/a/, /stays inside/],
  ["a broken pattern", { type: "string", pattern: "(" }, /Unterminated group/, /JSON Schema 2020-12/],
  ["a text for a schema", "string", /it is "string", but must be an object/, /JSON Schema 2020-12/],
  ["another dialect", { $schema: "http://example.com/dialect" }, /no schema with key or ref/, /JSON Schema 2020-12/],
];
for (const [what, schema, message, hint] of unusable) {
  test(`a manifest whose schema has ${what} is refused where it is applied, and nothing of it is kept`, async () => {
    const { definitions, store } = open();
    const task = { ...taskSpec, output: schema };
    for (const [manifest, whose] of [
      [withInput(schema), /^The input schema of "flow" is no JSON Schema/],
      [workflowManifest("flow", [], { task }), /^The output schema of "unit" is no JSON Schema/],
    ] as const) {
      await assert.rejects(definitions.apply([manifest]), (error: unknown) => {
        assert.ok(error instanceof Error && "code" in error && "hint" in error);
        assert.equal(error.code, "invalid_definition");
        assert.match(error.message, whose);
        assert.match(error.message, message);
        assert.match(String(error.hint), hint);
        return true;
      });
    }
    assert.deepEqual(await store.listDefinitions({ namespace: "default" }), []);
  });
}

test("names of users are no words of a schema: a field, a value or a default may be called $async", async () => {
  const { definitions, runs } = open();
  const schema = {
    type: "object",
    properties: { $async: { const: { $async: true }, default: { $async: true } }, id: { id: "Name", type: "string" } },
  };
  await definitions.apply([withInput(schema)]);
  await runs.start({ definition: "flow", input: { $async: { $async: true }, id: "x" } });
  await assert.rejects(runs.start({ definition: "flow", input: { $async: 1 } }), { code: "invalid_input" });
});

// As it may lie in a store since before manifests were looked at.
test("a run of a kept manifest with an asynchronous schema is refused, and the process goes on", async () => {
  const { store, runs } = open();
  const manifest = withInput({ $async: true, type: "object", required: ["x"] });
  const row = { id: "flow", kind: "workflow" as const, hash: "0".repeat(64), manifest };
  await store.applyManifests({ namespace: "default", manifests: [row] });
  await assert.rejects(runs.start({ definition: "flow", input: {} }), { code: "invalid_definition" });
});

test("schemas that give themselves and their parts the same names do not know each other's", async () => {
  const { definitions, runs } = open();
  const named = (type: string) => ({
    $id: "https://example.com/whole",
    $ref: "#part",
    $defs: { a: { $anchor: "part", type } },
  });
  const task = { ...taskSpec, input: named("string"), output: named("number") };
  await definitions.apply([workflowManifest("flow", [], { task, spec: { input: named("boolean") } })]);
  await runs.start({ definition: "flow", input: true });
});
