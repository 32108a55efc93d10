/**
 * What a server's starter has left open. The fault to catch: a task, or code that is only compiled, reads it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "./command.ts";

const files = {
  secret: "of the starter",
  "tasks/look.ts": `import { readlinkSync } from "node:fs";
import { task } from "holdfast";
const look = () => [77, 300].map((fd) => { try { return readlinkSync("/proc/self/fd/" + fd); } catch { return "none"; } }).join();
console.error("compiled:" + look());
export const typescript = task({ id: "typescript" }, look);
`,
  "tasks/look.py": `import os
def look():
    def of(fd):
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            return "none"
    return ",".join(of(fd) for fd in (77, 300))
`,
  "looks.yaml": `name: looks
tasks:
  typescript: { executor: typescript, file: tasks/look.ts, function: typescript }
  python: { executor: python, file: tasks/look.py, function: look }
  command:
    executor: process
    command: echo "HOLDFAST_OUTPUT:\\"$(readlink /proc/self/fd/77 || echo none),$(readlink /proc/self/fd/300 || echo none)\\""
`,
};

test("a descriptor that the starter left open reaches no task and no compiler", { timeout: 120_000 }, async (t) => {
  const project = new Project(t, files);
  const script = 'exec 77<secret 300<secret; exec "$@"';
  const words = [process.execPath, project.command, "run", "looks.yaml", "--json"];
  const { code, stdout, stderr } = await project.startProgram("bash", ["-c", script, "bash", ...words]).ended;
  assert.equal(code, 0, stderr + stdout);
  const listed = await project.run("runs", "list", "--all", "--json");
  const { runs } = JSON.parse(listed.stdout) as { runs: { name: string; output: unknown }[] };
  const seen = Object.fromEntries(runs.map(({ name, output }) => [name, output]));
  const nothing = "/dev/null,/dev/null";
  assert.deepEqual([seen.typescript, seen.python, seen.command], [nothing, nothing, nothing]);
  const compiled = await project.startProgram("bash", [
    "-c",
    script,
    "bash",
    ...words.slice(0, 2),
    "validate",
    "tasks/look.ts",
  ]).ended;
  assert.match(compiled.stdout + compiled.stderr, /compiled:\/dev\/null,\/dev\/null/);
});
