import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ensureStateFolder, type Settings } from "../config.ts";

/** The store's address, a relative path of its file or folder taken from the root. Makes `.holdfast/` where that lies in it. */
export function absoluteStore({ store, root }: Settings): string {
  const local = localPath(store);
  if (local === undefined) return store;
  const path = resolve(root, local.path);
  if (path.startsWith(resolve(root, ".holdfast"))) ensureStateFolder(root);
  return `${local.kind}:${path}`;
}

/** The path of a store in a file or folder that has not been made yet; undefined for every other. */
export function missingStore({ store, root }: Settings): string | undefined {
  const local = localPath(store);
  if (local === undefined) return undefined;
  const path = resolve(root, local.path);
  // The folder alone may be there before the store; whoever makes it there leaves its owner's lock.
  return existsSync(local.kind === "file" ? join(path, "store.lock") : path) ? undefined : local.path;
}

/** The store's address without its password, for people to read. */
export function shownStore(address: string): string {
  const url = localPath(address) === undefined ? URL.parse(address) : null;
  if (url === null || url.password === "") return address;
  url.password = "***";
  return url.href;
}

/** Of a store in this machine's files. */
function localPath(address: string): { kind: string; path: string } | undefined {
  const [, kind, path] = /^(sqlite|file):(.+)$/s.exec(address) ?? [];
  return kind === undefined || path === undefined ? undefined : { kind, path };
}
