import { z } from "zod";
import { assetOpSchemasOf, startingEventSchema } from "./assets.ts";
import { jsonSchema } from "./json.ts";
import { keySchema } from "./key.ts";
import { limits, textDefect } from "./limits.ts";
import { stateKeySchema, stateOpSchemaOf, statePrefixSchema, stateViewSchema } from "./state.ts";

// The methods by which a body reads and changes state and assets: a part of the method table (channel.ts).

/** An asset by its id or its URI: of those that the definition that speaks has declared. */
const assetNameSchema = z
  .string()
  .min(1)
  .max(limits.uriCharacters)
  .refine((name) => textDefect(name) === undefined, "Invalid input: a name has no NUL and no lone surrogate");
/** State of the run or the definition that speaks (which they are, the activation says), or of an asset. */
const stateScopeOfOwn = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.enum(["run", "task"]) }),
  z.strictObject({ kind: z.literal("asset"), id: assetNameSchema }),
]);
export type ChannelStateScope = z.infer<typeof stateScopeOfOwn>;
const [advanceSchema] = assetOpSchemasOf(z.strictObject({ kind: z.literal("watermark"), id: assetNameSchema }));
const [, emitSchema] = assetOpSchemasOf(z.strictObject({ kind: z.literal("asset"), id: assetNameSchema }));
const stateOpOfOwn = z.discriminatedUnion("op", [
  ...stateOpSchemaOf(stateScopeOfOwn).options,
  advanceSchema,
  emitSchema,
]);
/** A change of one's own state, or of an asset's. */
export type ChannelStateOp = z.infer<typeof stateOpOfOwn>;

export const stateMethods = {
  /** What lies under these keys now; what is not there, or has expired, is left out. */
  "state.get": {
    group: "read",
    params: z.strictObject({
      scope: stateScopeOfOwn,
      keys: z.array(stateKeySchema).min(1).max(limits.stateKeysPerRead),
    }),
    result: z.strictObject({ values: z.array(stateViewSchema) }),
  },
  /** A page of values in the order of their keys, from behind `after`; `cursor`: where the next begins, null: there is none. */
  "state.list": {
    group: "read",
    params: z.strictObject({
      scope: stateScopeOfOwn,
      prefix: statePrefixSchema.optional(),
      after: stateKeySchema.optional(),
      limit: z.number().int().min(1).max(limits.pageRows).optional(),
    }),
    result: z.strictObject({ values: z.array(stateViewSchema), cursor: z.string().nullable() }),
  },
  /** An asset, and how far it is under these names of watermarks; what was never said is left out. */
  "asset.get": {
    group: "read",
    params: z.strictObject({
      asset: assetNameSchema,
      watermarks: z.array(stateKeySchema).min(1).max(limits.stateKeysPerRead),
    }),
    result: z.strictObject({ id: z.string(), uri: z.string().nullable(), watermarks: z.array(stateViewSchema) }),
  },
  /** Events of an asset from behind number `after` (default 0), in order: fewer where they are large, none only where there are none. */
  "asset.events": {
    group: "read",
    params: z.strictObject({
      asset: assetNameSchema,
      after: z.number().int().nonnegative().optional(),
      limit: z.number().int().min(1).max(limits.pageRows).optional(),
    }),
    result: z.strictObject({ events: z.array(startingEventSchema) }),
  },
  /**
   * Changes state and assets, all or nothing, once under its key: that is a step, whose record is answered (state.ts). `value` goes into the
   * record as it is.
   */
  "state.transact": {
    group: "write",
    params: z.strictObject({
      key: keySchema,
      ops: z.array(stateOpOfOwn).min(1).max(limits.stateOpsPerTransaction),
      value: jsonSchema.optional(),
    }),
    result: z.strictObject({ recorded: z.boolean(), value: jsonSchema }),
  },
} as const;
