import assert from "node:assert/strict";
import { test } from "node:test";
import { cel, expressionData } from "./cel.ts";
import { makeReference, referenceData } from "./reference.ts";

const owner = { workflow: "w", graph: {} };
// biome-ignore lint/suspicious/noExplicitAny: references are misused here in ways that do not type-check
const e: any = makeReference({
  reference: { from: "output", node: "extract", path: [] },
  owner,
  text: "extract.output",
});

test("a reference steps into fields and positions and remembers its path", () => {
  assert.deepEqual(referenceData(e.files[3]["odd name"])?.reference.path, ["files", 3, "odd name"]);
  assert.equal(referenceData(e.files[3]["odd name"])?.text, 'extract.output.files[3]["odd name"]');
  assert.equal(referenceData({}), undefined);
});

const misuses: readonly (readonly [string, () => unknown, RegExp])[] = [
  ["used as a string", () => `${e.files}`, /The reference extract\.output\.files was used as a string/],
  ["added to", () => e.files + 1, /extract\.output\.files/],
  ["compared by size", () => e.n > 3, /extract\.output\.n was used as a string or compared as a number/],
  ["written as JSON", () => JSON.stringify(e.n), /extract\.output\.n/],
  ["iterated", () => [...e.files], /extract\.output\.files was iterated/],
  ["spread", () => ({ ...e.file }), /extract\.output\.file was spread/],
  ["called", () => e.files.map((f: unknown) => f), /w\.map\(extract\.output\.files, task/],
  ["searched", () => "a" in e.files, /extract\.output\.files was searched/],
  ["assigned to", () => (e.files.x = 1), /extract\.output\.files was assigned to/],
];
for (const [how, misuse, message] of misuses) {
  test(`a reference that is ${how} throws and names its path`, () => {
    assert.throws(misuse, (error) => {
      assert.ok(error instanceof Error && "hint" in error);
      assert.match(`${error.message} ${String(error.hint)}`, message);
      return true;
    });
  });
}

test("a reference that is awaited throws and names its path", async () => {
  await assert.rejects(async () => await e.files, /extract\.output\.files was awaited/);
});

test("a cel template turns references and values into CEL", () => {
  const item = makeReference({ reference: { from: "item", path: ["a b", 0] }, owner, text: "item" });
  const inner = cel`${e.n} + 1`;
  const outer = cel`${inner} > ${2.5} && ${'x"y'} in ${["a", item]} && ${{ k: null }} != ${e.for}`;
  assert.equal(
    expressionData(outer)?.text,
    '(tasks.extract.output.n + 1) > 2.5 && "x\\"y" in ["a", item["a b"][0]] && {"k": null} != tasks.extract.output["for"]',
  );
  assert.equal(expressionData(outer)?.references.length, 3);
  assert.throws(() => cel`${() => 1}`, /A function cannot stand in a cel template/);
});
