import { type Json, limits, nameHint, textDefect } from "@holdfast/protocol";
import { describeIssues, isStandardSchema, type StandardIssue, type StandardSchema } from "./standard-schema.ts";
import type { StateDeclaration, VersionedState } from "./state.ts";
import { storedValue } from "./stored-value.ts";

/** What one scope's keys and values have to be. */
export class StateSchema {
  /** How messages name the scope: `ctx.state`. */
  readonly #what: string;
  readonly #schema: StandardSchema | undefined;
  /** Undefined where none was declared. */
  readonly versioned: VersionedState | undefined;

  constructor(what: string, declaration: StateDeclaration | undefined) {
    this.#what = what;
    this.versioned = declaration === undefined || isStandardSchema(declaration) ? undefined : declaration;
    this.#schema = this.versioned?.schema ?? (declaration as StandardSchema | undefined);
  }

  /** Throws TypeError for what is no key, or none of the schema's. */
  key(key: unknown): string {
    if (typeof key !== "string" || key === "" || key.length > limits.keyCharacters) {
      throw new TypeError(`A key of ${this.#what} is a text of 1 to ${limits.keyCharacters} characters.`);
    }
    const defect = textDefect(key);
    if (defect !== undefined) throw new TypeError(`A key of ${this.#what} has a ${defect}, which cannot be stored.`);
    if (key.startsWith("holdfast.")) {
      throw new TypeError(
        `${JSON.stringify(key)}: keys of ${this.#what} that begin with "holdfast." are the SDK's own.`,
      );
    }
    const names = this.#names();
    if (names !== undefined && !names.includes(key)) {
      throw new TypeError(`The schema of ${this.#what} has no "${key}". ${nameHint(key, names)}`);
    }
    return key;
  }

  /** What is kept of a value: what the schema makes of it, as JSON says it. Throws TypeError. */
  value(key: string, value: unknown): Json {
    const what = `The value of ${this.#what} at ${JSON.stringify(key)}`;
    if (value === undefined)
      throw new TypeError(`${what} is undefined, which JSON cannot keep: delete the key, or set null.`);
    return storedValue(this.#made(key, value, what), what);
  }

  #made(key: string, value: unknown, what: string): unknown {
    if (this.#schema === undefined) return value;
    const own = this.#member(key);
    // A schema of another library says nothing of its parts: of the whole, what it says of this key counts.
    const answer =
      own === undefined ? this.#schema["~standard"].validate({ [key]: value }) : own["~standard"].validate(value);
    if (answer instanceof Promise) throw new TypeError(`The schema of ${this.#what} answers later; it has to at once.`);
    if (answer.issues === undefined) return own === undefined ? memberOf(answer.value, key, value) : answer.value;
    const issues = own === undefined ? answer.issues.filter((issue) => firstStep(issue) === key) : answer.issues;
    if (issues.length === 0) return value;
    throw new TypeError(`${what} does not fit: ${describeIssues(own === undefined ? issues.map(below) : issues)}`);
  }

  #member(key: string): StandardSchema | undefined {
    const member = shapeOf(this.#schema)?.[key];
    return isStandardSchema(member) ? member : undefined;
  }

  /** The keys that there may be; undefined: any. */
  #names(): readonly string[] | undefined {
    return isClosed(this.#schema) ? Object.keys(shapeOf(this.#schema) ?? {}) : undefined;
  }
}

/** Whether a schema knows all the keys that there may be. */
export function isClosed(schema: unknown): boolean {
  return shapeOf(schema) !== undefined && !isOpen(schema);
}

/** The properties of an object schema of zod. */
function shapeOf(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  const shape = typeof schema === "object" && schema !== null && "shape" in schema ? schema.shape : undefined;
  return typeof shape === "object" && shape !== null ? (shape as Readonly<Record<string, unknown>>) : undefined;
}

/** Whether an object schema of zod takes other properties as well (`z.looseObject`, `.catchall`). */
function isOpen(schema: unknown): boolean {
  const def = typeof schema === "object" && schema !== null && "def" in schema ? schema.def : undefined;
  const rest = typeof def === "object" && def !== null && "catchall" in def ? def.catchall : undefined;
  if (typeof rest !== "object" || rest === null) return false;
  return !("def" in rest) || typeof rest.def !== "object" || (rest.def as { type?: unknown }).type !== "never";
}

function firstStep({ path = [] }: StandardIssue): PropertyKey | undefined {
  const [first] = path;
  return typeof first === "object" ? first.key : first;
}

function below({ message, path = [] }: StandardIssue): StandardIssue {
  return { message, path: path.slice(1) };
}

function memberOf(made: unknown, key: string, value: unknown): unknown {
  return typeof made === "object" && made !== null && key in made
    ? (made as Readonly<Record<string, unknown>>)[key]
    : value;
}
