import { z } from "zod";
import { jsonSchema } from "./json.ts";
import { limits } from "./limits.ts";
import {
  stateKeySchema,
  stateOpResultSchema,
  stateOpSchemaOf,
  statePrefixSchema,
  stateScopeSchema,
  stateViewSchema,
} from "./state.ts";

// How people and programs see and change state over HTTP. A path names the scope: a run (in its present generation), a task or an asset.

/** The scopes that people can name. */
export const stateOwners = ["run", "task", "asset"] as const;
export type StateOwner = (typeof stateOwners)[number];
export interface StateTarget {
  readonly kind: StateOwner;
  /** A run's id or the beginning of it; a definition's id; an asset's id or its URI. */
  readonly id: string;
}

/** Pages by `after`, the last key that was answered. */
export const listStateQuerySchema = z.strictObject({
  prefix: statePrefixSchema.optional(),
  after: stateKeySchema.optional(),
  limit: z.coerce.number().int().min(1).max(limits.pageRows).default(100),
});
/** `use`: of the whole scope; what has expired counts until it is swept. `cursor`: the next page's `after`; null: there is none. */
export const statePageSchema = z.object({
  values: z.array(stateViewSchema),
  /** `objectBytes`: what lies with the state backend. */
  use: z.object({ keys: z.number().int(), bytes: z.number().int(), objectBytes: z.number().int() }),
  cursor: z.string().nullable(),
});
export type StatePageView = z.infer<typeof statePageSchema>;

/** `ifVersion`, `retentionMs`: as of the op `set`. */
export const putStateSchema = z.strictObject({
  value: jsonSchema,
  ifVersion: z.number().int().nonnegative().optional(),
  retentionMs: z.number().int().positive().max(limits.spanMs).nullable().optional(),
});
export const deleteStateQuerySchema = z.strictObject({ ifVersion: z.coerce.number().int().nonnegative().optional() });
export const clearStateQuerySchema = z.strictObject({ prefix: statePrefixSchema.optional() });

const ownersScopeSchema = stateScopeSchema.extend({
  kind: z.enum(stateOwners),
  id: z.string().min(1).max(limits.uriCharacters),
});
const changeSchema = stateOpSchemaOf(ownersScopeSchema.optional());
/** One change; without `scope` of what the path names. */
export type StateChangeRequest = z.infer<typeof changeSchema>;

/** Changes that are made together or not at all. */
export const changeStateSchema = z.strictObject({
  ops: z.array(changeSchema).min(1).max(limits.stateOpsPerTransaction),
});
/** One result for each op. */
export const changedStateSchema = z.object({ results: z.array(stateOpResultSchema) });
export type ChangedState = z.infer<typeof changedStateSchema>;

/** Deletes values whose time is over, at most `limit` a call. */
export const sweepStateSchema = z.strictObject({
  /** Only look. */
  preview: z.boolean().optional(),
  limit: z.number().int().min(1).max(limits.pageRows).optional(),
});
export type SweepState = z.infer<typeof sweepStateSchema>;
/** `expired`: which they are. `more`: some are left. */
export const sweptStateSchema = z.object({
  swept: z.number().int(),
  more: z.boolean(),
  /** Of the state backend: those that no value named any more, and those that nobody knew. */
  objects: z.object({ swept: z.number().int(), bytes: z.number().int(), unknown: z.number().int() }),
  expired: z.array(
    z.object({
      kind: z.string(),
      id: z.string(),
      generation: z.number().int(),
      key: z.string(),
      expiresAt: z.iso.datetime(),
    }),
  ),
});
export type SweptState = z.infer<typeof sweptStateSchema>;
