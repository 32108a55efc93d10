import { z } from "zod";
import { startOnSchema } from "./assets.ts";
import { type Json, jsonSchema } from "./json.ts";
import { limits } from "./limits.ts";
import { triggerRules } from "./status.ts";

// The canonical form of a definition and everything it uses. Its bytes are RFC 8785, its name is their SHA-256;
// no path of a machine and no time is in it, so that it is equal wherever it is compiled. A run is pinned to one.

/** The id of a definition or an asset. */
export const idSchema = z
  .string()
  .min(1)
  .max(limits.idCharacters)
  .regex(/^(?!__proto__$)[A-Za-z0-9_][A-Za-z0-9_.\-/]*$/, "an id has letters, digits, and _ . - / inside");
/** A node's name: an id, or a default one for the second and later calls of the same definition (`extract#2`). */
const nodeNameSchema = z
  .string()
  .min(1)
  .max(limits.idCharacters + 5)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.\-/]*(#\d+)?$/, "a node's name is an id, or an id and #2");
/** How many runs may be under way at a time. */
const concurrencySchema = z.number().int().min(1).max(limits.slots);
const millis = z.number().int().nonnegative().max(limits.spanMs);

/**
 * Where a value comes from when a run starts. `path` steps through objects by name and through lists by number.
 * `params`: the workflow's input. `output`: a node's output (a map's is the list of its items' outputs, in list order).
 * `item`: the item of a map. Missing values and outputs of skipped nodes are null.
 */
export const referenceSchema = z.union([
  z.strictObject({ from: z.literal("params"), path: z.array(z.union([z.string(), z.number()])) }),
  z.strictObject({ from: z.literal("output"), node: nodeNameSchema, path: z.array(z.union([z.string(), z.number()])) }),
  z.strictObject({ from: z.literal("item"), path: z.array(z.union([z.string(), z.number()])) }),
]);
export type Reference = z.infer<typeof referenceSchema>;

/**
 * A template for a value. `cel`: an expression over `params`, `tasks.NODE.output`, `item`, parsed at apply.
 * `text`: parts joined to a string.
 */
export type Binding =
  | { readonly const: Json }
  | { readonly ref: Reference }
  | { readonly cel: string }
  | { readonly object: { readonly [key: string]: Binding } }
  | { readonly list: readonly Binding[] };
export const bindingSchema: z.ZodType<Binding> = z.lazy(() =>
  z.union([
    z.strictObject({ const: jsonSchema }),
    z.strictObject({ ref: referenceSchema }),
    z.strictObject({ cel: z.string().min(1).max(10_000) }),
    z.strictObject({ object: z.record(z.string(), bindingSchema) }),
    z.strictObject({ list: z.array(bindingSchema) }),
  ]),
) as z.ZodType<Binding>;

/** Delay before try n+1: min(maxDelayMs, delayMs × factor^(n−1)), then a share of it at random when `jitter` (0 to 1). */
export const retryPolicySchema = z.strictObject({
  attempts: z.number().int().min(1).max(limits.attempts),
  delayMs: millis,
  factor: z.number().min(1).max(100),
  maxDelayMs: millis,
  jitter: z.number().min(0).max(1),
});
export type RetryPolicy = z.infer<typeof retryPolicySchema>;

/** Where the code of a definition is: a module relative to the project's root, and its export. */
export const sourceSchema = z.strictObject({ module: z.string().min(1), export: z.string().min(1) });
export type Source = z.infer<typeof sourceSchema>;
/** `plain`: the export is a function that is no task, so that only the manifest says what it takes and returns. */
const typescriptSourceSchema = sourceSchema.extend({ plain: z.literal(true).optional() });

const noNul = /^[^\0]*$/;

/** How often the clean-up of a run is tried, and how long a try may run, where its definition does not say. */
export const defaultCleanUp = { attempts: 3, timeoutMs: 60_000 } as const;

/**
 * What is carried out when a run of the task was cut off and everything that it had under way has ended: the task's own `onCancel`, or
 * `export` of the same module as its body, or `command`.
 */
const cleanUpSchema = z.strictObject({
  export: z.string().min(1).optional(),
  command: z.string().min(1).max(limits.commandCharacters).regex(noNul, "a command has no NUL").optional(),
  attempts: z.number().int().min(1).max(limits.attempts),
  timeoutMs: millis,
});
export type CleanUpSpec = z.infer<typeof cleanUpSchema>;

/**
 * What a task's body is, by executor. `typescript`: a module and its export. `python`: a file (`tasks/clean.py`) or a dotted
 * module name (`shop.clean`), and its function. `process`: what `/bin/sh -c` is given, in the project's root.
 */
const codeFields = {
  typescript: { executor: z.literal("typescript"), source: typescriptSourceSchema },
  python: { executor: z.literal("python"), source: sourceSchema },
  process: {
    executor: z.literal("process"),
    source: z.strictObject({
      command: z.string().min(1).max(limits.commandCharacters).regex(noNul, "a command has no NUL"),
    }),
  },
};

/**
 * A task that is nothing but one job of another system, which no process of its own carries out. `job`: a template of what is to be
 * submitted (`submit`), or of what names a job that is there (`follow`): see operations/job-input.ts.
 */
const jobFields = {
  executor: z.literal("external"),
  source: z.strictObject({
    service: z.string().min(1).max(100),
    connection: z.string().min(1).max(limits.idCharacters).optional(),
    how: z.enum(["submit", "follow"]),
    job: jsonSchema,
  }),
};
export type JobCode = { readonly executor: "external"; readonly source: z.infer<typeof jobFields.source> };

/** The fields of `shape`, and `executor` with the `source` that belongs to it. */
export function withCode<S extends z.ZodRawShape>(shape: S) {
  return z.discriminatedUnion("executor", [
    z.strictObject({ ...shape, ...codeFields.typescript }),
    z.strictObject({ ...shape, ...codeFields.python }),
    z.strictObject({ ...shape, ...codeFields.process }),
  ]);
}
const codeSchema = withCode({});
/** Code that a process runs. */
export type TaskCode = z.infer<typeof codeSchema>;
export type Executor = TaskCode["executor"];

/**
 * What a task's process finds in its environment besides PATH, HOME, LANG, TZ and TMPDIR, which it may replace. Names that
 * begin with HOLDFAST_ or ORK_ are the runner's own.
 */
export const environmentSchema = z.record(
  z
    .string()
    .max(limits.idCharacters)
    .regex(
      /^(?!HOLDFAST_|ORK_|__proto__$)[A-Za-z_][A-Za-z0-9_]*$/,
      "a variable has letters, digits and _, and no name of the runner's",
    ),
  z.string().max(limits.environmentValueCharacters).regex(noNul, "a variable's value has no NUL"),
);

/**
 * The key of a run, read off its input: `params` is the definition's own input here, and nothing else can be read. Then
 * `concurrency` (default 1) is of the runs of each key; a run whose key is null is not among them.
 */
const concurrencyKeySchema = bindingSchema;

/**
 * How many starts there may be within any time of that length. With a key, as above, of each key. Of a task each activation is a
 * start, its retries too; of a workflow the first.
 */
const rateSchema = z.strictObject({
  limit: concurrencySchema,
  perMs: z.number().int().min(1).max(limits.ratePerMs),
  key: bindingSchema.optional(),
});
export type RateSpec = z.infer<typeof rateSchema>;

/** What a task keeps in state. `schema`: JSON Schema of an object of its values, absent when the schema library cannot say. */
export const keptStateSchema = z.strictObject({ version: z.number().int().positive(), schema: jsonSchema.optional() });
export type KeptStateSpec = z.infer<typeof keptStateSchema>;

const taskFields = {
  kind: z.literal("task"),
  id: idSchema,
  description: z.string().optional(),
  /** JSON Schema of what callers pass; absent when the schema library cannot say (then checked by the body's process). */
  input: jsonSchema.optional(),
  output: jsonSchema.optional(),
  queue: idSchema,
  /** Of this task, each counted from its start to its end, waits and retries included. */
  concurrency: concurrencySchema.optional(),
  concurrencyKey: concurrencyKeySchema.optional(),
  rate: rateSchema.optional(),
  /** The key by which its runs take turns. */
  fair: bindingSchema.optional(),
  priority: z.number().int().min(-1_000).max(1_000),
  retry: retryPolicySchema,
  /** Running time of an attempt, summed over its activations. */
  timeoutMs: millis.optional(),
  /** Wall clock from the moment the run was created, waiting included. */
  expiresAfterMs: millis.optional(),
  /** `inline` is for TypeScript only, and has no environment of its own. */
  placement: z.enum(["process", "inline"]),
  /** `fresh`: a process of its own for each activation; `pool`: a warm one where it is safe (a command never is). */
  isolation: z.enum(["pool", "fresh"]),
  memoryBytes: z.number().int().positive().optional(),
  env: environmentSchema.optional(),
  onCancel: cleanUpSchema.optional(),
  /** Of each run, and of the task over all its runs. */
  state: keptStateSchema.optional(),
  taskState: keptStateSchema.optional(),
  reads: z.array(idSchema),
  writes: z.array(idSchema),
  /** Of the manifest's root alone. */
  startOn: startOnSchema.optional(),
};
const codeTaskSchema = withCode(taskFields);
const externalTaskSchema = z.strictObject({ ...taskFields, ...jobFields });
/** A task whose body a process runs. */
export type CodeTaskSpec = z.infer<typeof codeTaskSchema>;
/** A task that is one external job. */
export type ExternalTaskSpec = z.infer<typeof externalTaskSchema>;
export const taskSpecSchema = z
  .discriminatedUnion("executor", [codeTaskSchema, externalTaskSchema])
  .refine((spec) => spec.placement === "process" || (spec.executor === "typescript" && spec.env === undefined), {
    path: ["placement"],
    error: "only TypeScript tasks without env run inline",
  });
export type TaskSpec = z.infer<typeof taskSpecSchema>;

const nodeFields = {
  /** Unique in its workflow: the task's id, `id#2`… for repeats, or the `as` given. */
  name: nodeNameSchema,
  definition: idSchema,
  /** Every upstream node: those named in `after` and those that bindings refer to, sorted. */
  upstream: z.array(nodeNameSchema),
  rule: z.enum(triggerRules),
  when: bindingSchema.optional(),
  retry: retryPolicySchema.optional(),
};
export const callNodeSchema = z.strictObject({ kind: z.literal("call"), ...nodeFields, args: bindingSchema });
export const mapNodeSchema = z.strictObject({
  kind: z.literal("map"),
  ...nodeFields,
  /** Must resolve to a list. */
  list: bindingSchema,
  /** The identity of an item: a string, number or boolean; equal keys in one list are an error. */
  itemKey: bindingSchema,
  with: bindingSchema,
  /** Of its items. */
  concurrency: concurrencySchema.optional(),
});
export const nodeSchema = z.discriminatedUnion("kind", [callNodeSchema, mapNodeSchema]);
export type CallNode = z.infer<typeof callNodeSchema>;
export type MapNode = z.infer<typeof mapNodeSchema>;
export type WorkflowNode = z.infer<typeof nodeSchema>;

export const workflowSpecSchema = z.strictObject({
  kind: z.literal("workflow"),
  id: idSchema,
  description: z.string().optional(),
  source: sourceSchema,
  /** JSON Schema of the parameters. */
  input: jsonSchema.optional(),
  /**
   * True where the schema's library would drop fields that it does not know: whoever starts a run from outside is told of
   * them instead. Objects of `input` that say nothing of other fields take none then.
   */
  onlyKnown: z.literal(true).optional(),
  priority: z.number().int().min(-1_000).max(1_000),
  /** Of this workflow, each counted from its start to its end. */
  concurrency: concurrencySchema.optional(),
  concurrencyKey: concurrencyKeySchema.optional(),
  rate: rateSchema.optional(),
  fair: bindingSchema.optional(),
  /** Of the manifest's root alone. */
  startOn: startOnSchema.optional(),
  expiresAfterMs: millis.optional(),
  /** In the order of the builder; an upstream stands before its dependents. */
  nodes: z.array(nodeSchema).max(limits.nodesPerWorkflow),
  output: bindingSchema,
});
export type WorkflowSpec = z.infer<typeof workflowSpecSchema>;

export const definitionSpecSchema = z.discriminatedUnion("kind", [taskSpecSchema, workflowSpecSchema]);
export type DefinitionSpec = z.infer<typeof definitionSpecSchema>;

export const assetSpecSchema = z.strictObject({
  id: idSchema,
  /** Its other name; no two assets of a namespace have one. */
  uri: z.string().min(1).max(limits.uriCharacters).optional(),
  /** JSON Schemas, where the schema library can say them: of its marks, of what its events say, of its state. */
  watermark: jsonSchema.optional(),
  event: jsonSchema.optional(),
  state: jsonSchema.optional(),
});
export type AssetSpec = z.infer<typeof assetSpecSchema>;

export const manifestSchema = z.strictObject({
  format: z.literal(1),
  /** The id of the definition that this manifest is for; the others are those it uses, transitively. */
  root: idSchema,
  definitions: z.record(idSchema, definitionSpecSchema),
  assets: z.record(idSchema, assetSpecSchema),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** The default retry policy: one attempt. A policy that states only `attempts` gets these delays. */
export const defaultRetry: RetryPolicy = { attempts: 1, delayMs: 1_000, factor: 2, maxDelayMs: 60_000, jitter: 0.25 };
export const defaultQueue = "default";
