import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { ensureStateFolder, type Settings } from "../config.ts";

/** The store's address, a relative path of a SQLite file taken from the root. Makes `.holdfast/` where the file lies in it. */
export function absoluteStore({ store, root }: Settings): string {
  const path = sqlitePath(store);
  if (path === undefined) return store;
  const file = resolve(root, path);
  if (file.startsWith(resolve(root, ".holdfast"))) ensureStateFolder(root);
  return `sqlite:${file}`;
}

/** The path of a store in a file that has not been made yet; undefined for every other. */
export function missingStore({ store, root }: Settings): string | undefined {
  const path = sqlitePath(store);
  return path === undefined || existsSync(resolve(root, path)) ? undefined : path;
}

/** The store's address without its password, for people to read. */
export function shownStore(address: string): string {
  const url = sqlitePath(address) === undefined ? URL.parse(address) : null;
  if (url === null || url.password === "") return address;
  url.password = "***";
  return url.href;
}

function sqlitePath(address: string): string | undefined {
  return address.startsWith("sqlite:") ? address.slice("sqlite:".length) : undefined;
}
