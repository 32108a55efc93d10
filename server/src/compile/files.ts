import { existsSync, statSync } from "node:fs";
import { glob } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import type { Problem } from "@holdfast/protocol";

const extensions = /\.(?:ts|tsx|mts|js|mjs|jsx|ya?ml)$/;
const excluded = /\.(?:test|spec)\.[a-z]+$|\.d\.[a-z]*ts$/;

export interface ChosenFiles {
  /** Absolute paths in the order of their names relative to the root. */
  readonly files: readonly string[];
  readonly problems: readonly Problem[];
}

/** The source files that globs, relative to the root, name. Tests, declarations, packages and hidden folders are left out. */
export async function findFiles(root: string, include: readonly string[]): Promise<ChosenFiles> {
  const found = new Set<string>();
  const problems: Problem[] = [];
  for (const pattern of include) {
    let count = 0;
    for await (const name of glob(patterns(root, pattern), { cwd: root, exclude: (path) => isHidden(path) })) {
      const file = resolve(root, name);
      if (!extensions.test(file) || excluded.test(file) || !statSync(file).isFile()) continue;
      count++;
      found.add(file);
    }
    if (count === 0 && !isDefault(pattern)) {
      problems.push({
        file: "",
        line: 0,
        message: `No source file matches "${pattern}" of "include".`,
        hint: `It is read from ${root}.`,
      });
    }
  }
  if (found.size === 0 && problems.length === 0) {
    const message = `No file matches ${include.map((item) => `"${item}"`).join(", ")}.`;
    problems.push({
      file: "",
      line: 0,
      message,
      hint: 'Put tasks into tasks/, or set "include" in holdfast.config.ts.',
    });
  }
  return { files: inOrder(root, found), problems };
}

/** Named files, checked to be there and inside the root. */
export function namedFiles(root: string, named: readonly string[]): ChosenFiles {
  const problems: Problem[] = [];
  const files = new Set<string>();
  for (const name of named) {
    const file = resolve(root, name);
    if (!existsSync(file) || !statSync(file).isFile()) {
      problems.push({ file, line: 0, message: "The file is not there.", hint: "Check the path." });
    } else if (!extensions.test(file)) {
      problems.push({
        file,
        line: 0,
        message: "The file is no TypeScript, JavaScript or YAML.",
        hint: "Name a .ts, .tsx, .mts, .js, .mjs, .jsx, .yaml or .yml file.",
      });
    } else if (relative(root, file).startsWith("..")) {
      problems.push({
        file,
        line: 0,
        message: `The file lies outside of the project ${root}.`,
        hint: "Run the command in the file's project.",
      });
    } else files.add(file);
  }
  return { files: inOrder(root, files), problems };
}

function patterns(root: string, pattern: string): string[] {
  const folder = join(root, pattern);
  return existsSync(folder) && statSync(folder).isDirectory() ? [`${pattern.replace(/\/$/, "")}/**`] : [pattern];
}

function isDefault(pattern: string): boolean {
  return pattern === "tasks/**" || pattern === "workflows/**";
}

function isHidden(path: unknown): boolean {
  const name = typeof path === "string" ? path : String((path as { readonly name?: unknown }).name);
  return name
    .split(sep)
    .some((part) => part === "node_modules" || (part.startsWith(".") && part !== "." && part !== ".."));
}

function inOrder(root: string, files: ReadonlySet<string>): string[] {
  const key = (file: string): string => relative(root, file).split(sep).join("/");
  return [...files].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
