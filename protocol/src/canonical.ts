import type { Json } from "./json.ts";

/**
 * The canonical text of a JSON value after RFC 8785: object keys in order of their UTF-16 units, numbers as ECMAScript
 * prints them, no white space. Undefined properties are left out. Throws TypeError, naming the path, on what JSON cannot say
 * (NaN, Infinity, functions, symbols, bigint, undefined in a list).
 */
export function canonicalText(value: unknown): string {
  return text(value, "$");
}

function text(value: unknown, path: string): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`${path} is ${value}, which JSON cannot say`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item, i) => text(item, `${path}[${i}]`)).join(",")}]`;
  if (typeof value === "object") return objectText(value, path);
  throw new TypeError(`${path} is a ${typeof value}, which JSON cannot say`);
}

function objectText(value: object, path: string): string {
  const parts: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const item = (value as Record<string, unknown>)[key];
    if (item !== undefined) parts.push(`${JSON.stringify(key)}:${text(item, `${path}.${key}`)}`);
  }
  return `{${parts.join(",")}}`;
}

/** Type guard by content: true when `value` is plain JSON all through. */
export function isJson(value: unknown): value is Json {
  try {
    canonicalText(value);
    return true;
  } catch {
    return false;
  }
}
