import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFolders } from "../folders.ts";
import { version } from "../version.ts";
import { asTyped } from "./command-name.ts";
import { exitCodes, UsageError } from "./failures.ts";
import { configText, ignoreText, packageText, taskText, testText, tsconfigText } from "./init-files.ts";
import type { Terminal } from "./terminal.ts";

/** `holdfast init [FOLDER]`: config, one task, one test. Overwrites nothing. */
export function init(terminal: Terminal, folder = "."): number {
  const root = resolve(folder);
  const clone = cloneFolder();
  const source = clone === undefined ? undefined : `file:${clone}`;
  const name = packageName(basename(root));
  const files: Record<string, string> = {
    "holdfast.config.ts": configText(name),
    "tasks/hello.ts": taskText,
    "tasks/hello.test.ts": testText,
  };
  if (!existsSync(join(root, ".gitignore"))) files[".gitignore"] = ignoreText;
  const hasPackage = existsSync(join(root, "package.json"));
  if (!hasPackage)
    files["package.json"] = packageText({ name, holdfast: source ?? `^${version}`, fromClone: clone !== undefined });
  if (!existsSync(join(root, "tsconfig.json")))
    files["tsconfig.json"] = tsconfigText({ fromClone: clone !== undefined });
  const taken = Object.keys(files).filter((file) => existsSync(join(root, file)));
  if (taken.length > 0) {
    throw new UsageError(
      `${taken.join(", ")} in ${root} would be overwritten.`,
      "Use another folder, or move them away.",
    );
  }
  for (const [file, text] of Object.entries(files)) {
    makeFolders(dirname(join(root, file)));
    writeFileSync(join(root, file), text, { flag: "wx" });
  }
  terminal.answer({ root, files: Object.keys(files).sort(), holdfast: source ?? `^${version}` });
  sayNext(terminal, { root, files: Object.keys(files), clone, hasPackage });
  return exitCodes.done;
}

interface Made {
  readonly root: string;
  readonly files: readonly string[];
  readonly clone: string | undefined;
  readonly hasPackage: boolean;
}

function sayNext(terminal: Terminal, { root, files, clone, hasPackage }: Made): void {
  const { colors } = terminal;
  terminal.print(`Made in ${root}:`);
  for (const file of files.toSorted()) terminal.print(`  ${file}`);
  const folder = relative(process.cwd(), root);
  terminal.print("\nNext:");
  if (folder !== "") terminal.print(`  cd ${folder}`);
  terminal.print(asTyped(`  holdfast run tasks/hello.ts --input '{"name":"Ada"}'`));
  terminal.print(asTyped("  holdfast dev"));
  terminal.print(colors.dim("\nFor types in the editor and for the test:"));
  if (hasPackage && clone !== undefined) terminal.print(`  npm install zod file:${clone}`);
  else if (hasPackage) terminal.print("  npm install zod holdfast");
  else terminal.print("  npm install\n  npm test");
}

/** The package's folder when it runs from a clone; undefined when npm has installed it. */
function cloneFolder(): string | undefined {
  const own = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
  return own.split(/[\\/]/).includes("node_modules") || !readdirSync(own).includes("src") ? undefined : own;
}

function packageName(folder: string): string {
  const name = folder
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replaceAll(/^[._-]+|-+$/g, "");
  return name === "" ? "app" : name;
}
