import { z } from "zod";
import { jsonSchema } from "./json.ts";
import { limits, textDefect, utf8Bytes } from "./limits.ts";

// ASSETS: named things that runs read or write. An asset has state (a scope of its own), watermarks (marks that only move on, each a value
// of the scope `watermark`), and events, which start runs of those who ask for it.

/** A mark: a number, a text, or a list of them that is compared element by element. */
export const watermarkSchema = z.union([
  z.number(),
  z.string(),
  z
    .array(z.union([z.number(), z.string()]))
    .min(1)
    .max(limits.watermarkParts),
]);
export type Watermark = z.infer<typeof watermarkSchema>;

/** By which an event is known: said again, it makes no second one. */
export const eventKeySchema = z
  .string()
  .min(1)
  .max(limits.keyCharacters)
  .refine((key) => textDefect(key) === undefined, "Invalid input: a key has no NUL and no lone surrogate");

/** What an event says. */
export const eventPayloadSchema = jsonSchema.refine(
  (payload) => utf8Bytes(JSON.stringify(payload) ?? "") <= limits.assetEventBytes,
  `Invalid input: the payload of an event has at most ${limits.assetEventBytes} bytes as JSON`,
);

/**
 * What is done to assets in a transaction of state, with scopes as `scope` says. `advance` is of a scope `watermark`, `key` the mark's
 * name; to the same or less it changes nothing and emits nothing, unless it is told to go `backwards`. `emit` is of a scope `asset`, `key`
 * the event's.
 */
export function assetOpSchemasOf<Scope extends z.ZodType>(scope: Scope) {
  return [
    z.strictObject({
      op: z.literal("advance"),
      scope,
      key: z
        .string()
        .min(1)
        .max(limits.stateKeyCharacters)
        .refine(
          (key) => textDefect(key) === undefined,
          "Invalid input: a mark's name has no NUL and no lone surrogate",
        ),
      to: watermarkSchema,
      /** Told in the same commit, of the asset whose mark it is. */
      event: z.strictObject({ payload: eventPayloadSchema, key: eventKeySchema.optional() }).optional(),
      backwards: z.literal(true).optional(),
    }),
    z.strictObject({ op: z.literal("emit"), scope, payload: eventPayloadSchema, key: eventKeySchema.optional() }),
  ] as const;
}

/** The id of an asset, as manifests have it. */
const assetIdSchema = z.string().min(1).max(limits.idCharacters);

/**
 * That events of assets start runs of a definition. `all`: once each of them has some that it has not had; `any`: once one has. What has
 * come together goes into one run. `from`: with which event it begins; absent: with the first that comes after it was applied.
 */
export const startOnSchema = z
  .strictObject({
    mode: z.enum(["all", "any"]),
    assets: z.array(assetIdSchema).min(1).max(limits.assetsPerStart),
    from: z.literal("start").optional(),
    /** Of one asset, in one run; absent: `limits.eventsPerStart`. */
    maxEvents: z.number().int().min(1).max(limits.eventsPerStart).optional(),
  })
  .refine(({ assets }) => new Set(assets).size === assets.length, { path: ["assets"], error: "names an asset twice" });
export type StartOn = z.infer<typeof startOnSchema>;

/** An event, as the run that it starts finds it. */
export const startingEventSchema = z.object({
  /** Of its asset: from 1, without holes, in the order of commits. */
  number: z.number().int().positive(),
  key: z.string().nullable(),
  payload: jsonSchema,
  at: z.iso.datetime(),
  /** The run that told it; null: a person. */
  run: z.string().nullable(),
});
export type StartingEvent = z.infer<typeof startingEventSchema>;

/** The input of a run that events have started: of each asset those that it is to have, in order. */
export const startingInputSchema = z.object({ events: z.record(assetIdSchema, z.array(startingEventSchema)) });
export type StartingInput = z.infer<typeof startingInputSchema>;

/** An event, as people and programs see it. */
export const assetEventViewSchema = startingEventSchema.extend({ asset: assetIdSchema });
export type AssetEventView = z.infer<typeof assetEventViewSchema>;

/** How a definition uses an asset. */
export const assetUses = ["reads", "writes", "starts"] as const;
export type AssetUse = (typeof assetUses)[number];
