import type { ObjectRow } from "../object-verbs.ts";
import type { Change, Note } from "./changes.ts";

/** Objects of state backends, by name. */
export class ObjectTable {
  readonly #note: Note;
  readonly #rows = new Map<string, ObjectRow>();
  /** Names of those that stand for a ref: announced, not condemned. */
  readonly #byRef = new Map<string, string>();

  constructor(note?: Note) {
    this.#note = note;
  }

  find(name: string): ObjectRow | undefined {
    return this.#rows.get(name);
  }

  standing(ref: string): ObjectRow | undefined {
    return this.#rows.get(this.#byRef.get(ref) ?? "");
  }

  values(): Iterable<ObjectRow> {
    return this.#rows.values();
  }

  put(object: ObjectRow): void {
    this.#note?.({ is: "object", object });
    this.#rows.set(object.name, object);
    if (!object.condemned) this.#byRef.set(object.ref, object.name);
    else if (this.#byRef.get(object.ref) === object.name) this.#byRef.delete(object.ref);
  }

  delete(name: string): void {
    this.#note?.({ is: "objectForgotten", name });
    const row = this.#rows.get(name);
    this.#rows.delete(name);
    if (row !== undefined && this.#byRef.get(row.ref) === name) this.#byRef.delete(row.ref);
  }

  /** Everything that is here now. */
  content(): Change[] {
    return [...this.#rows.values()].map((object): Change => ({ is: "object", object }));
  }
}
