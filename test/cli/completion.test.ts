/**
 * Completion as a shell does it. Faults to catch: a script that evaluates what was typed, ids and queues that are not offered, limits
 * that are not shown before a node has declared them, a failure
 * that is printed into the line, a lookup that makes a store.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project } from "./command.ts";

const timeout = 300_000;
const task = `import { task } from "holdfast";
export const greet = task({ id: "greet", queue: "doors" }, () => "hello");
`;
const config = `export default { queues: { gates: { concurrency: 2, rate: { limit: 100, per: "1m" } } } };
`;

/** What bash would offer for the last of these words. */
async function offered(project: Project, ...words: string[]): Promise<string[]> {
  const quoted = ["holdfast", ...words].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const script = `holdfast() { '${process.execPath}' '${project.command}' "$@"; }
source <(holdfast completion bash); source <(holdfast completion bash)
COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await project.startProgram("bash", ["-c", script]).ended;
  assert.equal(stderr, "");
  return stdout.trim().split("\n").sort();
}

test("bash offers commands, definitions with files, and runs; what was typed is not evaluated", {
  timeout,
}, async (t) => {
  const project = new Project(t, { "tasks/greet.ts": task, "greeting.json": "{}" });
  assert.deepEqual(await offered(project, "runs", "l"), ["list", "logs"]);
  assert.deepEqual(await offered(project, "run", "gre"), ["greeting.json"]);
  assert.deepEqual(readdirSync(project.root).sort(), ["greeting.json", "package.json", "tasks"]);
  const run = await project.run("run", "tasks/greet.ts", "--json");
  const { id } = JSON.parse(run.stdout) as { id: string };
  assert.deepEqual(await offered(project, "run", "gre"), ["greet", "greeting.json"]);
  assert.deepEqual(await offered(project, "runs", "show", ""), [id]);
  project.write("holdfast.config.ts", config);
  assert.deepEqual(await offered(project, "queues", "pause", ""), ["default", "doors", "gates"]);
  const { stdout } = await project.run("queues");
  assert.match(stdout, /queue\/gates +2 +0 +0/, "no node has declared them yet");
  assert.match(stdout, /queue-rate\/gates +100 in 60 s +0 +0/);
  assert.ok((await offered(project, "run", "--input", "$(touch evaluated)", "")).includes("greet"));
  assert.ok(!existsSync(join(project.root, "evaluated")));
});

test("zsh and fish take their scripts, where they are installed; another shell is refused by name", {
  timeout,
}, async (t) => {
  const project = new Project(t);
  for (const shell of ["zsh", "fish"]) {
    const script = await project.run("completion", shell);
    assert.equal(script.code, 0, script.stderr);
    project.write(`script.${shell}`, script.stdout);
    const checked = await project.startProgram("bash", [
      "-c",
      `command -v ${shell} >/dev/null || exit 0; ${shell} -n script.${shell}`,
    ]).ended;
    assert.deepEqual([checked.code, checked.stderr], [0, ""], shell);
  }
  const wrong = await project.run("completion", "bsh");
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /no completion for "bsh"[\s\S]*bash/);
});
