// Faults to catch: a workflow's run that gets the moment of its compilation, or the same random id as every other run; a manifest
// whose hash is another one each time that the same file is compiled.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { canonicalText } from "@holdfast/protocol";
import { z } from "zod";
import { type DefinitionData, definitionData } from "./definition.ts";
import { task, workflow } from "./index.ts";
import { compileDefinitions } from "./spec.ts";

function compile(definition: unknown) {
  const data = definitionData(definition) as DefinitionData;
  const inspect = { expression: () => ({ tasks: [], usesItem: false }), timing: () => undefined };
  return compileDefinitions([{ data, source: { module: "a.ts", export: "a" } }], inspect);
}

const at = z.string().default(() => new Date().toISOString());

test("a workflow whose parameter has another default each time is refused, with the field and a remedy", async () => {
  for (const params of [z.object({ at }), z.object({ run: z.object({ at: z.uuid().default(() => randomUUID()) }) })]) {
    const { manifests, problems } = await compile(workflow({ id: "wf", params }, () => "x"));
    assert.deepEqual(manifests, []);
    assert.equal(problems.length, 1);
    assert.match(
      problems[0]?.message ?? "",
      /^workflow "wf": in "params" the default of (run\.)?at is another value each/,
    );
    assert.match(problems[0]?.hint ?? "", /let the caller pass it/);
  }
});

test("a task fills such a default in by itself at each start, and its manifest is the same each time", async () => {
  const stamp = task({ id: "stamp", input: z.object({ at, n: z.number().default(3) }) }, (input) => input.at);
  const [first, second] = [await compile(stamp), await compile(stamp)];
  assert.deepEqual(first.problems, []);
  assert.equal(canonicalText(first.manifests), canonicalText(second.manifests));
  const spec = first.manifests[0]?.definitions.stamp;
  assert.deepEqual(spec?.input, {
    type: "object",
    properties: { at: { type: "string" }, n: { type: "number", default: 3 } },
  });
});
