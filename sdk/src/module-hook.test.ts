import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { isDefinition } from "./definitions.ts";
import { registerModuleHook } from "./module-hook.ts";
import { withoutComments } from "./tsconfig.ts";

let root = "";
before(async () => {
  registerModuleHook();
  registerModuleHook();
  root = await mkdtemp(join(tmpdir(), "holdfast-hook-"));
});
after(() => rm(root, { recursive: true, force: true }));

async function load(
  folder: string,
  files: Readonly<Record<string, string>>,
  entry: string,
): Promise<Record<string, unknown>> {
  for (const [name, text] of Object.entries(files)) {
    const file = join(root, folder, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return (await import(pathToFileURL(join(root, folder, entry)).href)) as Record<string, unknown>;
}

test("TypeScript that is more than types runs: enums, namespaces, parameter properties", async () => {
  const found = await load(
    "syntax",
    {
      "a.ts": `export enum Color { Red = "r" }
      export namespace N { export const q = 1 }
      class C { constructor(readonly y: number) {} }
      export const y = new C(3).y;`,
    },
    "a.ts",
  );
  assert.deepEqual([found.Color, found.N, found.y], [{ Red: "r" }, { q: 1 }, 3]);
});

test("extensions are optional, may be those of the output, and folders have an index", async () => {
  const found = await load(
    "paths",
    {
      "a.ts": `import { b } from "./b"; import { c } from "./c.js"; import { d } from "./d"; import { e } from "./e.mjs"; import f from "./f.json";
      export const all = [b, c, d, e, f.g];`,
      "b.ts": "export const b: number = 1;",
      "c.ts": "export const c: number = 2;",
      "d/index.ts": "export const d: number = 3;",
      "e.mts": "export const e: number = 4;",
      "f.json": '{ "g": 5 }',
    },
    "a.ts",
  );
  assert.deepEqual(found.all, [1, 2, 3, 4, 5]);
});

test("a project's files are ES modules whatever its package.json says", async () => {
  const found = await load(
    "commonjs",
    {
      "package.json": '{ "type": "commonjs" }',
      "a.ts": 'import { b } from "./b.js"; import c from "./c.js"; export const a = b + c.c;',
      "b.js": "export const b = 1;",
      "c.js": "module.exports = { c: 2 };",
    },
    "a.ts",
  );
  assert.equal(found.a, 3);
});

test("tsconfig paths and baseUrl are honoured, through extends and comments", async () => {
  const found = await load(
    "aliases",
    {
      "base.json":
        '{ "compilerOptions": { "baseUrl": "./lib", "paths": { "@/*": ["./*"], "@/exact": ["./other/exact"], }, /* note */ } }',
      "tsconfig.json": '{ "extends": "./base.json", // the rest\n }',
      "tasks/a.ts":
        'import { b } from "@/b"; import { e } from "@/exact"; import { bare } from "bare"; export const a = [b, e, bare];',
      "lib/b.ts": "export const b = 1;",
      "lib/other/exact.ts": "export const e = 2;",
      "lib/bare.ts": "export const bare = 3;",
    },
    "tasks/a.ts",
  );
  assert.deepEqual(found.a, [1, 2, 3]);
});

test("JSX becomes calls of the configured runtime", async () => {
  const found = await load(
    "jsx",
    {
      "tsconfig.json": '{ "compilerOptions": { "jsx": "react", "jsxFactory": "h" } }',
      "a.tsx":
        "const h = (name: string, props: object, child: string) => ({ name, props, child }); export const a = <b c={1}>d</b>;",
    },
    "a.tsx",
  );
  assert.deepEqual(found.a, { name: "b", props: { c: 1 }, child: "d" });
});

const decorated = `export const seen: string[] = [];
  function note(_target: unknown, context: unknown) { seen.push(typeof context); }
  class C { @note m() {} }
  export const c = new C();`;

test("decorators of the older kind run when tsconfig asks for them", async () => {
  const found = await load(
    "legacy",
    {
      "tsconfig.json": '{ "compilerOptions": { "experimentalDecorators": true } }',
      "a.ts": decorated,
    },
    "a.ts",
  );
  assert.deepEqual(found.seen, ["string"]);
});

test("decorators of the standard run through the project's TypeScript, and without it say what is needed", async () => {
  await assert.rejects(
    load("nodecorators", { "a.ts": decorated }, "a.ts"),
    /"experimentalDecorators": true in tsconfig\.json, or the package typescript/,
  );
  await mkdir(join(root, "decorators/node_modules"), { recursive: true });
  await symlink(
    join(import.meta.dirname, "../../node_modules/typescript"),
    join(root, "decorators/node_modules/typescript"),
  );
  const found = await load("decorators", { "a.ts": decorated }, "a.ts");
  assert.deepEqual(found.seen, ["object"]);
});

test("holdfast and zod are found where they are not installed", async () => {
  const found = await load(
    "bare",
    {
      "a.ts": `import { task } from "holdfast"; import { defineConfig } from "holdfast/config"; import { z } from "zod";
      export const a = task({ id: "a", input: z.string() }, async () => 1); export const c = defineConfig({});`,
    },
    "a.ts",
  );
  assert.ok(isDefinition(found.a));
});

test("stacks name the lines that the user wrote", async () => {
  const found = await load(
    "stack",
    {
      "a.ts":
        "interface A { a: 1 }\nenum B { b }\n\nexport const stack = () => {\n  return new Error(String(B.b)).stack;\n};\n",
    },
    "a.ts",
  );
  assert.match((found.stack as () => string)(), /stack\/a\.ts:5:10/);
});

test("a syntax error names file, line and column", async () => {
  await assert.rejects(load("wrong", { "a.ts": "export const a = 1;\nexport const b = ;\n" }, "a.ts"), (error) => {
    assert.ok(error instanceof SyntaxError && "line" in error && "column" in error);
    assert.deepEqual([error.line, error.column], [2, 18]);
    assert.match(error.message, /wrong\/a\.ts:2:18/);
    return true;
  });
});

test("a missing file or package stays missing", async () => {
  await assert.rejects(load("missing", { "a.ts": 'import "./nowhere";' }, "a.ts"), { code: "ERR_MODULE_NOT_FOUND" });
  await assert.rejects(load("missing2", { "a.ts": 'import "no-such-package-here";' }, "a.ts"), {
    code: "ERR_MODULE_NOT_FOUND",
  });
});

test("comments and trailing commas leave JSON, also beside texts that look like them", () => {
  const text = '\uFEFF{ "a": "// no, }", /* x */ "b": [1, 2, ], // y\n "c": "\\"/*", }';
  assert.deepEqual(JSON.parse(withoutComments(text)), { a: "// no, }", b: [1, 2], c: '"/*' });
});
