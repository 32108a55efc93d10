import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// The vendors' clients are 60 MB and DuckDB is 70: they are no part of `npm ci`, but are installed when they are needed
// first, and again when their lockfile has changed.

/** A folder here with a package.json and lockfile of its own. */
export type PackageFolder = "vendors" | "duckdb";

const lockLimitMs = 5 * 60_000;
const lockPollMs = 200;

/** Makes the packages of the folder ready to be loaded. Takes half a minute once, and nothing afterwards. */
export function installPackages(name: PackageFolder): void {
  const folder = join(import.meta.dirname, name);
  if (isInstalled(folder)) return;
  // Two test files may come to need them at once: the second waits for the first.
  const lock = join(folder, "node_modules.lock");
  while (!takeLock(lock)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockPollMs);
  try {
    if (!isInstalled(folder)) install(name, folder);
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function install(name: PackageFolder, folder: string): void {
  console.error(`Installing the packages of test/clouds/${name} (npm ci)…`);
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const env = { ...process.env, PATH: `${join(process.execPath, "..")}:${process.env.PATH ?? ""}` };
  execFileSync("npm", args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"], env });
}

function isInstalled(folder: string): boolean {
  return (
    modifiedMs(join(folder, "node_modules", ".package-lock.json")) >= modifiedMs(join(folder, "package-lock.json"))
  );
}

/** A lock that somebody left behind who was killed is taken over after a while. */
function takeLock(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    if (Date.now() - modifiedMs(lock) > lockLimitMs) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

const requireFrom = (folder: PackageFolder) => createRequire(join(import.meta.dirname, folder, "package.json"));

/** A package that `installPackages` has installed, as far as it is used: the tree is checked without it. */
export async function loadPackage<T>(folder: PackageFolder, name: string): Promise<T> {
  return (await import(pathToFileURL(requireFrom(folder).resolve(name)).href)) as T;
}

/** A JSON file of such a package. */
export function readPackageJson<T>(folder: PackageFolder, path: string): T {
  return JSON.parse(readFileSync(requireFrom(folder).resolve(path), "utf8")) as T;
}

function modifiedMs(file: string): number {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}
