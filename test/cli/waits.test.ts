/**
 * Waiting from the command line, in real processes. Faults to catch: a run that waits and is not shown as such; a signal that
 * reaches nobody; a process that lives on while its run waits; an output of a called run that does not come back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "./command.ts";

const timeout = 300_000;

const files = {
  "tasks/approval.ts": `import { task } from "holdfast";
export const double = task({ id: "double" }, ({ n }: { n: number }) => n * 2);
export const approval = task({ id: "approval" }, async (_input: unknown, ctx) => {
  const four = await ctx.call("four", double, { n: 2 });
  const by = await ctx.waitForSignal("approved", { timeout: "2d" });
  return { four, by };
});
`,
};

test("a run that waits for a signal says so, and goes on when it comes", { timeout }, async (t) => {
  const project = new Project(t, files);
  await project.run("apply");
  const started = await project.run("run", "approval", "--no-wait");
  const id = started.stdout.trim();
  const sent = await project.run("runs", "signal", id, "approved", "--payload", '"Ada"');
  assert.equal(sent.code, 0, sent.stderr);
  assert.match(sent.stderr, /Signalled "approved" to run .*, which has no wait for it open: it is kept for the next\./);
  const bad = await project.run("runs", "signal", id, "approved", "--payload", "Ada");
  assert.deepEqual([bad.code, /The payload is not JSON/.test(bad.stderr)], [2, true]);
  const again = await project.run("run", "approval", "--no-wait");
  const other = again.stdout.trim();
  const done = await project.run("run", "double", "--input", '{"n":4}');
  assert.equal(done.stdout.trim(), "8");
  const show = async (shown: string) => {
    const { stdout } = await project.run("runs", "show", shown, "--json");
    return (JSON.parse(stdout) as { run: { status: string; output: unknown; waits?: { key: string }[] } }).run;
  };
  // While a command runs, its node carries out whatever else is ready: some may be needed.
  for (let look = 0; look < 40; look++) {
    const waits = (await show(other)).waits ?? [];
    if (waits.some(({ key }) => key === "approved") && (await show(id)).status === "succeeded") break;
    await project.run("run", "double", "--input", '{"n":1}');
  }
  const shown = await project.run("runs", "show", other);
  assert.match(shown.stdout, /waits for +approved: the signal "approved" until /);
  assert.match((await project.run("why", other)).stdout, /It waits for the signal "approved", at most until /);
  const misspelt = await project.run("runs", "signal", other, "aproved");
  assert.match(misspelt.stderr, /it is kept for the next\. It waits for "approved"\. Did you mean "approved"\?/);
  const keeping = await project.run("runs", "show", other);
  assert.match(keeping.stdout, /^signal +aproved, sent .*; nobody has waited for it yet$/m);
  const delivered = await project.run("runs", "signal", other, "approved");
  assert.match(delivered.stderr, /, which waited for it\./);
  const { status, output } = await show(id);
  assert.deepEqual([status, output], ["succeeded", { four: 4, by: "Ada" }]);
});
