import { AppError, canonicalText, type DefinitionSpec, type Json, limits } from "@holdfast/protocol";
import type { Limit } from "../core/index.ts";
import { evaluateBinding, type Scope } from "./bindings.ts";

// Limits by key: a definition's number of slots for each value that its key has among the inputs of its runs. The key is read
// off the input as it is kept, by a binding that sees nothing else, so that every node reads the same.

/** Whose key it is, and how it is read. */
export type Keyed = Pick<DefinitionSpec, "id" | "concurrencyKey">;

/** The key of a run with this input; undefined where it has none. Throws `invalid_input` for what is none. May take long. */
export function evaluateKey(spec: Keyed, input: Json): string | undefined {
  const { concurrencyKey } = spec;
  if (concurrencyKey === undefined) return undefined;
  return keyText(evaluateBinding(concurrencyKey, keyScope(input), keyPlace(spec)), spec);
}

/** The limit of a definition's runs with this key; undefined where they have none. */
export function keyLimit(namespace: string, spec: DefinitionSpec, key: string | undefined): Limit | undefined {
  if (key === undefined) return undefined;
  return { id: `${keyPrefix(namespace, spec.id)}${key}`, slots: spec.concurrency ?? 1, hold: "run" };
}

/** What the ids of a definition's limits by key begin with: no id of a definition has a colon. */
export function keyPrefix(namespace: string, definition: string): string {
  return `${namespace}/key/${definition}:`;
}

/** What the binding of a key sees. */
export function keyScope(input: Json): Scope {
  return { params: input, outputs: new Map<string, Json>() };
}

/** What it is called in messages. */
export function keyPlace({ id }: Keyed): string {
  return `"${id}"'s concurrency key`;
}

/** The key that a value says; undefined for null. Throws `invalid_input`. */
export function keyText(value: Json, { id }: Keyed): string | undefined {
  if (value === null) return undefined;
  const text = typeof value === "string" || typeof value === "number" ? String(value) : undefined;
  if (text !== undefined && text.length <= limits.keyCharacters) return text;
  const shown = canonicalText(value);
  const is = shown.length > 80 ? `${shown.slice(0, 77)}…` : shown;
  throw new AppError("invalid_input", `The concurrency key of "${id}" is ${is} for this input.`, {
    hint: `A key is a text or a number, of at most ${limits.keyCharacters} characters; null asks for no limit.`,
  });
}
