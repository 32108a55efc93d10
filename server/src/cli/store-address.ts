import { existsSync, readdirSync, statSync } from "node:fs";
import { resolve } from "node:path";
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
  // The folder alone may be there before the store. A lock that somebody has removed is no sign: its files are.
  const isThere = local.kind === "file" ? hasFiles(path) : existsSync(path);
  return isThere ? undefined : local.path;
}

function hasFiles(folder: string): boolean {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return existsSync(folder);
  return readdirSync(folder).length > 0;
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
