/**
 * State from the command line, in real processes. Faults to catch: a value that is shown otherwise than it is; a write that says nothing of
 * its version; a target or value that is taken for another; a run whose values nobody sees.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "./command.ts";

const timeout = 300_000;

const files = {
  "tasks/count.ts": `import { task } from "holdfast";
export const count = task({ id: "count" }, async (_input: unknown, ctx) => {
  await ctx.state.set("cursor", { at: 17 });
  return ctx.taskState.increment("total");
});
`,
};

test("values are listed, read, set and deleted, and a run shows its own", { timeout }, async (t) => {
  const project = new Project(t, files);
  await project.run("apply");
  const started = await project.run("run", "count", "--json");
  assert.equal(started.code, 0, started.stderr);
  const listed = await project.run("state", "list", "task:count", "--json");
  const [total] = (
    JSON.parse(listed.stdout) as { values: { key: string; value: unknown; version: number; writer: { run: string } }[] }
  ).values;
  assert.deepEqual([total?.key, total?.value, total?.version], ["total", 1, 1]);
  const run = total?.writer.run ?? "";
  const shown = await project.run("runs", "show", run);
  assert.match(shown.stdout, /state +cursor = \{"at":17\} \(version 1\)/);
  const got = await project.run("state", "get", run, "cursor");
  assert.deepEqual(JSON.parse(got.stdout), { at: 17 });
  const set = await project.run("state", "set", "task:count", "total", "41", "--if-version", "1");
  assert.deepEqual([set.code, /It has version 2\./.test(set.stderr)], [0, true], set.stderr);
  const refused = await project.run("state", "set", "task:count", "total", "7", "--if-version", "1");
  assert.deepEqual(
    [refused.code, /has version 2; it was to have version 1/.test(refused.stderr)],
    [1, true],
    refused.stderr,
  );
  for (const args of [
    ["set", "task:count", "total", "no json"],
    ["set", "queue:x", "total", "1"],
    ["set", "task:count", "total", "1", "--retention", "soon"],
  ]) {
    assert.equal((await project.run("state", ...args)).code, 2, args.join(" "));
  }
  const missing = await project.run("state", "get", "task:cuont", "total");
  assert.deepEqual([missing.code, /There is no task "cuont"/.test(missing.stderr)], [1, true], missing.stderr);
  await project.run("state", "delete", run, "cursor");
  const cleared = await project.run("state", "clear", "task:count", "--json");
  assert.deepEqual(JSON.parse(cleared.stdout), { cleared: 1 });
  const swept = await project.run("gc", "--dry-run", "--json");
  assert.deepEqual(JSON.parse(swept.stdout), {
    ...{ expired: [], more: false, swept: 0 },
    objects: { swept: 0, bytes: 0, unknown: 0 },
  });
});
