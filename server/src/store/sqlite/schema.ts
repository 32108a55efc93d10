import { readdirSync, readFileSync } from "node:fs";
import { AppError } from "@holdfast/protocol";
import type { Connection } from "./connection.ts";

// Migrations are plain SQL, forward only. The file's user_version is the number of the last one; the table `migrations`
// says when each came. application_id tells a store from other people's databases.

const folder = new URL("../migrations/sqlite/", import.meta.url);
/** "Hold" in ASCII. */
const applicationId = 0x486f6c64;

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly file: URL;
}

function listMigrations(): Migration[] {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  return names.map((name) => ({ version: Number(name.slice(0, 4)), name, file: new URL(name, folder) }));
}

/** The version of the schema that this code works with. */
export function newestSchema(): number {
  return listMigrations().at(-1)?.version ?? 0;
}

/**
 * Brings the schema up to date, when `migrate` allows it. Throws `store_newer` for a schema from the future and
 * `invalid_request` for a database that is not a store, or is an older one that may not be changed.
 */
export function prepareSchema(db: Connection, options: { path: string; migrate: boolean; now: number }): number {
  const { path, migrate, now } = options;
  const version = pragma(db, "user_version");
  const newest = newestSchema();
  refuseForeign(db, version, path);
  if (version > newest) {
    throw new AppError("store_newer", `The store ${path} has schema ${version}; this version knows up to ${newest}.`, {
      hint: "Use the version of Holdfast that last opened it, or a newer one.",
    });
  }
  const missing = listMigrations().filter((migration) => migration.version > version);
  if (missing.length > 0 && !migrate) {
    throw new AppError("invalid_request", `The store ${path} has schema ${version}, and ${newest} is needed.`, {
      hint: "Run `holdfast migrate`.",
    });
  }
  for (const migration of missing) apply(db, migration, now);
  return newest;
}

function refuseForeign(db: Connection, version: number, path: string): void {
  const id = pragma(db, "application_id");
  if (id === applicationId) return;
  const tables = db.find<{ n: number }>("SELECT count(*) AS n FROM sqlite_schema")?.n ?? 0;
  if (id === 0 && version === 0 && tables === 0) return;
  throw new AppError("invalid_request", `${path} is a database of something else, not a Holdfast store.`, {
    hint: "Name another file, or move this one away.",
  });
}

function apply(db: Connection, migration: Migration, now: number): void {
  db.script("BEGIN IMMEDIATE");
  try {
    db.script(readFileSync(migration.file, "utf8"));
    db.run(
      "INSERT INTO migrations (version, name, applied_at) VALUES (?, ?, ?)",
      migration.version,
      migration.name,
      now,
    );
    db.script(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migration.version}`);
    db.script("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.script("ROLLBACK");
    throw error;
  }
}

function pragma(db: Connection, name: "user_version" | "application_id"): number {
  return db.find<Record<string, number>>(`PRAGMA ${name}`)?.[name] ?? 0;
}
