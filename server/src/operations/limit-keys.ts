import { AppError, type Binding, canonicalText, type DefinitionSpec, type Json, limits } from "@holdfast/protocol";
import { defaultAgeingMs, isFairLine, type Limit } from "../core/index.ts";
import { evaluateBinding, type Scope } from "./bindings.ts";

// Limits by key: what a definition says of the runs that have the same value of its key in their input. The key is read
// off the input as it is kept, by a binding that sees nothing else, so that every node reads the same.

/** Whose keys they are, and how they are read. */
export type Keyed = Pick<DefinitionSpec, "id" | "concurrencyKey" | "rate" | "fair">;

/** What an input says: the keys of its concurrency, its rate and its fair line; absent where it has none. */
export interface LimitKeys {
  readonly concurrency?: string;
  readonly rate?: string;
  readonly fair?: string;
}

/** A key that is to be read. `place` names it in messages. */
export interface KeyReading {
  readonly name: keyof LimitKeys;
  readonly binding: Binding;
  readonly place: string;
}

/** The keys that a definition has. */
export function keyReadings({ id, concurrencyKey, rate, fair }: Keyed): KeyReading[] {
  const found: KeyReading[] = [];
  if (concurrencyKey !== undefined)
    found.push({ name: "concurrency", binding: concurrencyKey, place: `concurrency key of "${id}"` });
  if (rate?.key !== undefined) found.push({ name: "rate", binding: rate.key, place: `rate's key of "${id}"` });
  if (fair !== undefined) found.push({ name: "fair", binding: fair, place: `fair key of "${id}"` });
  return found;
}

/** The keys of a run with this input. Throws `invalid_input` for what is no text or number. May take long. */
export function evaluateKeys(spec: Keyed, input: Json): LimitKeys {
  const found = keyReadings(spec).map((reading) => {
    return keyOf(reading, evaluateBinding(reading.binding, keyScope(input), reading.place));
  });
  return Object.assign({}, ...found) as LimitKeys;
}

/** What the binding of a key sees. */
export function keyScope(input: Json): Scope {
  return { params: input, outputs: new Map<string, Json>() };
}

/** The key that a value says; none for null. Throws `invalid_input`. */
export function keyOf({ name, place }: KeyReading, value: Json): LimitKeys {
  if (value === null) return {};
  const text = typeof value === "string" || typeof value === "number" ? String(value) : undefined;
  if (text !== undefined && text.length <= limits.keyCharacters) return { [name]: text };
  const shown = canonicalText(value);
  const is = shown.length > 80 ? `${shown.slice(0, 77)}…` : shown;
  throw new AppError("invalid_input", `The ${place} is ${is} for this input.`, {
    hint: `A key is a text or a number, of at most ${limits.keyCharacters} characters; null asks for no limit.`,
  });
}

/** The limits that these keys bring a run. */
export function limitsByKey(
  { namespace, ageingMs = defaultAgeingMs }: { readonly namespace: string; readonly ageingMs?: number },
  spec: DefinitionSpec,
  keys: LimitKeys,
): Limit[] {
  const { id, concurrency = 1, rate } = spec;
  const found: Limit[] = [];
  if (keys.concurrency !== undefined)
    found.push({ id: `${namespace}/key/${id}:${keys.concurrency}`, slots: concurrency, hold: "run" });
  if (keys.rate !== undefined && rate !== undefined)
    found.push({
      id: `${namespace}/rate/${id}:${keys.rate}`,
      slots: rate.limit,
      perMs: rate.perMs,
      hold: startsOf(spec),
    });
  if (keys.fair !== undefined) {
    const line = { id: `${namespace}/fair/${id}:${keys.fair}`, slots: limits.fairRuns, perMs: 0, ageingMs };
    found.push({ ...line, hold: startsOf(spec) });
  }
  return found;
}

/** Whether the limit is one that an input of this definition brings, now or in an earlier manifest: no definition's id has a colon. */
export function isByKey({ id }: Limit, namespace: string, definition: string): boolean {
  return ["key", "rate", "fair"].some((kind) => id.startsWith(`${namespace}/${kind}/${definition}:`));
}

/**
 * The limits of one run in the order in which it asks for slots. Keys take turns at all that runs of the definition share: the fair
 * line stands before it, and behind what comes from above alone, a map or a schedule, whose runs would else hold up others of their
 * key. What takes a turn is each start; but where something is held until a run ends, its first: runs that hold it would else wait
 * for some that wait for it.
 */
export function inOrder(limits: readonly Limit[]): Limit[] {
  const line = limits.find(isFairLine);
  if (line === undefined) return [...limits];
  const isBefore = ({ id }: Limit) => /^[^/]*\/(map|schedule)\//.test(id);
  const others = limits.filter((limit) => limit !== line);
  const isHeld = others.some(({ hold, perMs }) => hold === "run" && perMs === undefined);
  const turn: Limit = isHeld ? { ...line, hold: "run" } : line;
  return [...others.filter(isBefore), turn, ...others.filter((limit) => !isBefore(limit))];
}

/**
 * What is left of a definition's limits by key below runs that hold these slots until they end: a run counts among what those above
 * it hold, and one below a run of its own definition takes no turn, since those before it may wait for that.
 */
export function leftBelow(held: ReadonlySet<string>, own: readonly Limit[], definition: string): Limit[] {
  const [byKey, ofAll] = [`/key/${definition}:`, `/definition/${definition}`];
  const isBelowOwn = [...held].some((id) => id.includes(byKey) || id.endsWith(ofAll));
  return own.filter((limit) => !held.has(limit.id) && !(isBelowOwn && isFairLine(limit)));
}

/** Whether each activation of a definition's runs is a start. A workflow's later ones put nothing to work. */
export function startsOf({ kind }: Pick<DefinitionSpec, "kind">): Limit["hold"] {
  return kind === "task" ? "activation" : "run";
}
