import type { Json, StateOp, StateScope, StateTarget } from "@holdfast/protocol";
import { compareKeys } from "../core/index.ts";

/** Reads what stands under a key; undefined: nothing. */
export type ReadValue = (scope: StateTarget, key: string) => Promise<Json | undefined>;

type KeyedOp = Exclude<StateOp, { op: "emit" | "advance" | "clear" }>;

/**
 * What changes will leave under their keys, told before they are made: each sees what those before it have done. Who writes at the same
 * moment is not foreseen.
 */
export class StateForecast {
  readonly #read: ReadValue;
  /** By scope, then by key; undefined: there will be none. */
  readonly #made = new Map<string, Map<string, Json | undefined>>();
  /** By scope: how keys begin that were cleared. */
  readonly #cleared = new Map<string, string[]>();

  constructor(read: ReadValue) {
    this.#read = read;
  }

  /** The value that the op brings to its scope; undefined where it brings none, or where the store will refuse it for what stands there. */
  async after(op: KeyedOp, scope: StateTarget): Promise<Json | undefined> {
    const made = this.#madeIn(nameOf(op.scope));
    if (op.op === "set" || op.op === "delete") {
      const value = op.op === "set" ? op.value : undefined;
      made.set(op.key, value);
      return value;
    }
    const before = made.has(op.key) ? made.get(op.key) : await this.#stored(scope, op.key);
    if (op.op === "setIfMax") {
      made.set(op.key, before === undefined || isGreater(op.value, before) ? op.value : before);
      return op.value;
    }
    const value = op.op === "increment" ? sum(before ?? 0, op.by) : longer(before ?? [], op.value);
    made.set(op.key, value ?? before);
    return value;
  }

  /** Values whose keys begin so will be gone. */
  clear({ scope, prefix = "" }: Extract<StateOp, { op: "clear" }>): void {
    const made = this.#madeIn(nameOf(scope));
    for (const key of made.keys()) if (key.startsWith(prefix)) made.set(key, undefined);
    this.#cleared.set(nameOf(scope), [...(this.#cleared.get(nameOf(scope)) ?? []), prefix]);
  }

  #madeIn(scope: string): Map<string, Json | undefined> {
    const made = this.#made.get(scope) ?? new Map<string, Json | undefined>();
    this.#made.set(scope, made);
    return made;
  }

  #stored(scope: StateTarget, key: string): Promise<Json | undefined> {
    const isCleared = this.#cleared.get(nameOf(scope))?.some((prefix) => key.startsWith(prefix)) === true;
    return isCleared ? Promise.resolve(undefined) : this.#read(scope, key);
  }
}

function sum(before: Json, by: number): number | undefined {
  return typeof before === "number" ? before + by : undefined;
}

function longer(before: Json, item: Json): Json | undefined {
  return Array.isArray(before) ? [...before, item] : undefined;
}

function isGreater(value: number | string, before: Json): boolean {
  if (typeof value === "string") return typeof before === "string" && compareKeys(value, before) > 0;
  return typeof before === "number" && value > before;
}

function nameOf({ kind, id }: StateScope): string {
  return `${kind} ${id}`;
}
