/** The files of the tree as git sees them: tracked, or new and not ignored. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

export const root = join(import.meta.dirname, "..", "..");

export function listFiles(pattern: RegExp): string[] {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return listed.split("\n").filter((file) => pattern.test(file) && existsSync(join(root, file)));
}

export function readText(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

export function isTest(file: string): boolean {
  return /\.(test|contract|fixture)\.ts$|(^|\/)(tests?|fixtures)\//.test(file);
}

/** What runs at a user's: the sources of the three packages without their tests. */
export function listProduct(): string[] {
  return listFiles(/^(protocol|sdk|server)\/(src|bin)\/.*\.(ts|js)$/).filter((file) => !isTest(file));
}

/** Calls `visit` for every node of a file's syntax tree; `place` is `file:line` for messages. */
export function walk(file: string, visit: (node: ts.Node, place: string) => void): void {
  const source = ts.createSourceFile(file, readText(file), ts.ScriptTarget.Latest, true);
  const enter = (node: ts.Node): void => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    visit(node, `${file}:${line + 1}`);
    ts.forEachChild(node, enter);
  };
  enter(source);
}
