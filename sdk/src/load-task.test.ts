// Faults to catch: a function taken for a task where the manifest says task (its output would be checked by nobody); a task
// that has taken the place of a function run under the function's id.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ActivationStart } from "@holdfast/protocol";
import { loadTask } from "./load-task.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-load-"));
after(() => rmSync(root, { recursive: true, force: true }));
writeFileSync(join(root, "package.json"), '{"type":"module"}');
const sdk = JSON.stringify(new URL("./task.ts", import.meta.url).href);
writeFileSync(
  join(root, "code.js"),
  `import { task } from ${sdk};
   export const twice = ({ n }) => 2 * n;
   export const own = task({ id: "own" }, () => 1);`,
);

function startOf(name: string, definition: string, plain?: true): ActivationStart {
  return {
    nonce: "0123456789abcdef",
    run: {
      id: "r",
      rootId: "r",
      parentId: null,
      definition,
      name: "n",
      item: null,
      key: null,
      workflow: null,
      generation: 0,
    },
    attempt: 1,
    epoch: 1,
    executor: "typescript",
    source: { module: "code.js", export: name, ...(plain === undefined ? {} : { plain }) },
    input: {},
    steps: [],
    tokenSeed: "seed",
  } as ActivationStart;
}

test("a plain function is a body where the manifest says so, and only there", async () => {
  const data = await loadTask(startOf("twice", "flow.twice", true), root);
  assert.equal(data.options.id, "flow.twice");
  assert.equal(data.body({ n: 2 } as never, {} as never), 4);
  await assert.rejects(loadTask(startOf("twice", "twice"), root), /The export twice of code\.js is not a task/);
});

test("a task that stands where a plain function stood is not run under its id", async () => {
  assert.equal((await loadTask(startOf("own", "own"), root)).options.id, "own");
  await assert.rejects(loadTask(startOf("own", "flow.own", true), root), /is now the task own, not flow\.own/);
});
