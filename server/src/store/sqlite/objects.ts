import type { Announced, Announcement, LooseObject } from "../object-verbs.ts";
import type { Connection } from "./connection.ts";
import { listText } from "./connection.ts";
import type { Turn } from "./turn.ts";

// Objects of state backends (store/object-verbs.ts has the rules). One turn is one transaction, so that nobody else is in between.

export function announceObjects({ db, now }: Turn, { rows }: { rows: readonly Announcement[] }): Announced[] {
  return rows.map(({ ref, name, bytes }) => {
    const known = db.find<{ name: string; looseSince: number | null }>(
      "SELECT name, loose_since AS looseSince FROM state_objects WHERE ref = ? AND condemned = 0",
      ref,
    );
    if (known === undefined) {
      db.run("INSERT INTO state_objects (name, ref, bytes, loose_since) VALUES (?, ?, ?, ?)", name, ref, bytes, now);
      return { ref, name, stands: false };
    }
    const stands = known.looseSince === null;
    if (!stands) db.run("UPDATE state_objects SET loose_since = ? WHERE name = ?", now, known.name);
    return { ref, name: known.name, stands };
  });
}

/** Of these names, those that are announced and not condemned. */
export function announcedNames(db: Connection, names: readonly string[]): string[] {
  return names.filter(
    (name) => db.find("SELECT name FROM state_objects WHERE name = ? AND condemned = 0", name) !== undefined,
  );
}

/** What a transaction has named, and what is named no more. */
export function markObjects(
  db: Connection,
  { named, loosened, now }: { named: readonly string[]; loosened: readonly string[]; now: number },
): void {
  const mark = "UPDATE state_objects SET loose_since = ? WHERE name = ? AND condemned = 0";
  for (const name of named) db.run(mark, null, name);
  for (const name of loosened) db.run(mark, now, name);
}

export function condemnObjects(
  { db, now }: Turn,
  { graceMs, limitRows, dryRun = false }: { graceMs: number; limitRows: number; dryRun?: boolean },
): { objects: LooseObject[]; more: boolean } {
  const found = db.list<LooseObject & { readonly named: number }>(
    `SELECT o.name, o.bytes,
       EXISTS (SELECT 1 FROM "values" v INDEXED BY values_object WHERE v.object = o.name AND v.object IS NOT NULL) AS named
     FROM state_objects o INDEXED BY state_objects_loose
     WHERE o.loose_since IS NOT NULL AND o.loose_since <= ? ORDER BY o.loose_since, o.name LIMIT ?`,
    now - graceMs,
    limitRows + 1,
  );
  const due = found.slice(0, limitRows);
  const objects = due.flatMap(({ name, bytes, named }) => (named === 1 ? [] : { name, bytes }));
  if (!dryRun) {
    for (const { name, named } of due) {
      if (named === 1) db.run("UPDATE state_objects SET loose_since = NULL WHERE name = ?", name);
      else db.run("UPDATE state_objects SET condemned = 1, loose_since = 0 WHERE name = ?", name);
    }
  }
  return { objects, more: found.length > due.length };
}

export function forgetObjects({ db }: Turn, { names }: { names: readonly string[] }): undefined {
  db.run("DELETE FROM state_objects WHERE condemned = 1 AND name IN (SELECT value FROM json_each(?))", listText(names));
}

export function knownObjects({ db }: Turn, { names }: { names: readonly string[] }): string[] {
  return names.filter((name) => db.find("SELECT name FROM state_objects WHERE name = ?", name) !== undefined);
}
