import { type FileStoreOptions, openFileStore } from "../server/src/store/file/open.ts";
import { openSqliteStore } from "../server/src/store/sqlite/open.ts";
import type { Store } from "../server/src/store/store.ts";

/** Opens a store that has one owner, `sqlite:FILE` or `file:FOLDER`, with more to say about it than an address can. */
export function openOwned(address: string, options: Omit<FileStoreOptions, "folder">): Promise<Store> {
  const [, kind, path = ""] = /^(sqlite|file):(.+)$/.exec(address) ?? [];
  return kind === "file" ? openFileStore({ folder: path, ...options }) : openSqliteStore({ path, ...options });
}
