/** Finds the PostgreSQL server programs that tests run, and installs them where that can be done without asking. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { apt, isDebian } from "./apt.ts";

/** The major version that is looked for first, since the schema's dump is its own; test/postgres-majors runs the others. */
const preferredMajor = 15;
/** What Holdfast supports. */
const supportedMajors = [15, 16, 17, 18, 14];

/** The folder that holds `postgres` and `initdb` of a supported version; undefined if there is none. */
export function findPostgres(): string | undefined {
  const folders = [
    process.env.HOLDFAST_TEST_POSTGRES_BIN ?? "",
    ...supportedMajors.map((major) => `/usr/lib/postgresql/${major}/bin`),
    ...supportedMajors.map((major) => `/usr/pgsql-${major}/bin`),
    ...supportedMajors.map((major) => `/opt/homebrew/opt/postgresql@${major}/bin`),
    ...(process.env.PATH ?? "").split(delimiter),
  ];
  return folders.find((folder) => folder !== "" && isSupported(folder));
}

function isSupported(folder: string): boolean {
  if (!existsSync(join(folder, "initdb")) || !existsSync(join(folder, "postgres"))) return false;
  const said = spawnSync(join(folder, "postgres"), ["--version"], { encoding: "utf8" }).stdout ?? "";
  const major = Number(/(\d+)(\.\d+)?/.exec(said)?.[1] ?? 0);
  return major >= Math.min(...supportedMajors);
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
      `The tests need the server programs of PostgreSQL ${preferredMajor} or newer (initdb and postgres). ` +
        "Debian and Ubuntu: apt-get install postgresql. macOS: brew install postgresql@15. " +
        "Elsewhere: name their folder in HOLDFAST_TEST_POSTGRES_BIN.",
    );
  }
  console.log("Installing PostgreSQL (apt-get)…");
  apt("update");
  const wanted = `postgresql-${preferredMajor}`;
  const known = spawnSync("apt-cache", ["show", wanted], { encoding: "utf8" }).status === 0;
  apt("install", "-y", "--no-install-recommends", known ? wanted : "postgresql");
  const installed = findPostgres();
  if (installed === undefined) throw new Error("apt-get installed no PostgreSQL that the tests can use.");
  return installed;
}

/** The program `pgbouncer`, installed as {@link requirePostgres} does. */
export function requirePgBouncer(): string {
  const places = ["/usr/sbin", "/usr/bin", ...(process.env.PATH ?? "").split(delimiter)];
  const find = () => places.map((folder) => join(folder, "pgbouncer")).find((path) => existsSync(path));
  const found = find();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !isDebian()) {
    throw new Error(
      "This test needs PgBouncer. Debian and Ubuntu: apt-get install pgbouncer. macOS: brew install pgbouncer.",
    );
  }
  console.log("Installing PgBouncer (apt-get)…");
  apt("update");
  apt("install", "-y", "--no-install-recommends", "pgbouncer");
  const installed = find();
  if (installed === undefined) throw new Error("apt-get installed no PgBouncer.");
  return installed;
}
