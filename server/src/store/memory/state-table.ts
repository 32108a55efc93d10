import {
  afterPrefix,
  compareKeys,
  isExpired,
  placeName,
  type StatePlace,
  type StateRow,
  type StateUse,
  unused,
} from "../../core/index.ts";
import type { Change, Note } from "./changes.ts";

interface Scope {
  use: StateUse;
  readonly rows: Map<string, StateRow>;
}

/** State, by scope. */
export class StateTable {
  readonly #note: Note;
  readonly #scopes = new Map<string, Scope>();
  /** Names of the scopes of runs. */
  readonly #byRun = new Map<string, Set<string>>();
  /** Rows that expire at some moment. */
  readonly #expiring = new Map<string, Set<string>>();

  constructor(note?: Note) {
    this.#note = note;
  }

  find(place: StatePlace, key: string): StateRow | undefined {
    return this.#scopes.get(placeName(place))?.rows.get(key);
  }

  /** What a scope holds; of one that is new, what its run's earlier generations leave it. */
  use(place: StatePlace): StateUse {
    const known = this.#scopes.get(placeName(place))?.use;
    if (known !== undefined) return known;
    const earlier = place.kind === "run" ? [...(this.#byRun.get(place.id) ?? [])] : [];
    const lasts = earlier.flatMap((name) => {
      const use = this.#scopes.get(name)?.use;
      return use !== undefined && use.place.generation < place.generation ? use.last : [];
    });
    return unused(place, Math.max(0, ...lasts));
  }

  /** Rows whose keys begin so and come after `after`, in the order of keys. */
  under(place: StatePlace, prefix = "", after?: string): StateRow[] {
    const end = afterPrefix(prefix);
    return [...(this.#scopes.get(placeName(place))?.rows.values() ?? [])]
      .filter(({ key }) => compareKeys(key, prefix) >= 0 && compareKeys(key, end) < 0)
      .filter(({ key }) => after === undefined || compareKeys(key, after) > 0)
      .sort((one, other) => compareKeys(one.key, other.key));
  }

  /** What has expired, the longest expired first. */
  expired(now: number): StateRow[] {
    const rows = [...this.#expiring].flatMap(([name, keys]) =>
      [...keys].flatMap((key) => this.#scopes.get(name)?.rows.get(key) ?? []),
    );
    return rows
      .filter((row) => isExpired(row, now))
      .sort((one, other) => (one.expiresAt ?? 0) - (other.expiresAt ?? 0) || compareRows(one, other));
  }

  /** Of all objects that values name. */
  objectNames(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { rows } of this.#scopes.values())
      for (const { object } of rows.values()) if (object !== undefined) names.add(object.name);
    return names;
  }

  put(row: StateRow): void {
    this.#note?.({ is: "state", row });
    const name = placeName(row.place);
    this.#of(row.place).rows.set(row.key, row);
    if (row.expiresAt === null) this.#forgetExpiry(name, row.key);
    else this.#expiring.set(name, (this.#expiring.get(name) ?? new Set<string>()).add(row.key));
  }

  delete(place: StatePlace, key: string): void {
    this.#note?.({ is: "stateDeleted", place, key });
    this.#scopes.get(placeName(place))?.rows.delete(key);
    this.#forgetExpiry(placeName(place), key);
  }

  setUse(use: StateUse): void {
    this.#note?.({ is: "stateUse", use });
    this.#of(use.place).use = use;
  }

  forgetRuns(ids: readonly string[]): void {
    for (const id of ids) {
      for (const name of this.#byRun.get(id) ?? []) {
        this.#scopes.delete(name);
        this.#expiring.delete(name);
      }
      this.#byRun.delete(id);
    }
  }

  /** Everything that is here now. */
  content(): Change[] {
    return [...this.#scopes.values()].flatMap(({ use, rows }): Change[] => [
      { is: "stateUse", use },
      ...[...rows.values()].map((row): Change => ({ is: "state", row })),
    ]);
  }

  #of(place: StatePlace): Scope {
    const name = placeName(place);
    const scope = this.#scopes.get(name) ?? { use: this.use(place), rows: new Map<string, StateRow>() };
    this.#scopes.set(name, scope);
    if (place.kind === "run") this.#byRun.set(place.id, (this.#byRun.get(place.id) ?? new Set<string>()).add(name));
    return scope;
  }

  #forgetExpiry(name: string, key: string): void {
    const keys = this.#expiring.get(name);
    if (keys?.delete(key) === true && keys.size === 0) this.#expiring.delete(name);
  }
}

function compareRows(one: StateRow, other: StateRow): number {
  const places = compareKeys(one.place.kind, other.place.kind) || compareKeys(one.place.id, other.place.id);
  return places || one.place.generation - other.place.generation || compareKeys(one.key, other.key);
}
