import { readFileSync } from "node:fs";
import { AppError } from "@holdfast/protocol";
import {
  type AppliedMigration,
  type MigrationFile,
  migrationFiles,
  missingMigrations,
  newestOf,
} from "../migration-files.ts";
import type { Connection } from "./connection.ts";

// Migrations are plain SQL, forward only. The file's user_version is the number of the last one; the table `migrations`
// says when each came. application_id tells a store from other people's databases.

const folder = new URL("../migrations/sqlite/", import.meta.url);
/** "Hold" in ASCII. */
const applicationId = 0x486f6c64;

const migrations = migrationFiles(folder);

/** The version of the schema that this code works with. */
export function newestSchema(): number {
  return newestOf(migrations);
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
  const missing = missingMigrations(`The store ${path}`, migrations, listApplied(db, version));
  if (missing.length > 0 && !migrate) {
    throw new AppError("invalid_request", `The store ${path} has schema ${version}, and ${newest} is needed.`, {
      hint: "Run `holdfast migrate`.",
    });
  }
  for (const migration of missing) apply(db, migration, now);
  return newest;
}

function listApplied(db: Connection, version: number): readonly AppliedMigration[] {
  if (version === 0) return [];
  // What tables the future has is not known.
  if (version > newestSchema()) return [{ version, name: "" }];
  return db.list<AppliedMigration>("SELECT version, name FROM migrations ORDER BY version");
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

function apply(db: Connection, migration: MigrationFile, now: number): void {
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
