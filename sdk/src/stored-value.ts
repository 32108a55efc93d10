import { type Json, limits, tooDeep } from "@holdfast/protocol";
import { isExternalJob } from "./external/job-mark.ts";
import type { ExternalJob } from "./external/job-shape.ts";

// What JSON keeps of a value, as a copy: the same that a later activation will read from the record. Where
// JSON.stringify would silently lose something (a Map, NaN, a function), this says so and names the path.

/** What stands for an external job that is found at this path. */
export type OnJob = (job: ExternalJob, path: readonly (string | number)[]) => Json;

/**
 * JSON's copy of `value`; undefined becomes null. `onJob`: what to do with external jobs, which cannot be kept as they are. Throws TypeError that begins with `what` and the path in it, and `too_large`
 * for what is nested too deeply.
 */
export function storedValue(value: unknown, what: string, onJob?: OnJob): Json {
  return value === undefined ? null : copy(value, { what, path: [], parents: [], onJob });
}

interface Place {
  readonly what: string;
  readonly path: (string | number)[];
  readonly parents: object[];
  readonly onJob: OnJob | undefined;
}

function copy(value: unknown, place: Place): Json {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return wellFormed(value, place);
  if (typeof value === "number") {
    if (Number.isFinite(value)) return value;
    throw refusal(String(value), place);
  }
  if (typeof value !== "object") throw refusal(nameOf(value), place);
  if (place.parents.includes(value)) throw refusal("a reference to something that contains it", place);
  if (place.parents.length === limits.nestingLevels) throw tooDeep(place.what, limits.nestingLevels);
  place.parents.push(value);
  const copied = copyObject(value, place);
  place.parents.pop();
  return copied;
}

function copyObject(value: object, place: Place): Json {
  if (isExternalJob(value)) {
    if (place.onJob !== undefined) return place.onJob(value, place.path);
    throw refusal("an external job", place);
  }
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return copy(value.toJSON(place.path.at(-1) ?? ""), place);
  }
  if (Array.isArray(value)) {
    return Array.from(value, (item, i) => at(i, place, () => (item === undefined ? null : copy(item, place))));
  }
  if (isUnkeepable(value)) throw refusal(nameOf(value), place);
  const object: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const kept = at(key, place, () => copy(item, place));
    // A key named __proto__ would set the prototype by plain assignment.
    if (key === "__proto__") Object.defineProperty(object, key, { value: kept, enumerable: true });
    else object[wellFormed(key, place)] = kept;
  }
  return object;
}

function at<T>(step: string | number, place: Place, read: () => T): T {
  place.path.push(step);
  const value = read();
  place.path.pop();
  return value;
}

function wellFormed(text: string, place: Place): string {
  if (text.includes("\u0000")) throw refusal("text with a NUL character", place);
  if (!text.isWellFormed()) throw refusal("text with half a surrogate pair", place);
  return text;
}

function isUnkeepable(value: object): boolean {
  return (
    value instanceof Map ||
    value instanceof Set ||
    value instanceof WeakMap ||
    value instanceof WeakSet ||
    value instanceof Promise ||
    value instanceof RegExp ||
    value instanceof Error ||
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value)
  );
}

function nameOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return `a ${typeof value}`;
  const name = value.constructor?.name ?? "object";
  return /^[AEIOU]/.test(name) ? `an ${name}` : `a ${name}`;
}

function refusal(found: string, place: Place): TypeError {
  const path = place.path.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`)).join("");
  return new TypeError(`${place.what}${path} is ${found}, which JSON cannot keep.`);
}
