// Faults to catch: a published schema that lags behind the form; one that refuses a file that compiles.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import { jsonOf, parseYaml } from "./document.ts";
import { schemaText } from "./published-schema.ts";

const published = join(import.meta.dirname, "../../../workflow.schema.json");
const ork = join(import.meta.dirname, "fixtures/ork");

test("the published JSON Schema is the one of the form (holdfast manifest --schema > server/workflow.schema.json)", () => {
  assert.equal(readFileSync(published, "utf8"), schemaText());
});

test("the published JSON Schema takes the fixtures and refuses what the compiler does not know", () => {
  const validate = new Ajv({ strict: false }).compile(JSON.parse(schemaText()) as object);
  const jsonIn = (text: string) => {
    const { tree } = parseYaml(text, "x.yaml");
    assert.ok(tree !== undefined);
    return jsonOf(tree);
  };
  const files = readdirSync(ork).filter((name) => name.endsWith(".yaml") && name !== "polyglot.yaml");
  assert.ok(files.length >= 8);
  for (const name of files) {
    assert.ok(validate(jsonIn(readFileSync(join(ork, name), "utf8"))), `${name}: ${JSON.stringify(validate.errors)}`);
  }
  for (const wrong of ["name: x", "name: x\ntasks: { a: { executor: library } }", "name: x\ntasks: {}\ndeadlines: x"]) {
    assert.equal(validate(jsonIn(wrong)), false, wrong);
  }
});
