import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// The libraries in whose transactions intents are tested. They are large (Prisma alone 250 MB), so that they are no part of
// `npm ci`: they are installed when the first test needs them, and again when their lockfile has changed.

const folder = import.meta.dirname;
const modules = join(folder, "node_modules");

/** Makes the libraries ready to be loaded. Takes half a minute once, and nothing afterwards. */
export function installLibraries(): void {
  const environment = { ...process.env, PATH: `${join(process.execPath, "..")}:${process.env.PATH ?? ""}` };
  if (modifiedMs(join(modules, ".package-lock.json")) < modifiedMs(join(folder, "package-lock.json"))) {
    console.log("Installing the libraries of test/libraries (npm ci)…");
    // Without scripts: Prisma's would fetch an engine that a client with a driver adapter does not have.
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", args, { cwd: folder, stdio: "inherit", env: environment });
  }
  if (existsSync(join(modules, ".prisma/client/index.js"))) return;
  // Its command wants the engine of migrations to be there, which generating a client never starts.
  const env = { ...environment, PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true", PRISMA_HIDE_UPDATE_MESSAGE: "1" };
  const prisma = join(modules, "prisma/build/index.js");
  execFileSync(process.execPath, [prisma, "generate", "--schema", "prisma/schema.prisma"], { cwd: folder, env });
}

const require = createRequire(join(folder, "package.json"));

/** A library that `installLibraries` has installed, as far as it is used: the tree is checked without it. */
export async function loadLibrary<T>(name: string): Promise<T> {
  return (await import(pathToFileURL(require.resolve(name)).href)) as T;
}

function modifiedMs(file: string): number {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}
