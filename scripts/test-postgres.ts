/** Finds the PostgreSQL server programs that tests run, and installs them where that can be done without asking. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The oldest major version that Holdfast supports; it is looked for first, since it is what the tests must pass on. */
const oldestMajor = 15;
const newestMajor = 18;

/** The folder that holds `postgres` and `initdb` of a supported version; undefined if there is none. */
export function findPostgres(): string | undefined {
  const majors = Array.from({ length: newestMajor - oldestMajor + 1 }, (_, index) => oldestMajor + index);
  const folders = [
    process.env.HOLDFAST_TEST_POSTGRES_BIN ?? "",
    ...majors.map((major) => `/usr/lib/postgresql/${major}/bin`),
    ...majors.map((major) => `/usr/pgsql-${major}/bin`),
    ...majors.map((major) => `/opt/homebrew/opt/postgresql@${major}/bin`),
    ...(process.env.PATH ?? "").split(delimiter),
  ];
  return folders.find((folder) => folder !== "" && isSupported(folder));
}

function isSupported(folder: string): boolean {
  if (!existsSync(join(folder, "initdb")) || !existsSync(join(folder, "postgres"))) return false;
  const said = spawnSync(join(folder, "postgres"), ["--version"], { encoding: "utf8" }).stdout ?? "";
  const major = Number(/(\d+)(\.\d+)?/.exec(said)?.[1] ?? 0);
  return major >= oldestMajor;
}

/**
 * As {@link findPostgres}, but installs PostgreSQL when it is missing and this is Debian run by root; elsewhere it
 * throws an error that says what to install. Tests never skip for want of a database.
 */
export function requirePostgres(): string {
  const found = findPostgres();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !isDebian()) {
    throw new Error(
      `The tests need the server programs of PostgreSQL ${oldestMajor} or newer (initdb and postgres). ` +
        "Debian and Ubuntu: apt-get install postgresql. macOS: brew install postgresql@15. " +
        "Elsewhere: name their folder in HOLDFAST_TEST_POSTGRES_BIN.",
    );
  }
  console.log("Installing PostgreSQL (apt-get)…");
  // RUNLEVEL=1 keeps the package from starting a server of its own.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const apt = (...args: string[]) => execFileSync("apt-get", ["-q", ...args], { env, stdio: "inherit" });
  apt("update");
  const wanted = `postgresql-${oldestMajor}`;
  const known = spawnSync("apt-cache", ["show", wanted], { encoding: "utf8" }).status === 0;
  apt("install", "-y", "--no-install-recommends", known ? wanted : "postgresql");
  const installed = findPostgres();
  if (installed === undefined) throw new Error("apt-get installed no PostgreSQL that the tests can use.");
  return installed;
}

function isDebian(): boolean {
  return (
    existsSync("/etc/os-release") && /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"))
  );
}
