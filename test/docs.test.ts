import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

// What documents show is extracted, type-checked and run: a block ```ts file=PATH is a file of one small project a document,
// and so is one of YAML or Python that names its file.

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

interface Example {
  readonly file: string;
  readonly text: string;
}

async function documents(): Promise<string[]> {
  const guides = await readdir(join(root, "docs/guides"));
  return ["README.md", ...guides.filter((name) => name.endsWith(".md")).map((name) => `docs/guides/${name}`)];
}

function examplesIn(text: string): Example[] {
  const blocks = text.matchAll(/^```(?:ts(?: file=(\S+))?|(?:yaml|py) file=(\S+))\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, code, other, body = ""], i) => ({ file: code ?? other ?? `example-${i}.ts`, text: body }));
}

let folder = "";
const projects: { readonly document: string; readonly place: string; readonly files: string[] }[] = [];

before(async () => {
  // Below the repository, so that packages are found as in a user's project.
  await mkdir(join(root, "temp"), { recursive: true });
  folder = await mkdtemp(join(root, "temp/docs-"));
  for (const document of await documents()) {
    const place = join(folder, document.replaceAll("/", "-"));
    const files: string[] = [];
    for (const { file, text } of examplesIn(await readFile(join(root, document), "utf8"))) {
      await mkdir(dirname(join(place, file)), { recursive: true });
      await writeFile(join(place, file), text);
      files.push(file);
    }
    if (files.length === 0) continue;
    await writeFile(join(place, "package.json"), JSON.stringify({ type: "module", private: true }));
    projects.push({ document, place, files });
  }
  const extend = { extends: "../../tsconfig.base.json", include: ["**/*.ts"] };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(extend));
});

after(() => rm(folder, { recursive: true, force: true }));

test("the README shows code", () => {
  const readme = projects.find(({ document }) => document === "README.md");
  assert.ok(readme !== undefined && readme.files.length >= 2);
});

test("what different documents show has different ids, so that it fits into one project", async () => {
  const shownBy = new Map<string, string>();
  for (const { document, place, files } of projects) {
    const texts = await Promise.all(files.map((file) => readFile(join(place, file), "utf8")));
    const ids = texts.flatMap((text) => [
      ...text.matchAll(/\b(?:task|workflow)\(\s*\{\s*id: "([^"]+)"/g),
      ...text.matchAll(/^name: (\S+)$/gm),
    ]);
    for (const id of new Set(ids.map(([, id = ""]) => id))) {
      assert.equal(shownBy.get(id), undefined, `${id} is also in ${document}`);
      shownBy.set(id, document);
    }
  }
  assert.ok(shownBy.size > 10);
});

test("what documents show has the types it claims", async () => {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { stdout } = await run(process.execPath, [tsc, "-p", folder], { cwd: root }).catch((error: unknown) => ({
    stdout: error instanceof Error && "stdout" in error ? String(error.stdout) : String(error),
  }));
  assert.equal(stdout, "");
});

test("the tests that documents show pass", async () => {
  for (const { document, place, files } of projects) {
    const tests = files.filter((file) => file.endsWith(".test.ts"));
    if (tests.length === 0) continue;
    // A runner within a runner would report to the outer one instead of to us.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ["--conditions=@holdfast/source", "--test", "--test-reporter=tap", ...tests];
    const { stdout } = await run(process.execPath, args, { cwd: place, env });
    assert.match(stdout, /^# pass [1-9]/m, document);
    assert.match(stdout, /^# fail 0$/m, document);
  }
});

test("the README's workflow runs by the command it names", async () => {
  const place = projects.find(({ document }) => document === "README.md")?.place ?? "";
  const bin = join(root, "server/bin/holdfast.js");
  const args = [bin, "run", "tasks/hello.ts", "--json"];
  const { stdout } = await run(process.execPath, args, { cwd: place });
  assert.match(stdout, /Hello, Grace!/);
});

test("the workflows of YAML that documents show have no mistake, and those of their guide run", async () => {
  const bin = join(root, "server/bin/holdfast.js");
  const shown = projects.flatMap(({ place, files }) => {
    const flows = files.filter((file) => file.endsWith(".yaml"));
    return flows.length > 0 ? [{ place, flows }] : [];
  });
  assert.ok(shown.length >= 1);
  for (const { place, flows } of shown) await run(process.execPath, [bin, "validate", ...flows], { cwd: place });
  const place = projects.find(({ document }) => document === "docs/guides/yaml.md")?.place ?? "";
  const report = await run(process.execPath, [bin, "run", "workflows/report.yaml"], { cwd: place });
  assert.deepEqual(JSON.parse(report.stdout), { lines: 7 });
  await run(process.execPath, [bin, "run", "workflows/branch.yaml", "--input", '{"full":false}'], { cwd: place });
});
