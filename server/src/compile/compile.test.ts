import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { type Compiled, compileProject } from "./compile.ts";
import { loadConfig } from "./load-config.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-compile-"));
after(() => rmSync(root, { recursive: true, force: true }));

function project(name: string, files: Readonly<Record<string, string>>): string {
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, name, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return join(root, name);
}

const shop = {
  "tasks/extract.ts": `import { task } from "holdfast"; import { z } from "zod";
    import { prefix } from "../lib/prefix";
    export enum Kind { A = "a" }
    export const extract = task({ id: "extract", input: z.object({ day: z.string() }), output: z.object({ files: z.array(z.string()) }) },
      async (input) => ({ files: [prefix + input.day] }));`,
  "lib/prefix.ts": "export const prefix: string = 'p';",
  "tasks/extract.test.ts": "throw new Error('tests are not compiled');",
  "workflows/nightly.ts": `import { workflow, cel } from "holdfast"; import { extract } from "../tasks/extract";
    export { extract as again } from "../tasks/extract";
    console.log('{"kind":"definitions","manifests":[],"problems":[]}');
    export const nightly = workflow({ id: "nightly" }, (w) => {
      const e = w.call(extract, { day: new Date("2024-06-01T00:00").toISOString() }, { as: "é".normalize("NFD").length > 1 ? "first" : "x" });
      return { files: e.output.files, many: cel\`size(tasks.first.output.files) > 2\`, n: (1234.5).toLocaleString() };
    });`,
};
/** Resolves once the process is no more, or only waits to be reaped. */
async function gone(pid: string): Promise<void> {
  const ended = () => {
    try {
      return /State:\s+[XZ]/.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return true;
    }
  };
  for (const deadlineMs = performance.now() + 60_000; performance.now() < deadlineMs; ) {
    if (ended()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`process ${pid} is still there`);
}

const said = (problems: Compiled["problems"]) => problems.map(({ file, line, message }) => [file, line, message]);

const include = ["tasks/**", "workflows/**"];

test("a project compiles to one manifest a definition, and what it prints is passed on and spoils nothing", async () => {
  const folder = project("shop", shop);
  const printed: string[] = [];
  const compiled = await compileProject({ root: folder, include, onOutput: (text) => printed.push(text) });
  assert.deepEqual(compiled.problems, []);
  assert.deepEqual(compiled.files, ["lib/prefix.ts", "tasks/extract.ts", "workflows/nightly.ts"]);
  assert.deepEqual(
    compiled.manifests.map(({ id }) => id),
    ["extract", "nightly"],
  );
  const nightly = compiled.manifests[1]?.manifest.definitions;
  assert.deepEqual(nightly?.extract?.source, { module: "tasks/extract.ts", export: "extract" });
  assert.match(printed.join(""), /"kind":"definitions"/);
});

test("a single file is compiled with the tasks that it imports", async () => {
  const folder = project("single", shop);
  const { manifests, problems } = await compileProject({ root: folder, files: ["workflows/nightly.ts"] });
  assert.deepEqual(problems, []);
  const definitions = manifests.find(({ id }) => id === "nightly")?.manifest.definitions;
  assert.deepEqual(definitions?.extract?.source, { module: "tasks/extract.ts", export: "extract" });
});

test("the hash is the same from another folder, language and time zone", async () => {
  const here = await compileProject({ root: project("here", shop), include });
  cpSync(join(root, "here"), join(root, "deep/er/there"), { recursive: true });
  const script = `import { compileProject } from ${JSON.stringify(join(import.meta.dirname, "compile.ts"))};
    const { manifests } = await compileProject({ root: ${JSON.stringify(join(root, "deep/er/there"))}, include: ${JSON.stringify(include)} });
    console.log(JSON.stringify(manifests.map(({ hash }) => hash)));`;
  const there = spawnSync(
    process.execPath,
    ["--conditions=@holdfast/source", "--input-type=module", "--eval", script],
    {
      cwd: tmpdir(),
      env: { ...process.env, TZ: "Asia/Tokyo", LANG: "de_DE.UTF-8", LC_ALL: "de_DE.UTF-8" },
      encoding: "utf8",
    },
  );
  assert.deepEqual(
    JSON.parse(there.stdout),
    here.manifests.map(({ hash }) => hash),
    there.stderr,
  );
  assert.match(here.manifests[0]?.hash ?? "", /^[0-9a-f]{64}$/);
});

test("a condition that can be neither true nor false is a mistake; one that depends on what it reads is none", async () => {
  const node = (when: string) => `  w.call(one, null, { when: cel\`${when}\` });\n`;
  const folder = project("conditions", {
    "tasks/a.ts":
      'import { task, workflow, cel } from "holdfast";\nexport const one = task({ id: "one" }, async () => 1);\n' +
      `export const flow = workflow({ id: "flow" }, (w) => {\n${node("params.n + 1")}${node("size(params.l)")}${node("params.n")}${node("params.n > 1")}});\n`,
  });
  const { problems } = await compileProject({ root: folder, include: ["tasks/**"] });
  assert.deepEqual(
    problems.map(({ line, message }) => `${line} ${message}`),
    ['4 w.call of "one": "when" is not true or false.', '5 w.call of "one": "when" is not true or false.'],
  );
});

test("every mistake of every file is told with file, line and remedy", async () => {
  const folder = project("wrong", {
    "tasks/a.ts":
      'import { task, workflow, cel } from "holdfast";\nexport enum E { a }\nconst hidden = task({ id: "hidden" }, async () => 1);\n' +
      'export const a = workflow({ id: "a" }, (w) => {\n  w.call(hidden);\n  w.call(a2, null, { when: cel`tasks.nobody.output > ` });\n  return cel`tasks.nobody.output`;\n});\n' +
      'export const a2 = task({ id: "a2", timeout: "soon" }, async () => 1);\n',
    "tasks/b.ts": "export const b = 1;\nexport const c = ;\n",
    "tasks/c.ts": 'import "./nowhere";\n',
    "tasks/d.ts": '\nthrow new TypeError("at load");\n',
    "tasks/e.ts": 'import { nothing } from "./a";\nconsole.log(nothing);\n',
  });
  const { problems, manifests } = await compileProject({ root: folder, include: ["tasks/**"] });
  assert.deepEqual(manifests, []);
  const lines = problems.map(({ file, line, message }) => `${file}:${line} ${message.replaceAll(folder, "ROOT")}`);
  assert.deepEqual(lines, [
    'tasks/a.ts:4 workflow "a": its output names tasks.nobody, which is no node above it.',
    'tasks/a.ts:5 workflow "a" uses the task "hidden", which is not exported.',
    'tasks/a.ts:6 node "a2" of workflow "a": "when" is an expression with a mistake: Unexpected token: EOF at character 22 of "tasks.nobody.output >".',
    'tasks/a.ts:9 task "a2": "timeout" is "soon".',
    "tasks/b.ts:2 The file cannot be loaded: TransformError: Unexpected token (ROOT/tasks/b.ts:2:18)",
    "tasks/c.ts:1 The file cannot be loaded: Error: Cannot find module 'ROOT/tasks/nowhere' imported from ROOT/tasks/c.ts",
    "tasks/d.ts:2 The file cannot be loaded: TypeError: at load",
    "tasks/e.ts:1 The file cannot be loaded: SyntaxError: The requested module './a' does not provide an export named 'nothing'",
  ]);
  for (const problem of problems) assert.ok(problem.hint.length > 0);
});

test("a project without definitions and a file that is not there are problems", async () => {
  const folder = project("empty", { "readme.md": "", "lib/a.ts": "export const a = 1;" });
  const none = await compileProject({ root: folder, include });
  assert.match(none.problems[0]?.message ?? "", /No file matches "tasks\/\*\*", "workflows\/\*\*"/);
  const wrong = await compileProject({ root: folder, include: ["src/**"] });
  assert.match(wrong.problems[0]?.message ?? "", /No source file matches "src\/\*\*"/);
  const named = await compileProject({ root: folder, files: ["lib/a.ts"] });
  assert.deepEqual(
    named.problems.map(({ file, message }) => `${file} ${message}`),
    ["lib/a.ts The file exports no task or workflow (only a)."],
  );
  const missing = await compileProject({ root: folder, files: ["b.ts", "readme.md", "../shop/tasks/extract.ts"] });
  assert.deepEqual(missing.problems.map(({ message }) => message.replace(folder, "ROOT")).sort(), [
    "The file is no TypeScript, JavaScript or YAML.",
    "The file is not there.",
    "The file lies outside of the project ROOT.",
  ]);
});

test("user code that exits, hangs or leaves things running is ended and explained", async () => {
  const exits = project("exits", { "tasks/a.ts": "process.exit(7);" });
  const exited = await compileProject({ root: exits, include });
  assert.deepEqual(said(exited.problems), [["tasks/a.ts", 0, "Loading it ended the process with exit code 7."]]);
  const killed = project("killed", { "tasks/a.ts": "process.kill(process.pid, 'SIGKILL'); for (;;) {}" });
  const ended = await compileProject({ root: killed, include });
  const outside = "The process that loads the project was ended by SIGKILL, from outside.";
  assert.deepEqual(said(ended.problems), [["tasks/a.ts", 0, outside]]);
  const hangs = project("hangs", { "tasks/a.ts": "for (;;) {}" });
  const told: string[] = [];
  const onOutput = (text: string) => told.push(text);
  const hung = await compileProject({ root: hangs, include, limitMs: 2_000, slowMs: 1_500, onOutput });
  assert.deepEqual(said(hung.problems), [["tasks/a.ts", 0, "The loading took longer than 2 s."]]);
  assert.match(told.join(""), /^Still loading (?:tasks\/a\.ts|the project); it may take 2 s\.$/m);
  const stop = new AbortController();
  const interrupted = compileProject({ root: hangs, include, signal: stop.signal });
  stop.abort();
  assert.deepEqual(said((await interrupted).problems), [["", 0, "The loading was interrupted."]]);
  const leaves = project("leaves", {
    "tasks/a.ts": `import { spawn } from "node:child_process"; import { writeFileSync } from "node:fs"; import { task } from "holdfast";
      writeFileSync("pid", String(spawn("sleep", ["600"], { stdio: "inherit" }).pid));
      setInterval(() => {}, 1000);
      export const a = task({ id: "a" }, async () => 1);`,
  });
  const left = await compileProject({ root: leaves, include });
  assert.deepEqual(left.problems, []);
  await gone(readFileSync(join(leaves, "pid"), "utf8"));
});

// The fault: the process that compiles was ended by what it could not parse, a server with it.
test("user code that writes to the descriptor of the answer is told so, with its file", async () => {
  const message = "Loading it wrote into descriptor 3, over which the compiler answers.";
  for (const text of ["garbage\\n", "garbage", '{\\"kind\\":\\"definitions\\"}\\n']) {
    const writes = project("writes", {
      "tasks/a.ts": "export {};",
      "tasks/b.ts": `import { writeSync } from "node:fs"; writeSync(3, "${text}");`,
      "tasks/c.ts": "export {};",
    });
    const wrote = await compileProject({ root: writes, include });
    assert.deepEqual(said(wrote.problems), [["tasks/b.ts", 0, message]]);
  }
});

test("an await that never ends is told with the file and line where it stands, though others import it", async () => {
  const waits = (wait: string) => ({
    "tasks/a.ts": 'import { ready } from "../lib/db.ts"; import "../lib/fine.ts"; export const a = ready;',
    "lib/db.ts": `import "./fine.ts";\nexport const ready = await ${wait};`,
    "lib/fine.ts": "await Promise.resolve();",
  });
  const never = "The file does not come to the end of its loading: an await outside of functions never ends.";
  // Nothing can happen any more: that is noticed at once, not after a minute.
  const idle = await compileProject({ root: project("idle", waits("new Promise(() => {})")), include });
  assert.deepEqual(said(idle.problems), [["lib/db.ts", 2, never]]);
  const busy = "new Promise(() => setInterval(() => {}, 10))";
  const late = await compileProject({ root: project("busy", waits(busy)), include, limitMs: 10_000 });
  assert.deepEqual(said(late.problems), [["lib/db.ts", 2, never]]);
});

test("files that import each other in a circle are told what to do", async () => {
  const circle = project("circle", {
    "tasks/a.ts": 'import { b } from "./b.ts"; export const a = "a"; export const ab = a + b;',
    "tasks/b.ts": 'import { a } from "./a.ts"; export const b = [a];',
  });
  const { problems } = await compileProject({ root: circle, include });
  assert.equal(problems[0]?.file, "tasks/b.ts");
  assert.match(problems[0]?.hint ?? "", /import each other in a circle\?/);
});

test("a process that left the group with the streams open is not waited for", async (t) => {
  const leaves = project("leaves-group", {
    "tasks/a.ts": `import { spawn } from "node:child_process"; import { writeFileSync } from "node:fs"; import { task } from "holdfast";
      const sleeper = spawn("sleep", ["600"], { stdio: "inherit", detached: true });
      writeFileSync("pid", String(sleeper.pid)); sleeper.unref();
      export const a = task({ id: "a" }, async () => 1);`,
  });
  const { problems } = await compileProject({ root: leaves, include });
  const sleeper = Number(readFileSync(join(leaves, "pid"), "utf8"));
  t.after(() => process.kill(sleeper, "SIGKILL"));
  assert.deepEqual(problems, []);
  assert.ok(process.kill(sleeper, 0));
});

test("user code sees no environment of the server", async () => {
  process.env.HOLDFAST_STORE = "postgres://secret";
  const folder = project("env", {
    "tasks/a.ts":
      'import { task } from "holdfast"; console.log(Object.keys(process.env).sort().join()); export const a = task({ id: "a" }, async () => 1);',
  });
  const printed: string[] = [];
  await compileProject({ root: folder, include, onOutput: (text) => printed.push(text) });
  delete process.env.HOLDFAST_STORE;
  assert.match(printed.join(""), /LANG,PATH,(?:TMPDIR,)?TZ/);
  assert.doesNotMatch(printed.join(""), /HOLDFAST|NODE_/);
});

test("the config file is read in a process of its own, and its mistakes are told", async () => {
  const folder = project("config", {
    "holdfast.config.ts":
      'import { defineConfig } from "holdfast/config";\nenum E { a = "x" }\nexport default defineConfig({ app: E.a, port: 4410 });\n',
    "tasks/a.ts": "",
  });
  const { settings, problems } = await loadConfig({ from: join(folder, "tasks"), env: { HOLDFAST_PORT: "4411" } });
  assert.deepEqual(problems, []);
  assert.deepEqual([settings.root, settings.app, settings.port], [folder, "x", 4411]);
  process.env.SHOP_NAME = "shop";
  process.env.HOLDFAST_TOKEN = "secret";
  writeFileSync(
    join(folder, "holdfast.config.ts"),
    'const { SHOP_NAME, HOLDFAST_TOKEN = "" } = process.env;\nexport default { app: SHOP_NAME + HOLDFAST_TOKEN };\n',
  );
  const { settings: read } = await loadConfig({ from: folder });
  assert.equal(read.app, "shop", "a config reads its author's variables, and no setting of the node");
  delete process.env.HOLDFAST_TOKEN;
  const told = async (text: string) => {
    writeFileSync(join(folder, "holdfast.config.ts"), text);
    const { problems: found } = await loadConfig({ from: folder });
    return found.map(({ file, line, message }) => `${file}:${line} ${message}`);
  };
  assert.deepEqual(await told("export const config = {};\n"), [
    "holdfast.config.ts:1 The config file has no default export.",
  ]);
  assert.deepEqual(await told("export default {\n  stroe: 1 };\n"), ['holdfast.config.ts:2 unknown key "stroe".']);
  assert.deepEqual(await told("export default { app: () => 1 };\n"), [
    "holdfast.config.ts:1 The config is not plain JSON: $.app is a function, which JSON cannot say.",
  ]);
  assert.deepEqual(await told("\nthrow new Error('no');\n"), [
    "holdfast.config.ts:2 The file cannot be loaded: Error: no",
  ]);
});

test("a promise that fails beside the loading is a mistake with its place, not silence", async () => {
  const files = {
    "tasks/stray.ts":
      'import { task } from "holdfast";\nPromise.reject(new Error("nobody awaits me"));\nexport const a = task({ id: "a" }, () => 1);\n',
  };
  const { manifests, problems } = await compileProject({ root: project("stray", files), include: ["tasks/**"] });
  assert.equal(manifests.length, 0);
  assert.match(problems[0]?.message ?? "", /nobody awaits me/);
  assert.equal(problems[0]?.line, 2);
});
