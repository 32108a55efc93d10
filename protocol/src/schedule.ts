import { z } from "zod";
import { type Json, jsonSchema } from "./json.ts";
import { limits } from "./limits.ts";
import { idSchema } from "./manifest.ts";

// When a definition starts by itself. A schedule stands beside the manifest, not in it: a run is pinned to what it does, and
// when others of its kind begin is no part of that (docs/decisions/0013).

/** Ticks that are over when a node comes to look: `none` starts none of them, `latest` the newest, `all` each. */
export const catchUps = ["none", "latest", "all"] as const;
export type CatchUp = (typeof catchUps)[number];

/**
 * A tick while an earlier run of the schedule is under way: `allow` starts beside it, `skip` leaves the tick out, `wait` starts
 * when it has ended (one at a time waits, more are left out), `cancel` orders it to end and starts after it.
 */
export const overlaps = ["allow", "skip", "wait", "cancel"] as const;
export type Overlap = (typeof overlaps)[number];

/** What a schedule's `params` say of the tick that starts a run: its day, or its moment, in the schedule's time zone. */
export const tickValues = ["date", "time"] as const;
export type TickValue = (typeof tickValues)[number];

/** A template for what a run is started with. */
export type TickBinding =
  | { readonly const: Json }
  | { readonly tick: TickValue }
  | { readonly object: { readonly [key: string]: TickBinding } }
  | { readonly list: readonly TickBinding[] };
export const tickBindingSchema: z.ZodType<TickBinding> = z.lazy(() =>
  z.union([
    z.strictObject({ const: jsonSchema }),
    z.strictObject({ tick: z.enum(tickValues) }),
    z.strictObject({ object: z.record(z.string(), tickBindingSchema) }),
    z.strictObject({ list: z.array(tickBindingSchema) }),
  ]),
) as z.ZodType<TickBinding>;

const momentText = z.string().min(1).max(40);

/** `cron`: 5, 6 or 7 fields. `every`: multiples of that many milliseconds from `startAt`, else from 1970. `at`: once. */
export const timingSchema = z.union([
  z.strictObject({ cron: z.string().min(1).max(limits.cronCharacters) }),
  z.strictObject({ everyMs: z.number().int().min(1_000).max(limits.spanMs) }),
  z.strictObject({ at: momentText }),
]);
export type Timing = z.infer<typeof timingSchema>;

const scheduleNamePattern = /^(?!__proto__$)[A-Za-z0-9_][A-Za-z0-9_.\-/]*$/;

/** What a schedule is within its definition's: letters, digits and `_ . - /`. */
export function isScheduleName(text: string): boolean {
  return text.length > 0 && text.length <= limits.idCharacters && scheduleNamePattern.test(text);
}

/** The id of a schedule: its definition's, and after a colon its own name where the definition has several. */
export function scheduleId(definition: string, name: string | undefined): string {
  return name === undefined ? definition : `${definition}:${name}`;
}

export const scheduleSpecSchema = z
  .strictObject({
    id: z
      .string()
      .min(1)
      .max(2 * limits.idCharacters + 1),
    definition: idSchema,
    when: timingSchema,
    /** An IANA name: `Europe/Berlin`. */
    tz: z.string().min(1).max(100),
    params: tickBindingSchema,
    catchUp: z.enum(catchUps),
    overlap: z.enum(overlaps),
    /** Each tick starts up to so much later, the same for every node that looks at it. */
    jitterMs: z.number().int().nonnegative().max(limits.jitterMs),
    /** No tick lies before, or after. Moments with an offset, or in the schedule's time zone. */
    startAt: momentText.optional(),
    endAt: momentText.optional(),
  })
  .refine(({ id, definition }) => id === definition || isScheduleName(nameIn(id, definition)), {
    path: ["id"],
    error: "a schedule's id is its definition's, or that, a colon and a name",
  });
export type ScheduleSpec = z.infer<typeof scheduleSpecSchema>;

function nameIn(id: string, definition: string): string {
  return id.startsWith(`${definition}:`) ? id.slice(definition.length + 1) : "";
}
