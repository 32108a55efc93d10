import { existsSync, statSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import type { CodeReading } from "./code-reading.ts";

// Files that a workflow's file names.

/** A file that a key names, relative to the workflow's file, as a name relative to the root. Undefined for a mistake. */
export function localFile(
  key: "file" | "job",
  file: string,
  { root, workflowFile, what, entries, at, problems }: CodeReading,
): string | undefined {
  const path = resolve(dirname(workflowFile), file);
  const place = entries.get(key)?.node ?? at;
  if (!isFile(path)) {
    const hint = existsSync(path)
      ? "It is a folder."
      : `It is looked for at ${localName(root, path)}, beside the workflow's file.`;
    problems.add(place, `${what}: the file "${file}" is not there`, hint);
    return undefined;
  }
  const name = localName(root, path);
  if (!name.startsWith("../") && !isAbsolute(name)) return name;
  problems.add(place, `${what}: the file "${file}" lies outside of the project`, "Move it below the project's root.");
  return undefined;
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** With `/` on every system. */
export function localName(root: string, path: string): string {
  return relative(root, path).split(sep).join("/");
}
