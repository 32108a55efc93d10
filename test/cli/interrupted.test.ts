// Faults to catch: what a body says after it was told to end counts: thrown as an attempt that failed, returned as a success of
// work that was cut short; the step that it had done is done again; the command ends before a body has had its TERM.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Project } from "./command.ts";

const timeout = 300_000;

/** Wait, at their first start, until they are told to end; each then goes its own way out. */
const polite = `import { existsSync, writeFileSync } from "node:fs";
import { task } from "holdfast";
const again = (name) => existsSync(name) || writeFileSync(name, "");
const told = (ctx, text) => new Promise((resolve) => {
  console.log(text);
  ctx.abortSignal.addEventListener("abort", resolve);
  setInterval(() => {}, 60_000);
});
async function first(name, ctx) {
  await ctx.step("once", () => ctx.log.info("the step runs"));
  if (again(name)) return false;
  await told(ctx, name + " waits");
  return true;
}
export const throws = task({ id: "throws" }, async (_, ctx) => {
  if (await first("throws", ctx)) ctx.abortSignal.throwIfAborted();
  return "whole";
});
export const returns = task({ id: "returns" }, async (_, ctx) => ((await first("returns", ctx)) ? "half" : "whole"));
export const skips = task({ id: "skips" }, async (_, ctx) => {
  if (await first("skips", ctx)) ctx.skip("it was told to end");
  return "whole";
});
export const within = task({ id: "within", placement: "inline" }, async (_, ctx) => {
  if (await first("within", ctx)) ctx.abortSignal.throwIfAborted();
  return "whole";
});
export const tidies = task({ id: "tidies" }, async (_, ctx) => {
  await ctx.step("once", () => ctx.log.info("the step runs"));
  if (again("tidies")) return "whole";
  process.on("SIGTERM", () => {
    writeFileSync("tidied", "");
    process.exit(1);
  });
  console.log("tidies waits");
  await new Promise(() => setInterval(() => {}, 60_000));
});
`;
const python = `import pathlib

def main(ctx):
    ctx.step("once", lambda: print("the step runs"))
    if not pathlib.Path("python").exists():
        pathlib.Path("python").touch()
        print("python waits", flush=True)
        ctx.abort_signal.wait()
        ctx.abort_signal.raise_if_aborted()
    return "whole"
`;
const flow = `
name: snake
tasks:
  python: { executor: python, file: snake.py, function: main }
`;

// Two at a time: one of them waits for its TERM.
describe("a node that stops", { concurrency: 2 }, () => {
  for (const id of ["tidies", "throws", "returns", "skips", "within", "snake"]) {
    test(`told to end by a node that stops, ${id} has neither failed nor succeeded`, { timeout }, async (t) => {
      const files = { "tasks/polite.ts": polite, "workflows/snake.py": python, "workflows/snake.yaml": flow };
      const project = new Project(t, files);
      const args = [
        "run",
        ...(id === "snake" ? ["workflows/snake.yaml"] : ["tasks/polite.ts", "--id", id]),
        "--key",
        "one",
      ];
      const first = project.start(...args);
      const run = (await first.says(/run (\w{20})/))[1] ?? "";
      await first.says(/\w+ waits/);
      first.kill("SIGINT");
      assert.equal((await first.ended).code, 130);
      assert.equal(existsSync(join(project.root, "tidied")), id === "tidies");
      const second = await project.run(...args);
      assert.equal(second.code, 0, second.stderr);
      assert.match(second.stdout, id === "snake" ? /null/ : /whole/);
      const logs = await project.run("runs", "logs", run);
      assert.equal(logs.stdout.match(/the step runs/g)?.length, 1, logs.stdout);
      const events = await project.run("runs", "events", run);
      assert.doesNotMatch(events.stdout, /run\.(?:failed|retry_scheduled|skipped)/);
    });
  }
});
