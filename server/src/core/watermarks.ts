import type { Json, Watermark } from "@holdfast/protocol";
import { compareKeys } from "./state-rows.ts";

/**
 * How two marks stand to each other: numbers with numbers, texts by their code points, lists of one length element by element. Undefined:
 * they cannot be compared.
 */
export function compareMarks(one: Json, other: Watermark): number | undefined {
  const order = comparePart(one, other);
  if (order !== undefined) return order;
  if (!isList(one) || !isList(other) || one.length !== other.length) return undefined;
  const parts = one.map((part, index) => comparePart(part, other[index] ?? 0));
  // The first that differs decides; but lists whose later parts are of other kinds are no marks of one line.
  return parts.includes(undefined) ? undefined : (parts.find((part) => part !== 0) ?? 0);
}

function comparePart(one: Json, other: Json): number | undefined {
  if (typeof one === "number" && typeof other === "number") return Math.sign(one - other);
  if (typeof one === "string" && typeof other === "string") return Math.sign(compareKeys(one, other));
  return undefined;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
