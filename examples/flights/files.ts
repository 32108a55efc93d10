/**
 * Where the pipeline reads and writes. A task may be killed at any instant and started again, and then it must find
 * nothing half-written: a file appears whole or not at all, and the same content always gets the same name.
 */

import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const extracts = ["flights-2k.json", "flights-5k.json", "flights-10k.json", "flights-20k.json"];

/** The folder with the published files: the npm package's own for `vega-datasets`, else the path itself. */
function sourceFolder(source: string): string {
  if (source !== "vega-datasets") return resolve(source);
  return fileURLToPath(new URL("../data", import.meta.resolve("vega-datasets")));
}

/** The records of all extracts of a source, one list each. They overlap. Throws when one is missing or no list. */
export async function readExtracts(source: string): Promise<readonly (readonly unknown[])[]> {
  return Promise.all(
    extracts.map(async (name) => {
      const records: unknown = JSON.parse(await readSource(source, name));
      if (!Array.isArray(records)) throw new Error(`${name} of ${source}: expected a list of records.`);
      return records;
    }),
  );
}

/** The text of one file of a source. */
export function readSource(source: string, name: string): Promise<string> {
  return readFile(join(sourceFolder(source), name), "utf8");
}

/** Keeps a value for later tasks. Answers the file's name, which carries the hash of its content. */
export async function keep(name: string, value: unknown): Promise<string> {
  const text = JSON.stringify(value);
  const file = `${name}.${hashOf(text)}.json`;
  await writeWhole(pathOf(file), text);
  return file;
}

/** A kept value. Its type is what was kept: the name's hash is checked, so nobody else wrote it. */
export async function kept<T>(file: string): Promise<T> {
  const text = await readFile(pathOf(file), "utf8");
  if (!file.endsWith(`.${hashOf(text)}.json`)) throw new Error(`${file} was changed since it was written.`);
  return JSON.parse(text) as T;
}

/** Writes a file so that it is never seen in part. When it returns, the file outlives a power failure. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // An attempt that was given up may still be writing beside its successor, so each has a draft of its own.
  const draft = `${path}.${randomUUID()}.draft`;
  const file = await open(draft, "wx");
  try {
    await file.writeFile(text);
    // The store will remember that this task is done, so its file must be on the disk before.
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Tasks run with the project's root as their current folder. */
function pathOf(file: string): string {
  return resolve(".holdfast", "flights", file);
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
