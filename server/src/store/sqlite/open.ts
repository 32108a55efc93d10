import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { AppError } from "@holdfast/protocol";
import { type OwnedStoreOptions, openOwnedStore } from "../owned/open.ts";
import { realPlace } from "../owned/real-path.ts";
import type { Store } from "../store.ts";

// A SQLite store: one process owns the file, the others go through its socket. What is committed is on the disk
// (WAL, synchronous=FULL).

export interface SqliteStoreOptions extends OwnedStoreOptions {
  /** The database's file. Its folder is made when it is missing, except for a client. */
  readonly path: string;
  /** Whether an owner brings an older or absent schema up to date (default), or refuses it with `invalid_request`. */
  readonly migrate?: boolean;
  /** The owner lets the file grow to this many bytes; beyond, calls that need room are `store_full`. Default: the disk. */
  readonly maxBytes?: number;
}

/**
 * Opens the store in a file. Rejects with `not_the_owner`, `store_newer`, `store_unavailable` (no owner, no access),
 * `store_full`, or `invalid_request` for a file that is no store.
 */
export async function openSqliteStore({
  path,
  migrate = true,
  maxBytes,
  ...options
}: SqliteStoreOptions): Promise<Store> {
  const file = realPlace(path);
  if (options.role !== "client") refuseOther(file);
  const maxPages = maxBytes === undefined ? undefined : Math.ceil(maxBytes / 4_096);
  return openOwnedStore({ path: file, name: file, keeper: { kind: "sqlite", path: file, migrate, maxPages } }, options);
}

const magic = "SQLite format 3\u0000";

/**
 * What is no database is refused before an owner leaves its lock beside it. Looked at only where no lock is: to close a file
 * that this process has open as a database elsewhere would drop the locks that it holds on it.
 */
function refuseOther(file: string): void {
  if (existsSync(`${file}.lock`)) return;
  const stat = existsSync(file) ? statSync(file) : undefined;
  if (stat === undefined || (stat.isFile() && (stat.size === 0 || beginsWithMagic(file)))) return;
  if (stat.isDirectory()) {
    throw new AppError("store_unavailable", `${file} is a folder.`, { hint: "Name a file in it: sqlite:FOLDER/x.db." });
  }
  throw new AppError("invalid_request", `${file} is no SQLite database.`, {
    hint: "Name another file, or move this one away.",
  });
}

/** Also true of a file that may not be read: the owner says so. */
function beginsWithMagic(file: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    return true;
  }
  try {
    const bytes = Buffer.alloc(magic.length);
    readSync(descriptor, bytes, 0, bytes.length, 0);
    return bytes.toString("latin1") === magic;
  } finally {
    closeSync(descriptor);
  }
}
