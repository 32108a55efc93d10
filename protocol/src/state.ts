import { z } from "zod";
import { assetOpSchemasOf } from "./assets.ts";
import { type Json, jsonSchema } from "./json.ts";
import { limits, textDefect } from "./limits.ts";

// STATE: small JSON values that outlive an activation. A scope is a kind and a natural key; what a kind is stands in one table, so that a
// further kind is one entry there.

export interface StateKindRules {
  /** `run`: its values belong to a run and its generation, and go with it. `namespace`: to a namespace, and stay. */
  readonly owner: "run" | "namespace";
  /** How long a value is kept from its writing, where nobody says it; null: until it is deleted. */
  readonly retentionMs: number | null;
}

/** The key under which a scope's values have the version of their schema; it stays unless somebody says otherwise. */
export const stateVersionKey = "holdfast.version";

/**
 * `run`: all attempts of one run; `task`: all runs of one definition; `asset`: a named thing that runs read or write; `watermark`: the marks
 * of an asset, which only `advance` moves.
 */
export const stateKinds = {
  run: { owner: "run", retentionMs: null },
  task: { owner: "namespace", retentionMs: null },
  asset: { owner: "namespace", retentionMs: null },
  watermark: { owner: "namespace", retentionMs: null },
} as const satisfies Record<string, StateKindRules>;
export type StateKind = keyof typeof stateKinds;

/** Where values lie. `id`: of the run, the definition or the asset. */
export interface StateScope {
  readonly kind: StateKind;
  readonly id: string;
}

export const stateScopeSchema = z.strictObject({
  kind: z.enum(Object.keys(stateKinds) as [StateKind, ...StateKind[]]),
  id: z.string().min(1).max(limits.idCharacters),
});

/** 1 to 512 characters; `/` is one of them. */
export const stateKeySchema = z
  .string()
  .min(1)
  .max(limits.stateKeyCharacters)
  .refine((key) => textDefect(key) === undefined, "Invalid input: a key has no NUL and no lone surrogate");

/** What the keys of a list begin with. */
export const statePrefixSchema = z
  .string()
  .max(limits.stateKeyCharacters)
  .refine((key) => textDefect(key) === undefined, "Invalid input: a prefix has no NUL and no lone surrogate");

const versionSchema = z.number().int().nonnegative();
const retentionSchema = z.number().int().positive().max(limits.spanMs).nullable();
const comparableSchema = z.union([z.number(), z.string()]);

/**
 * One change of state, with scopes as `scope` says. All but `clear` name a key. `ifVersion`: only while the value has this version; 0: only
 * while there is none. `retentionMs`: how long the value is kept from this writing, null: until it is deleted; absent: `set` takes what
 * its kind says, the others leave the moment as it is, and take what the kind says for a value that was not there.
 */
export function stateOpSchemaOf<Scope extends z.ZodType>(scope: Scope) {
  const named = { scope, key: stateKeySchema };
  const retentionMs = retentionSchema.optional();
  return z.discriminatedUnion("op", [
    z.strictObject({
      op: z.literal("set"),
      ...named,
      value: jsonSchema,
      ifVersion: versionSchema.optional(),
      retentionMs,
    }),
    z.strictObject({ op: z.literal("delete"), ...named, ifVersion: versionSchema.optional() }),
    /** Deletes all values of the scope, or those whose keys begin with `prefix`. */
    z.strictObject({ op: z.literal("clear"), scope, prefix: statePrefixSchema.optional() }),
    /** Adds to a number; none there counts as 0. */
    z.strictObject({ op: z.literal("increment"), ...named, by: z.number(), retentionMs }),
    /** Adds an item to the end of a list; none there counts as []. */
    z.strictObject({ op: z.literal("append"), ...named, value: jsonSchema, retentionMs }),
    /** Sets a number or a text where there is none, or a lesser one of the same kind: texts in the order of their code points. */
    z.strictObject({ op: z.literal("setIfMax"), ...named, value: comparableSchema, retentionMs }),
  ]);
}

export const stateOpSchema = z.discriminatedUnion("op", [
  ...stateOpSchemaOf(stateScopeSchema).options,
  ...assetOpSchemasOf(stateScopeSchema),
]);
/** One change of state, or one that is made to an asset. See {@link stateOpSchemaOf}, {@link assetOpSchemasOf}. */
export type StateOp = z.infer<typeof stateOpSchema>;

/**
 * What an op did. `version`: of the value from now on; 0: there is none. `value`: of `increment` the new number, of `setIfMax` what stands
 * now, and `changed` whether this op put it there. `length`: of the list that `append` left. `cleared`: how many values `clear` deleted.
 * `advance` answers as `setIfMax` does. `number`: of the event that `emit` or `advance` told, or of the one that had its key before;
 * `emitted`: whether it is new. `emit` has version 0.
 */
export const stateOpResultSchema = z.strictObject({
  version: versionSchema,
  value: jsonSchema.optional(),
  changed: z.boolean().optional(),
  length: z.number().int().optional(),
  cleared: z.number().int().optional(),
  number: z.number().int().optional(),
  emitted: z.boolean().optional(),
});
export type StateOpResult = z.infer<typeof stateOpResultSchema>;

const mark = "holdfast.state";

/**
 * What a transaction of state leaves as the record of a step: its results, one an op, and the hash of what was asked. `value`: what an
 * update answered. By its mark it is told from the results of steps and from waits.
 */
export const stateRecordSchema = z.strictObject({
  [mark]: z.literal("done"),
  results: z.array(stateOpResultSchema),
  hash: z.string().optional(),
  value: jsonSchema.optional(),
});
export type StateRecord = z.infer<typeof stateRecordSchema>;

/** The record of a transaction as it is kept. */
export function stateRecord(facts: {
  readonly results: readonly StateOpResult[];
  readonly hash?: string | undefined;
  readonly value?: Json | undefined;
}): Json {
  return JSON.parse(JSON.stringify({ [mark]: "done", ...facts }));
}

/** The record that a step's value is, or undefined where it is no transaction's. */
export function asStateRecord(value: Json): StateRecord | undefined {
  if (typeof value !== "object" || value === null || !(mark in value)) return undefined;
  const parsed = stateRecordSchema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

/** A value, as people and programs see it. `version` rises at each change and is never used again under this key. */
export const stateViewSchema = z.object({
  key: z.string(),
  value: jsonSchema,
  version: z.number().int(),
  /** The activation that wrote it last; null: a person. */
  writer: z.object({ run: z.string(), epoch: z.number().int() }).nullable(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  /** From then on it is not there any more; null: it stays. */
  expiresAt: z.iso.datetime().nullable(),
});
export type StateView = z.infer<typeof stateViewSchema>;

/** What a value is, as far as ops look at it. */
export type StateType = "null" | "boolean" | "number" | "text" | "list" | "object";

export function stateTypeOf(value: Json): StateType {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (typeof value === "string") return "text";
  return typeof value as "boolean" | "number" | "object";
}
