import { join, resolve } from "node:path";
import { type OwnedStoreOptions, openOwnedStore } from "../owned/open.ts";
import type { Store } from "../store.ts";

// A file store: everything is in the memory of one process, and on the disk as JSON lines that anybody can read. The others go
// through the owner's socket. What is committed is on the disk.

export interface FileStoreOptions extends OwnedStoreOptions {
  /** The folder, for the store's files alone. It is made when it is missing, except for a client. */
  readonly folder: string;
  /** Whether an owner may make a store where there is none (default), or refuses with `invalid_request`. */
  readonly migrate?: boolean;
}

/**
 * Opens the store in a folder. Rejects with `not_the_owner`, `store_newer`, `store_unavailable` (no owner, no access),
 * `store_full`, `invalid_request` for a folder of something else, or `internal`, with the place, for damaged files.
 */
export async function openFileStore({ folder, migrate = true, ...options }: FileStoreOptions): Promise<Store> {
  const place = resolve(folder);
  const keeper = { kind: "file", folder: place, migrate } as const;
  return openOwnedStore({ path: join(place, "store"), name: place, keeper }, options);
}
