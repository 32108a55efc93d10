import { z } from "zod";
import { limits } from "./limits.ts";

/** What JSON (RFC 8259) can say. Everything that crosses a process or rests in a store is this. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Of any message. Values are held to less where they come in (`limits.nestingLevels`); what is kept may be older than that. */
const deepestLevel = 1_000;

/**
 * A JSON value of any shape, parsed on arrival. One walk by hand: zod's own `z.json()` tries six types at each value,
 * which for a result of a megabyte stops the node for 100 ms where this takes 2.
 */
export const jsonSchema = z.unknown().refine((value) => isJsonValue(value, 0), {
  error: ({ input }) =>
    nestsDeeper(input, deepestLevel + 1)
      ? `Invalid input: nested deeper than ${limits.nestingLevels} levels`
      : "Invalid input: expected JSON",
}) as unknown as z.ZodType<Json>;

function isJsonValue(value: unknown, level: number): boolean {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || level > deepestLevel) return false;
  if (Array.isArray(value)) return value.every((item) => isJsonValue(item, level + 1));
  if (!z.core.util.isPlainObject(value)) return false;
  for (const key in value) if (!isJsonValue(value[key], level + 1)) return false;
  return true;
}

/** Whether lists and objects lie within each other on more levels than these. `[]` has one level, a text none. */
export function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  const parts: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return parts.some((part) => nestsDeeper(part, levels - 1));
}

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/** A length of time as people write it: `"250ms"`, `"10s"`, `"5m"`, `"3h"`, `"7d"`. */
export type Duration = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a duration, or undefined when the text is none (negative, not finite, over ten years). */
export function durationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const ms = Math.round(Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]);
  return ms <= limits.spanMs ? ms : undefined;
}

/** A length of time as definitions write it, exactly: `4s`, `1500ms`. */
export function durationText(ms: number): string {
  const units = Object.entries(unitMs).reverse();
  const [unit, each] = units.find(([, length]) => ms > 0 && ms % length === 0) ?? ["ms", 1];
  return `${ms / each}${unit}`;
}
