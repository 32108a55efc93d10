import { randomUUID } from "node:crypto";
import { realpathSync, statSync } from "node:fs";
import type { Connection } from "./connection.ts";

// A copied or restored store must not pass for the one it was copied from: tokens and fences carry the incarnation (DESIGN §6).
// The database remembers the device, inode and path of its file. A new incarnation is made when the inode is another, or
// device and path both are. Detected: a copy beside it or elsewhere, a backup put in its place, a clone of the disk under
// another path. Not detected: bytes written over the same file, and a snapshot of the whole disk rolled back in place.
// A file that was only renamed, or whose disk got another device number, stays what it was.

interface Home {
  readonly device: number;
  readonly inode: number;
  readonly path: string;
}

/** The store's incarnation, made anew where the file is not the one that it was. Call it inside a transaction. */
export function settleIncarnation(db: Connection, path: string): string {
  const home = homeOf(path);
  const known = readMeta(db, "incarnation");
  const before = readMeta(db, "home");
  const same = before !== undefined && sameHome(JSON.parse(before) as Home, home);
  const incarnation = known !== undefined && same ? known : randomUUID();
  writeMeta(db, "incarnation", incarnation);
  writeMeta(db, "home", JSON.stringify(home));
  return incarnation;
}

/** Counts the owner's boots. Call it inside a transaction. */
export function nextBoot(db: Connection): number {
  const boot = Number(readMeta(db, "boot") ?? 0) + 1;
  writeMeta(db, "boot", String(boot));
  return boot;
}

function homeOf(path: string): Home {
  const { dev, ino } = statSync(path);
  return { device: dev, inode: ino, path: realpathSync(path) };
}

function sameHome(before: Home, now: Home): boolean {
  return before.inode === now.inode && (before.device === now.device || before.path === now.path);
}

function readMeta(db: Connection, name: string): string | undefined {
  return db.find<{ value: string }>("SELECT value FROM meta WHERE name = ?", name)?.value;
}

function writeMeta(db: Connection, name: string, value: string): void {
  db.run(
    "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    name,
    value,
  );
}
