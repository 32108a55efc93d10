import { readdirSync } from "node:fs";
import { AppError } from "@holdfast/protocol";

/** One step of a store's schema: a file of plain SQL, forward only, that is never changed once it has been published. */
export interface MigrationFile {
  readonly version: number;
  /** `0001_runs.sql`: its version and what it is for. */
  readonly name: string;
  readonly file: URL;
}

/** What a store says that was carried out on it. */
export interface AppliedMigration {
  readonly version: number;
  readonly name: string;
}

/** The migrations of a folder in their order. */
export function migrationFiles(folder: URL): readonly MigrationFile[] {
  const names = readdirSync(folder)
    .filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .sort();
  return names.map((name) => ({ version: Number(name.slice(0, 4)), name, file: new URL(name, folder) }));
}

/** The version of the schema that code with these migrations works with. */
export function newestOf(files: readonly MigrationFile[]): number {
  return files.at(-1)?.version ?? 0;
}

/**
 * Those that are still to be carried out. Throws `store_newer` for a store from the future, and `invalid_request` for one on which
 * others of the same numbers were carried out: the number alone would let its tables pass for what they are not.
 */
export function missingMigrations(
  store: string,
  files: readonly MigrationFile[],
  applied: readonly AppliedMigration[],
): readonly MigrationFile[] {
  const newest = newestOf(files);
  const version = applied.reduce((highest, migration) => Math.max(highest, migration.version), 0);
  if (version > newest) {
    throw new AppError(
      "store_newer",
      `${store} has schema ${version}; this version of Holdfast knows up to ${newest}.`,
      {
        hint: "Use the version of Holdfast that last migrated it, or a newer one.",
      },
    );
  }
  const names = new Map(applied.map((migration) => [migration.version, migration.name]));
  const missing = files.filter(({ version: own }) => !names.has(own));
  const other = files.find(({ version: own, name }) => names.has(own) && names.get(own) !== name);
  const gap = missing.find(({ version: own }) => own < version);
  if (other === undefined && gap === undefined) return missing;
  const what =
    other === undefined
      ? `${gap?.name} was never carried out on it, though later ones were`
      : `its migration ${other.version} was ${names.get(other.version)}, and is ${other.name} here`;
  throw new AppError("invalid_request", `${store} was made by a Holdfast with other migrations: ${what}.`, {
    hint: "Use the version of Holdfast that made it, or a new store: what an unpublished version made cannot be gone on with.",
  });
}
