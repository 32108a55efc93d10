import { z } from "zod";

/** What JSON (RFC 8259) can say. Everything that crosses a process or rests in a store is this. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON value of any shape, parsed on arrival. */
export const jsonSchema: z.ZodType<Json> = z.json() as z.ZodType<Json>;

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/** A length of time as people write it: `"250ms"`, `"10s"`, `"5m"`, `"3h"`, `"7d"`. */
export type Duration = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const longestMs = 3_650 * unitMs.d;

/** Milliseconds of a duration, or undefined when the text is none (negative, not finite, over ten years). */
export function durationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const ms = Math.round(Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]);
  return ms <= longestMs ? ms : undefined;
}
