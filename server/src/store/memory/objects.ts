import type { Announced, Announcement, LooseObject, ObjectRow } from "../object-verbs.ts";
import type { Memory } from "./memory.ts";
import type { ObjectTable } from "./object-table.ts";

export function announceObjects(memory: Memory, rows: readonly Announcement[]): Announced[] {
  const looseSince = memory.now();
  return rows.map(({ ref, name, bytes }) => {
    const known = memory.objects.standing(ref);
    const stands = known?.looseSince === null;
    if (!stands) memory.objects.put({ ref, name: known?.name ?? name, bytes, looseSince, condemned: false });
    return { ref, name: known?.name ?? name, stands };
  });
}

/** What a transaction has named, and what it names no more. */
export function markObjects(
  { objects }: Memory,
  { named, loosened, now }: { named: readonly string[]; loosened: readonly string[]; now: number },
): void {
  for (const name of named) mark(objects, name, null);
  for (const name of loosened) mark(objects, name, now);
}

function mark(objects: ObjectTable, name: string, looseSince: number | null): void {
  const row = objects.find(name);
  if (row !== undefined && !row.condemned) objects.put({ ...row, looseSince });
}

export function condemnObjects(
  memory: Memory,
  { graceMs, limitRows, dryRun = false }: { graceMs: number; limitRows: number; dryRun?: boolean },
): { objects: LooseObject[]; more: boolean } {
  const due = looseObjects(memory, memory.now() - graceMs);
  const shown = due.slice(0, limitRows);
  if (!dryRun)
    for (const row of shown.filter(({ condemned }) => !condemned))
      memory.objects.put({ ...row, condemned: true, looseSince: 0 });
  return { objects: shown.map(({ name, bytes }) => ({ name, bytes })), more: due.length > shown.length };
}

/** Looks at all of them, since a run that is pruned says nothing of what it named. */
function looseObjects(memory: Memory, before: number): ObjectRow[] {
  const due: ObjectRow[] = [];
  const { objects, state } = memory;
  const named = state.objectNames();
  for (const row of [...objects.values()]) {
    if (named.has(row.name)) continue;
    const looseSince = row.looseSince ?? memory.now();
    if (row.looseSince === null) objects.put({ ...row, looseSince });
    if (looseSince <= before) due.push({ ...row, looseSince });
  }
  return due.sort((one, other) => (one.looseSince ?? 0) - (other.looseSince ?? 0) || (one.name < other.name ? -1 : 1));
}

export function forgetObjects({ objects }: Memory, names: readonly string[]): void {
  for (const name of names) if (objects.find(name)?.condemned === true) objects.delete(name);
}

export function knownObjects({ objects }: Memory, names: readonly string[]): string[] {
  return names.filter((name) => objects.find(name) !== undefined);
}
