// Faults to catch: a file of Ork's shape that is not taken as it is; the library executor, or work for other systems, taken
// and then not done or not waited for; a relative path that is not looked for beside the file.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project } from "../cli/command.ts";

const fixtures = join(import.meta.dirname, "../../server/src/compile/yaml/fixtures/ork");
const timeout = 300_000;
const hasPython = spawnSync("python3", ["--version"]).status === 0;

test("files of Ork's shapes are valid as they are, one by one and all together", { timeout }, async (t) => {
  const project = new Project(t);
  cpSync(fixtures, join(project.root, "flows"), { recursive: true });
  const names = readdirSync(fixtures).filter((name) => name.endsWith(".yaml") && name !== "polyglot.yaml");
  assert.ok(names.length >= 8);
  const { code, stdout, stderr } = await project.run("validate", "--json", ...names.map((name) => `flows/${name}`));
  assert.equal(code, 0, stderr);
  const answer = JSON.parse(stdout) as { definitions: { id: string }[] };
  const ids = answer.definitions.map(({ id }) => id);
  for (const id of [
    "layers",
    "layers.gold",
    "diamond",
    "chain",
    "retries",
    "shell",
    "arguments",
    "cloudrun",
    "deferrables",
  ])
    assert.ok(ids.includes(id), id);
});

test("deferred jobs of a file from Ork are waited for, and what follows them reads what they were", {
  timeout,
  skip: hasPython ? false : "there is no Python",
}, async (t) => {
  const project = new Project(t);
  cpSync(fixtures, project.root, { recursive: true });
  const refused = await project.run("run", "deferrables.yaml");
  assert.equal(refused.code, 1, "a job that only pretends succeeds where that is allowed alone");
  assert.match(refused.stdout + refused.stderr, /only pretends/);
  assert.doesNotMatch(refused.stdout + refused.stderr, /use started/);
  writeFileSync(join(project.root, "holdfast.config.ts"), 'export default { app: "ork", mockJobs: true };\n');
  const { code, stdout, stderr } = await project.run("run", "deferrables.yaml", "--json");
  assert.equal(code, 0, stdout + stderr);
  const shown = async (id: string) =>
    JSON.parse((await project.run("runs", "show", id, "--json")).stdout) as {
      readonly run: { readonly output: unknown };
      readonly tree: readonly { readonly id: string; readonly name: string }[];
    };
  const { tree } = await shown((JSON.parse(stdout) as { id: string }).id);
  const { run } = await shown(tree.find(({ name }) => name === "report")?.id ?? "");
  const message = "7 rows by mock://success/one, mock://success/two after mock://success/query";
  assert.deepEqual(run.output, { message });
});

test("the library executor is refused by name", { timeout }, async (t) => {
  const project = new Project(t);
  cpSync(fixtures, project.root, { recursive: true });
  const library = await project.run("validate", "polyglot.yaml");
  assert.equal(library.code, 2);
  assert.match(library.stderr, /polyglot\.yaml:23:15: task "triple": the executor library is not supported/);
});

test("commands run in the folder of their file, with Ork's variables and its way to say a result", {
  timeout,
}, async (t) => {
  const project = new Project(t);
  cpSync(fixtures, join(project.root, "deep/flows"), { recursive: true });
  const { code, stdout, stderr } = await project.run("run", "deep/flows/shell.yaml", "--json");
  assert.equal(code, 0, stdout + stderr);
  const lines = readFileSync(join(fixtures, "shell.yaml"), "utf8").trimEnd().split("\n").length;
  const id = (JSON.parse(stdout) as { id: string }).id;
  const logs = await project.run("runs", "logs", id);
  assert.match(logs.stdout, new RegExp(`report \\| counted \\{"lines":${lines}\\}`));
});

test("files of Ork's shapes run unchanged: modules, arguments, branches, retries, layers", {
  timeout,
  skip: hasPython ? false : "there is no Python",
}, async (t) => {
  const project = new Project(t);
  cpSync(fixtures, project.root, { recursive: true });
  for (const name of ["chain", "arguments", "diamond", "layers", "retries"]) {
    const { code, stderr } = await project.run("run", `${name}.yaml`);
    assert.equal(code, 0, `${name}: ${stderr}`);
  }
  // Modules are found beside the file from elsewhere, too.
  cpSync(fixtures, join(project.root, "deep"), { recursive: true });
  const { code, stderr } = await project.run("run", "deep/chain.yaml");
  assert.equal(code, 0, stderr);
  const gold = await project.run(
    "run",
    "layers.yaml",
    "--id",
    "layers.gold",
    "--input",
    '{"posts":"many","silver_users":{}}',
  );
  assert.equal(gold.code, 2, gold.stderr);
  assert.match(gold.stderr, /input of "layers\.gold" does not fit/);
});
