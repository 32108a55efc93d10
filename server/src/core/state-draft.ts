import type { StatePlace, StateRow, StateUse } from "./state-rows.ts";
import { placeName, rowName, usedLess } from "./state-rows.ts";

interface DraftRow {
  readonly place: StatePlace;
  readonly key: string;
  /** Undefined: it is gone. */
  readonly row: StateRow | undefined;
}

/** What a transaction has done so far (V1). */
export class StateDraft {
  readonly uses = new Map<string, StateUse>();
  readonly rows = new Map<string, DraftRow>();
  readonly #useOf: (place: StatePlace) => StateUse;
  readonly #rowsOf: (place: StatePlace) => ReadonlyMap<string, StateRow>;

  constructor(useOf: (place: StatePlace) => StateUse, rowsOf: (place: StatePlace) => ReadonlyMap<string, StateRow>) {
    this.#useOf = useOf;
    this.#rowsOf = rowsOf;
  }

  use(place: StatePlace): StateUse {
    return this.uses.get(placeName(place)) ?? this.#useOf(place);
  }

  row(place: StatePlace, key: string): StateRow | undefined {
    const drafted = this.rows.get(rowName({ place, key }));
    return drafted === undefined ? this.#rowsOf(place).get(key) : drafted.row;
  }

  /** All rows of a scope whose keys begin so. */
  under(place: StatePlace, prefix: string): StateRow[] {
    const scope = placeName(place);
    const keys = new Set(this.#rowsOf(place).keys());
    for (const drafted of this.rows.values()) if (placeName(drafted.place) === scope) keys.add(drafted.key);
    return [...keys].filter((key) => key.startsWith(prefix)).flatMap((key) => this.row(place, key) ?? []);
  }

  put(row: StateRow, before: StateRow | undefined): void {
    const use = this.use(row.place);
    this.uses.set(placeName(row.place), {
      ...use,
      keys: use.keys + (before === undefined ? 1 : 0),
      bytes: use.bytes + row.bytes - (before?.bytes ?? 0),
      objectBytes: use.objectBytes + (row.object?.bytes ?? 0) - (before?.object?.bytes ?? 0),
      last: Math.max(use.last, row.version),
    });
    this.rows.set(rowName(row), { place: row.place, key: row.key, row });
  }

  delete(row: StateRow): void {
    const { place, key } = row;
    const use = this.use(place);
    const less = usedLess(use, row);
    this.uses.set(placeName(place), less);
    this.rows.set(rowName({ place, key }), { place, key, row: undefined });
  }
}
