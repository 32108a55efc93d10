import type { ScheduleRow } from "../../core/index.ts";
import type { Change, Note } from "./changes.ts";

/** Schedules of each namespace by their ids. */
export class ScheduleTable {
  readonly #note: Note;
  readonly #namespaces = new Map<string, Map<string, ScheduleRow>>();

  constructor(note?: Note) {
    this.#note = note;
  }

  find(namespace: string, id: string): ScheduleRow | undefined {
    return this.#namespaces.get(namespace)?.get(id);
  }

  put(row: ScheduleRow): void {
    this.#note?.({ is: "schedule", schedule: row });
    const rows = this.#namespaces.get(row.namespace) ?? new Map<string, ScheduleRow>();
    this.#namespaces.set(row.namespace, rows.set(row.id, Object.freeze(row)));
  }

  withdraw(namespace: string, id: string): void {
    this.#note?.({ is: "scheduleWithdrawn", namespace, id });
    this.#namespaces.get(namespace)?.delete(id);
  }

  /** In the order of their ids. */
  list(namespace: string): ScheduleRow[] {
    const rows = [...(this.#namespaces.get(namespace)?.values() ?? [])];
    return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Everything that is here now. */
  content(): Change[] {
    const all = [...this.#namespaces.values()].flatMap((rows) => [...rows.values()]);
    return all.map((schedule) => ({ is: "schedule", schedule }));
  }
}
