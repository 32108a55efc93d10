import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// The vendors' clients are 60 MB and DuckDB is more: they are no part of `npm ci`, but are installed when they are needed
// first, and again when their lockfile has changed.

/** A folder here with a package.json and lockfile of its own. */
export type PackageFolder = "vendors" | "duckdb";

/** Makes the packages of the folder ready to be loaded. Takes half a minute once, and nothing afterwards. */
export function installPackages(name: PackageFolder): void {
  const folder = join(import.meta.dirname, name);
  const installed = join(folder, "node_modules", ".package-lock.json");
  if (modifiedMs(installed) >= modifiedMs(join(folder, "package-lock.json"))) return;
  console.error(`Installing the packages of test/clouds/${name} (npm ci)…`);
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const env = { ...process.env, PATH: `${join(process.execPath, "..")}:${process.env.PATH ?? ""}` };
  execFileSync("npm", args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"], env });
}

/** A package that `installPackages` has installed, as far as it is used: the tree is checked without it. */
export async function loadPackage<T>(folder: PackageFolder, name: string): Promise<T> {
  const require = createRequire(join(import.meta.dirname, folder, "package.json"));
  return (await import(pathToFileURL(require.resolve(name)).href)) as T;
}

function modifiedMs(file: string): number {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}
