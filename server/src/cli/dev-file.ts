import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HttpPlane } from "@holdfast/sdk/client";
import { z } from "zod";
import { ensureStateFolder } from "../config.ts";

// `.holdfast/dev.json`: where the `dev` of this project listens. It may be a leftover of one that was killed, and its port
// may be somebody else's by now: who uses it asks there first whether the store is the one that the file names.

const devFileSchema = z.object({
  url: z.url(),
  pid: z.number().int(),
  /** Of the store: no two stores share one. */
  incarnation: z.string(),
});
export type DevFile = z.infer<typeof devFileSchema>;

const patienceMs = 2_000;

function pathIn(root: string): string {
  return join(root, ".holdfast", "dev.json");
}

/** Written whole or not at all. */
export function writeDevFile(root: string, file: DevFile): void {
  ensureStateFolder(root);
  const path = pathIn(root);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

/** Only if it is this process's own. */
export function removeDevFile(root: string): void {
  if (readDevFile(root)?.pid === process.pid) rmSync(pathIn(root), { force: true });
}

/** The `dev` of this project that answers now; undefined when none does. */
export async function findDev(root: string): Promise<DevFile | undefined> {
  const file = readDevFile(root);
  if (file === undefined || !isAlive(file.pid)) return undefined;
  const plane = new HttpPlane({ server: file.url, patienceMs: 0 });
  const silent = new Promise<undefined>((resolve) => setTimeout(resolve, patienceMs, undefined).unref());
  const described = await Promise.race([plane.describe().catch(() => undefined), silent]);
  return described?.incarnation === file.incarnation ? file : undefined;
}

function readDevFile(root: string): DevFile | undefined {
  try {
    return devFileSchema.safeParse(JSON.parse(readFileSync(pathIn(root), "utf8"))).data;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process: it may be the one.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
