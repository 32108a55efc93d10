// A whole node with a workflow's file whose tasks have `on_cancel`, in all three languages, each in a process of its own. Faults to
// catch: a clean-up that is not found, has another input, or no word of why; one that waits; a file with a mistake that compiles.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { compileProject } from "../server/src/compile/compile.ts";
import { openServices, startNode } from "../server/src/main.ts";

const root = mkdtempSync(join(tmpdir(), "hf-clean-ups-"));
after(() => rmSync(root, { recursive: true, force: true }));

const yaml = `
name: clusters
params: { place: str }
tasks:
  py:
    executor: python
    file: bodies.py
    on_cancel: clean_up
    input_type: { place: str }
    inputs: { place: { param: place } }
  sync:
    executor: python
    file: bodies.py
    function: plain
    on_cancel: { run: clean_plain, timeout: 20, attempts: 2 }
  ts:
    executor: typescript
    file: bodies.ts
    on_cancel: cleanUp
    input_type: { place: str }
    inputs: { place: { param: place } }
  sh:
    executor: process
    command: 'touch begun; exec sleep 1000'
    on_cancel: 'echo "sh $HOLDFAST_CANCELLED" >> cleaned'
`;

const python = `
from holdfast_sdk import AsyncTaskContext, TaskContext

async def main(place: str, ctx: AsyncTaskContext):
    await ctx.step("made", lambda: f"{place}-17")
    await ctx.sleep("night", "8h")

async def clean_up(ctx: AsyncTaskContext):
    refused = ""
    try:
        await ctx.sleep("more", "1h")
    except RuntimeError as error:
        refused = str(error)
    assert "waits for nothing" in refused, refused
    gone = await ctx.step("gone", lambda: "gone")
    with open("cleaned", "a") as file:
        file.write(f"py {await ctx.recorded('made')} {gone} {ctx.reason.code} {ctx.reason.message}\\n")

def plain(ctx: TaskContext):
    ctx.step("made", lambda: 4)
    ctx.wait_for_signal("never")

def clean_plain(ctx: TaskContext):
    if ctx.reason.try_number == 1:
        raise ValueError("not yet")
    with open("cleaned", "a") as file:
        file.write(f"sync {ctx.recorded('made')} {ctx.recorded('other')} {ctx.reason.try_number}\\n")
`;

const typescript = `
import { appendFileSync } from "node:fs";
export async function ts({ place }, ctx) {
  await ctx.step("made", () => place + "-18");
  await ctx.sleep("night", "8h");
}
export async function cleanUp({ place }, ctx) {
  appendFileSync("cleaned", "ts " + place + " " + (await ctx.recorded("made")) + " " + ctx.reason.code + "\\n");
}
`;

const files = { "flow.yaml": yaml, "bodies.py": python, "bodies.ts": typescript };

test("tasks of a workflow's file are cleaned up by the functions and commands that it names", {
  timeout: 120_000,
}, async () => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  const { manifests, problems } = await compileProject({ root, include: ["*.yaml"] });
  assert.deepEqual(problems, []);
  const services = await openServices({ address: "memory:", pollMs: 50 });
  const node = await startNode(services, { root, concurrency: 4 });
  try {
    await services.definitions.apply(manifests.map(({ manifest }) => manifest));
    const { run } = await services.runs.start({ definition: "clusters", input: { place: "eu" } });
    const tree = () => services.runs.tree(run.id, { limit: 10 });
    const begun = async () => {
      const { runs } = await tree();
      return runs.filter((each) => each.status === "waiting").length === 4 && exists(join(root, "begun"));
    };
    for (const until = performance.now() + 60_000; !(await begun()); await pause(20))
      assert.ok(performance.now() < until);
    await services.runs.cancel(run.id, { reason: "enough" });
    assert.equal((await services.history.result(run.id, 60_000)).status, "cancelled");
    const { runs } = await tree();
    assert.deepEqual([...new Set(runs.map(({ status }) => status))], ["cancelled"]);
    assert.deepEqual(readFileSync(join(root, "cleaned"), "utf8").trim().split("\n").sort(), [
      "py eu-17 gone cancelled clusters, to which it belongs, was cancelled.",
      "sh clusters, to which it belongs, was cancelled.",
      "sync 4 None 2",
      "ts eu eu-18 cancelled",
    ]);
  } finally {
    await node.stop({ graceMs: 0 });
    await services.close();
  }
});

test("what a file says wrong about on_cancel is told at its place", async () => {
  const wrong = `
name: wrong
tasks:
  py: { executor: python, file: bodies.py, on_cancel: clean_upp }
  ts: { executor: typescript, file: bodies.ts, on_cancel: { run: nothing } }
  http: { executor: http, url: "http://example.com", on_cancel: x }
  sh: { executor: process, command: ls, on_cancel: { command: ls } }
`;
  writeFileSync(join(root, "wrong.yaml"), wrong);
  const { problems } = await compileProject({ root, include: ["wrong.yaml"] });
  assert.deepEqual(
    problems.map(({ line, message }) => `${line} ${message}`),
    [
      '4 task "py": bodies.py has no function "clean_upp".',
      '5 task "ts": the export "nothing" of bodies.ts is missing.',
      '6 task "http" has "on_cancel", and no code of its own.',
      '7 task "sh": "on_cancel" is a mapping.',
    ],
  );
});

function exists(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
