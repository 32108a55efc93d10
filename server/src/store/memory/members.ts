import type { MemberRow } from "../store.ts";
import type { Note } from "./changes.ts";

/** Members, those that have ended too, in the order of joining. */
export class MemberTable {
  readonly #note: Note;
  readonly #rows = new Map<string, MemberRow>();

  constructor(note?: Note) {
    this.#note = note;
  }

  get(id: string): MemberRow | undefined {
    return this.#rows.get(id);
  }

  set(id: string, row: MemberRow): void {
    this.#note?.({ is: "member", member: row });
    this.#rows.set(id, Object.freeze(row));
  }

  delete(id: string): void {
    this.#note?.({ is: "memberForgotten", id });
    this.#rows.delete(id);
  }

  values(): Iterable<MemberRow> {
    return this.#rows.values();
  }
}
