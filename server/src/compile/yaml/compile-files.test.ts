// Faults to catch: other people's YAML taken for a workflow; a workflow with a misspelt key passed over in silence; an id that
// comes twice; bytes that are no UTF-8, and files that are too large, read all the same; a mistake in one file that hides
// those of another.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { compileProject } from "../compile.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-yaml-files-"));
after(() => rmSync(root, { recursive: true, force: true }));

function project(name: string, files: Readonly<Record<string, string | Buffer>>): string {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name, path)), { recursive: true });
    writeFileSync(join(root, name, path), content);
  }
  return join(root, name);
}

async function told(folder: string, options: { files?: string[]; include?: string[] } = { include: ["flows/**"] }) {
  const { problems, manifests } = await compileProject({ root: folder, ...options });
  return {
    ids: manifests.map(({ id }) => id),
    problems: problems.map(({ file, line, message }) => `${file}:${line} ${message}`),
  };
}

const flow = (name: string) => `name: ${name}\ntasks:\n  t: { executor: shell, command: echo }\n`;

test("globs take the workflows among YAML files, and leave other people's alone", async () => {
  const folder = project("others", {
    "flows/a.yaml": flow("a"),
    "flows/deep/b.yml": flow("b"),
    "flows/compose.yaml": "name: shop\nservices: { db: { image: x } }\n",
    "flows/values.yaml": "{{ broken: [template }}\n",
    "flows/.hidden/c.yaml": "tasks: nothing\n",
  });
  assert.deepEqual(await told(folder), { ids: ["a", "a.t", "b", "b.t"], problems: [] });
  const named = await told(folder, { files: ["flows/compose.yaml", "flows/values.yaml"] });
  assert.deepEqual(named.problems.slice(0, 2), [
    'flows/compose.yaml:1 the workflow has no "tasks".',
    'flows/compose.yaml:2 the workflow: unknown key "services".',
  ]);
  assert.match(named.problems[2] ?? "", /^flows\/values\.yaml:1 /);
});

test("a workflow whose tasks are misspelt is told, and every file's mistakes are", async () => {
  const folder = project("misspelt", {
    "flows/a.yaml": "name: a\ntaks:\n  t: {}\n",
    "flows/b.yaml": "name: b\ntasks:\n  t: { executor: shell }\n",
    "flows/c.yaml": "name: c\n\ttasks: {}\n",
    "flows/d.ts": "export const d = ;\n",
    "flows/e.yaml": "",
  });
  const { problems } = await told(folder, {
    files: ["a.yaml", "b.yaml", "c.yaml", "d.ts", "e.yaml"].map((file) => `flows/${file}`),
  });
  assert.deepEqual(problems.slice(0, 4), [
    'flows/a.yaml:1 the workflow has no "tasks".',
    'flows/a.yaml:2 the workflow: unknown key "taks".',
    'flows/b.yaml:3 task "t" has no "command" or "file".',
    "flows/c.yaml:2 The line is indented with a tab.",
  ]);
  assert.match(problems[4] ?? "", /^flows\/d\.ts:1 The file cannot be loaded/);
  assert.equal(problems[5], "flows/e.yaml:1 The file is empty.");
  assert.deepEqual((await told(folder)).problems.slice(0, 2), problems.slice(0, 2));
});

test("an id is given once, whoever gives it", async () => {
  const folder = project("twice", {
    "flows/a.yaml": flow("same"),
    "flows/b.yaml": flow("same"),
    "flows/c.yaml": flow("other"),
    "flows/d.ts": 'import { task } from "holdfast"; export const t = task({ id: "other.t" }, () => 1);',
  });
  assert.deepEqual((await told(folder)).problems, [
    'flows/b.yaml:1 The id "same" is taken by a definition of flows/a.yaml.',
    'flows/b.yaml:3 The id "same.t" is taken by a definition of flows/a.yaml.',
    'flows/c.yaml:3 The id "other.t" is taken by a definition of flows/d.ts.',
  ]);
});

test("files that are no UTF-8 or too large are told, with the line where that can be said", async () => {
  const folder = project("bytes", {
    "flows/latin.yaml": Buffer.from("name: a\n# Gr\xfc\xdfe\ntasks: {}\n", "latin1"),
    "flows/wide.yaml": Buffer.from(`\ufeff${flow("wide")}`, "utf16le"),
    "flows/large.yaml": `${flow("large")}# ${"x".repeat(1024 * 1024)}\n`,
  });
  const { problems } = await told(folder);
  assert.match(problems[1] ?? "", /^flows\/latin\.yaml:2 The line has bytes that are not UTF-8/);
  assert.match(problems[0] ?? "", /^flows\/large\.yaml:0 The file has 10\d+ bytes; at most 1048576 are allowed/);
  assert.match(problems[2] ?? "", /^flows\/wide\.yaml:0 The file is written in UTF-16/);
});

test("a module that a task names is loaded though no glob names it, and its own mistakes are told", async () => {
  const folder = project("module", {
    "flows/a.yaml": "name: a\ntasks:\n  t: { executor: node, file: ../lib/t.ts }\n",
    "lib/t.ts": "\nexport const t = ;\n",
  });
  const { problems } = await told(folder);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /^lib\/t\.ts:2 The file cannot be loaded/);
});
