import type { Announced, Announcement, LooseObject } from "../object-verbs.ts";
import { numberArray, textArray } from "./arrays.ts";
import type { Runner, Work } from "./session.ts";

// Objects of state backends (store/object-verbs.ts has the rules). Who names one locks its row after those of runs and scopes; who condemns
// one takes only rows that nobody holds, so that neither waits for the other in a circle.

/** See `Store.announceObjects`. */
export async function announceObjects(db: Runner, rows: readonly Announcement[]): Promise<Announced[]> {
  if (rows.length === 0) return [];
  const found = await db.run<Announced>("announceObjects", announceText, [
    textArray(rows.map(({ ref }) => ref)),
    textArray(rows.map(({ name }) => name)),
    numberArray(rows.map(({ bytes }) => bytes)),
  ]);
  const byRef = new Map(found.map((row) => [row.ref, row]));
  return rows.flatMap(({ ref }) => byRef.get(ref) ?? []);
}

const announceText = `
  insert into holdfast.state_objects as o (name, ref, bytes, loose_since)
  select distinct on (n.ref) n.name, n.ref, n.bytes, holdfast.clock_ms()
  from unnest($1::text[], $2::text[], $3::int[]) n(ref, name, bytes) order by n.ref
  on conflict (ref) where not condemned do update
    set loose_since = case when o.loose_since is null then null else excluded.loose_since end
  returning o.ref, o.name, o.loose_since is null as stands`;

/** Locks the rows of announced objects, in the order of their names; answers those that are not condemned. */
export async function lockObjects(db: Runner, names: readonly string[]): Promise<string[]> {
  const rows = await db.run<{ name: string }>("lockObjects", lockText, [textArray(names)]);
  return rows.map(({ name }) => name);
}

const lockText = `
  select o.name from holdfast.state_objects o
  where o.name in (select unnest($1::text[])) and not o.condemned order by o.name for update of o`;

/** Marks what a transaction has named, and what it names no more. */
export function markObjects(
  db: Runner,
  { named, loosened }: { named: readonly string[]; loosened: readonly string[] },
): Promise<unknown> {
  return db.run("markObjects", markText, [textArray(named), textArray(loosened)]);
}

const markText = `
  update holdfast.state_objects o set loose_since = n.loose_since
  from (
    select unnest($1::text[]) as name, null::bigint as loose_since
    union all select unnest($2::text[]), holdfast.clock_ms()
  ) n
  where o.name = n.name and not o.condemned`;

interface Candidate extends LooseObject {
  readonly condemned: boolean;
}

/** See `Store.condemnObjects`. */
export async function condemnObjects(
  db: Work,
  { graceMs, limitRows, dryRun = false }: { graceMs: number; limitRows: number; dryRun?: boolean },
): Promise<{ objects: LooseObject[]; more: boolean }> {
  return db.transaction(async (transaction) => {
    const due = await transaction.run<Candidate>("lockLooseObjects", lockLooseText, [graceMs, limitRows]);
    const names = textArray(due.map(({ name }) => name));
    // This statement begins once the rows are held: it sees what everybody has named who held them before.
    const named = due.length === 0 ? [] : await transaction.run<{ name: string }>("findNamed", findNamedText, [names]);
    const kept = new Set(named.map(({ name }) => name));
    const doomed = due.filter(({ name }) => !kept.has(name));
    if (!dryRun && due.length > 0) {
      const fresh = doomed.filter(({ condemned }) => !condemned).map(({ name }) => name);
      await transaction.run("condemnObjects", condemnText, [textArray(fresh), textArray(kept)]);
    }
    const objects = doomed.map(({ name, bytes }) => ({ name, bytes }));
    return { objects, more: due.length === limitRows };
  });
}

const lockLooseText = `
  select o.name, o.bytes, o.condemned from holdfast.state_objects o
  where o.loose_since is not null and o.loose_since <= (select holdfast.clock_ms()) - $1::bigint
  order by o.loose_since, o.name limit $2 for update of o skip locked`;

const findNamedText = `
  select distinct v.object as name from unnest($1::text[]) n(name) join holdfast.values v on v.object = n.name and v.object is not null`;

const condemnText = `
  update holdfast.state_objects o set condemned = n.is_doomed, loose_since = case when n.is_doomed then 0 end
  from (select unnest($1::text[]) as name, true as is_doomed union all select unnest($2::text[]), false) n
  where o.name = n.name and not o.condemned`;

/** See `Store.forgetObjects`. */
export function forgetObjects(db: Runner, names: readonly string[]): Promise<unknown> {
  return db.run("forgetObjects", forgetText, [textArray(names)]);
}

const forgetText = `
  delete from holdfast.state_objects o using unnest($1::text[]) n(name) where o.name = n.name and o.condemned`;

/** See `Store.knownObjects`. */
export async function knownObjects(db: Runner, names: readonly string[]): Promise<string[]> {
  const rows = await db.run<{ name: string }>("knownObjects", knownText, [textArray(names)]);
  return rows.map(({ name }) => name);
}

const knownText = `
  select o.name from unnest($1::text[]) n(name) join holdfast.state_objects o on o.name = n.name`;
