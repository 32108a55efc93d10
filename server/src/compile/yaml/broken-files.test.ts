// Faults to catch: a text that ends the compiler instead of being told; a mistake without line or remedy; a manifest that the
// control plane would refuse, from a file in which no mistake was found.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { manifestSchema } from "@holdfast/protocol";
import fc from "fast-check";
import { inspectExpression } from "../inspect-expression.ts";
import { parseYaml } from "./document.ts";
import { compileWorkflowFile } from "./workflow-file.ts";

const folder = join(import.meta.dirname, "fixtures/ork");
const flights = join(import.meta.dirname, "../../../../examples/flights/flights.yaml");
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
const texts = [flights, ...files.map((name) => join(folder, name))].map((file) => readFileSync(file, "utf8"));

/** What is put where it does not belong. */
const scraps = [
  ..."{} [] ~ null -1 1e999 & * ! | > ? # ' \" \t __proto__ constructor toString types. params.x item [[".split(" "),
  ..."const: 1|ref: tasks.a.output|{a: {b: c}}|foreach: {}|inputs:|when: a|depends_on: [constructor]|constructor: str".split(
    "|",
  ),
  "hasOwnProperty: { const: 1 }",
  "queue: a b",
  `x: ${"y".repeat(300)}`,
];

const edit = fc.record({
  how: fc.constantFrom("remove", "repeat", "add", "value", "line", "insert", "cut"),
  at: fc.nat(),
  from: fc.nat(),
  scrap: fc.constantFrom(...scraps),
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function edited(text: string, { how, at, from, scrap }: Edit): string {
  const lines = text.split("\n");
  const i = at % lines.length;
  const line = lines[i] ?? "";
  const column = from % (line.length + 1);
  if (how === "remove") lines.splice(i, 1);
  else if (how === "repeat") lines.splice(i, 0, lines[from % lines.length] ?? "");
  else if (how === "add") lines.splice(i, 0, (/^ */.exec(line)?.[0] ?? "") + scrap);
  else if (how === "value") lines[i] = line.replace(/: .*/, `: ${scrap}`);
  else if (how === "line") lines[i] = `${" ".repeat(from % 6)}${scrap}`;
  else if (how === "insert") lines[i] = line.slice(0, column) + scrap + line.slice(column);
  else lines[i] = line.slice(0, column);
  return lines.join("\n");
}

test("whatever is broken in a file is told with its line and a remedy, and what is not told is a manifest", async () => {
  const broken = fc.tuple(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 6 }));
  const property = fc.asyncProperty(broken, async ([whole, edits]) => {
    const text = edits.reduce(edited, whole);
    const path = join(folder, "broken.yaml");
    const { tree, problems } = parseYaml(text, path);
    const compiled =
      tree === undefined
        ? { problems: [], manifests: [] }
        : await compileWorkflowFile(
            { path, tree },
            {
              root: folder,
              findExport: () => ({ kind: "function" }),
              findAsset: () => undefined,
              inspectExpression,
              connections: undefined,
            },
          );
    for (const { line, message, hint } of [...problems, ...compiled.problems]) {
      assert.ok(line >= 1 && message !== "" && hint !== "", `${line} ${message} ${hint}`);
    }
    if (problems.length === 0) for (const manifest of compiled.manifests) manifestSchema.parse(manifest);
  });
  await fc.assert(property, { numRuns: 3_000 });
});
