import type { Reference } from "@holdfast/protocol";

const referenceMark = Symbol.for("holdfast.reference");
declare const standsFor: unique symbol;

/** Names a value that will exist when the workflow runs. Step into it like into the value; do not compute with it. */
export interface Placeholder<T> {
  readonly [standsFor]: T;
}

type IsAny<T> = 0 extends 1 & T ? true : false;
type Fields<T> =
  IsAny<T> extends true
    ? { readonly [key: string]: Ref<T> }
    : T extends string | number | boolean | null | undefined
      ? unknown
      : T extends readonly (infer E)[]
        ? { readonly [index: number]: Ref<E> }
        : T extends object
          ? { readonly [K in keyof T]-?: Ref<undefined extends T[K] ? Exclude<T[K], undefined> | null : T[K]> }
          : unknown;

/** A reference to a value of type T. Fields that may be missing are null. */
export type Ref<T> = Placeholder<T> & Fields<NonNullable<T>>;

/** Which builder made a reference; references of another builder, or of a map's item outside its map, are mistakes. */
export interface ReferenceOwner {
  /** The workflow it was made in. */
  readonly workflow: string;
  /** One builder's run; two runs of the same builder are two graphs. */
  readonly graph: object;
  /** The map whose item it is, if it is one. */
  readonly map?: string;
}

export interface ReferenceData {
  readonly reference: Reference;
  readonly owner: ReferenceOwner;
  /** As a person would write it: `extract.output.files[0]`. */
  readonly text: string;
}

/** Thrown when a reference is used as if it were the value. */
export class ReferenceMisuse extends Error {
  override readonly name = "ReferenceMisuse";
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** What a reference stands for, or undefined when the value is none. */
export function referenceData(value: unknown): ReferenceData | undefined {
  if (typeof value !== "function") return undefined;
  return (value as unknown as Record<symbol, ReferenceData | undefined>)[referenceMark];
}

/** A placeholder for `reference`. Its fields are placeholders again. */
export function makeReference<T>(data: ReferenceData): Ref<T> {
  return new Proxy(() => undefined, new ReferenceTraps(data)) as unknown as Ref<T>;
}

const celHint =
  "The value exists only when the workflow runs. For an expression over it write a cel template with the reference inside.";

class ReferenceTraps implements ProxyHandler<() => undefined> {
  readonly #data: ReferenceData;

  constructor(data: ReferenceData) {
    this.#data = data;
  }

  get(_target: unknown, property: string | symbol): unknown {
    if (property === referenceMark) return this.#data;
    if (typeof property === "symbol") return this.#symbol(property);
    switch (property) {
      case "then":
        throw this.#misuse("awaited", "References need no await: pass them on as they are.");
      case "toString":
      case "toJSON":
      case "valueOf":
        throw this.#misuse("used as a string or a number", celHint);
      default:
        return this.#step(property);
    }
  }

  apply(): never {
    const { text } = this.#data;
    throw this.#misuse(
      "called",
      `For each item of a list write w.map(${text.replace(/\.\w+$/, "")}, task, …). ${celHint}`,
    );
  }

  construct(): never {
    throw this.#misuse("called with new", celHint);
  }

  has(): never {
    throw this.#misuse(
      'searched with "in"',
      "Write has(…) in a cel template to ask for a field when the workflow runs.",
    );
  }

  ownKeys(): never {
    throw this.#misuse("spread or its keys listed", "Name the fields that you need one by one: { a: reference.a }.");
  }

  set(_target: unknown, property: string | symbol): never {
    throw this.#misuse(`assigned to (${String(property)})`, celHint);
  }

  #symbol(property: symbol): unknown {
    if (property === Symbol.iterator || property === Symbol.asyncIterator) {
      throw this.#misuse("iterated", "For each item of a list write w.map(list, task, { key, with }).");
    }
    if (property === Symbol.toPrimitive) {
      throw this.#misuse("used as a string or compared as a number", celHint);
    }
    return undefined;
  }

  #step(property: string): unknown {
    const { reference, owner, text } = this.#data;
    const index = /^(?:0|[1-9]\d{0,8})$/.test(property);
    const step = index ? Number(property) : property;
    const suffix = index
      ? `[${property}]`
      : /^[A-Za-z_$][\w$]*$/.test(property)
        ? `.${property}`
        : `[${JSON.stringify(property)}]`;
    return makeReference({
      reference: { ...reference, path: [...reference.path, step] },
      owner,
      text: text + suffix,
    });
  }

  #misuse(how: string, hint: string): ReferenceMisuse {
    return new ReferenceMisuse(`The reference ${this.#data.text} was ${how}, but it is only a placeholder.`, hint);
  }
}
