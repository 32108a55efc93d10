import { z } from "zod";
import { assetEventViewSchema, eventKeySchema, eventPayloadSchema, startOnSchema, watermarkSchema } from "./assets.ts";
import { jsonSchema } from "./json.ts";
import { limits } from "./limits.ts";
import { stateViewSchema } from "./state.ts";

// How people and programs see and change assets over HTTP. A path names an asset by its id or its URI.

/** `lastEvent`: the number of its newest event; 0: there was none. */
export const assetViewSchema = z.object({
  id: z.string(),
  uri: z.string().nullable(),
  /** Whether a definition that was applied declares it. */
  active: z.boolean(),
  lastEvent: z.number().int(),
  declaredAt: z.iso.datetime(),
});
export type AssetView = z.infer<typeof assetViewSchema>;

/** Pages by `after`, the last id that was answered. `all`: also those that nothing declares any more. `uri`: the one that has it. */
export const listAssetsQuerySchema = z.strictObject({
  uri: z.string().min(1).max(limits.uriCharacters).optional(),
  all: z.stringbool().optional(),
  after: z.string().min(1).max(limits.idCharacters).optional(),
  limit: z.coerce.number().int().min(1).max(limits.pageRows).default(100),
});
export const assetPageSchema = z.object({ assets: z.array(assetViewSchema), cursor: z.string().nullable() });
export type AssetPage = z.infer<typeof assetPageSchema>;

/** A definition whose runs events of assets start. */
export const consumerViewSchema = z.object({
  definition: z.string(),
  mode: startOnSchema.shape.mode,
  /** It has had the events of an asset up to number `position`. */
  assets: z.array(z.object({ asset: z.string(), position: z.number().int(), lastEvent: z.number().int() })),
  /** Whether its current manifest says so. */
  active: z.boolean(),
  paused: z.boolean(),
  /** Why nothing could be started; null: nothing is wrong. */
  problem: z.string().nullable(),
  /** How many runs events have started, and the last one. */
  started: z.number().int(),
  lastRun: z.string().nullable(),
  lastAt: z.iso.datetime().nullable(),
  /** What it waits for, as a sentence. */
  waitsFor: z.string(),
});
export type ConsumerView = z.infer<typeof consumerViewSchema>;

/** An asset with its lineage. */
export const assetDetailSchema = assetViewSchema.extend({
  /** The number of its oldest event that is kept; null: none is. */
  firstEvent: z.number().int().nullable(),
  watermarks: z.array(stateViewSchema),
  /** Of its state. */
  use: z.object({ keys: z.number().int(), bytes: z.number().int() }),
  /** Definitions that read it, and that write it. */
  reads: z.array(z.string()),
  writes: z.array(z.string()),
  /** Definitions whose runs its events start. */
  starts: z.array(consumerViewSchema),
  /** Runs that wrote it last, the newest first. */
  writers: z.array(z.object({ run: z.string(), at: z.iso.datetime() })),
  /** JSON Schemas of its watermarks and of what its events say, where it has them. */
  schemas: z.object({ watermark: jsonSchema.optional(), event: jsonSchema.optional() }),
});
export type AssetDetailView = z.infer<typeof assetDetailSchema>;

export const listAssetEventsQuerySchema = z.strictObject({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(limits.pageRows).default(100),
});
/** `cursor`: the next page's `after`; null: there is nothing behind it yet. */
export const assetEventPageSchema = z.object({
  events: z.array(assetEventViewSchema),
  cursor: z.number().int().nullable(),
});
export type AssetEventPage = z.infer<typeof assetEventPageSchema>;

/** `key`: while an event with it is kept, another one of it is none. */
export const emitEventSchema = z.strictObject({ payload: eventPayloadSchema, key: eventKeySchema.optional() });
export type EmitEvent = z.infer<typeof emitEventSchema>;
/** `existing`: an event with this key was there, and `number` is its. */
export const emittedEventSchema = z.object({ number: z.number().int(), existing: z.boolean() });
export type EmittedEvent = z.infer<typeof emittedEventSchema>;

/** `event`: what is told in the same commit, where the watermark moves. `backwards`: to less than what is there, too. */
export const advanceWatermarkSchema = z.strictObject({
  to: watermarkSchema,
  event: emitEventSchema.optional(),
  backwards: z.boolean().optional(),
});
export type AdvanceWatermark = z.infer<typeof advanceWatermarkSchema>;
/** `value`: what it is now. `event`: the number of what was told with it; null: nothing was. */
export const advancedWatermarkSchema = z.object({
  changed: z.boolean(),
  value: jsonSchema,
  version: z.number().int(),
  event: z.number().int().nullable(),
});
export type AdvancedWatermark = z.infer<typeof advancedWatermarkSchema>;

export const deletedAssetSchema = z.object({ deleted: z.literal(true) });
export type DeletedAsset = z.infer<typeof deletedAssetSchema>;

/** The assets that a run's definition has declared, and how far each is. */
export const runAssetsSchema = z.object({
  assets: z.array(
    assetViewSchema.extend({ uses: z.array(z.enum(["reads", "writes"])), watermarks: z.array(stateViewSchema) }),
  ),
});
export type RunAssets = z.infer<typeof runAssetsSchema>;
