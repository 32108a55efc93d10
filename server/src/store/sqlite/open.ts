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
  const maxPages = maxBytes === undefined ? undefined : Math.ceil(maxBytes / 4_096);
  return openOwnedStore({ path: file, name: file, keeper: { kind: "sqlite", path: file, migrate, maxPages } }, options);
}
