import { z } from "zod";
import { stateMethods } from "./channel-state.ts";
import { codeFileSchema } from "./code-file.ts";
import { runErrorSchema } from "./errors.ts";
import { unknownAnswers } from "./jobs.ts";
import { jsonSchema } from "./json.ts";
import { keySchema } from "./key.ts";
import { limits } from "./limits.ts";
import { withCode } from "./manifest.ts";

// THE METHOD TABLE: what user code can ask of the control plane. Each method is in exactly one access group (P8);
// what a process may call is the union of the groups its kind is granted. What no grant names is denied.

export const channelVersion = 1;

export const accessGroups = ["read", "write", "logging", "lifecycle", "metadata", "orchestration", "human"] as const;
export type AccessGroup = (typeof accessGroups)[number];

export const processKinds = ["task", "callback", "tracker", "compiler"] as const;
export type ProcessKind = (typeof processKinds)[number];

/** Default grants. Grants are data: this table is only where they start from. */
export const defaultGrants: Readonly<Record<ProcessKind, readonly AccessGroup[]>> = {
  task: accessGroups,
  callback: ["read", "logging"],
  tracker: ["read", "logging"],
  compiler: ["logging"],
};

const emptySchema = z.strictObject({});

export const stepRecordSchema = z.strictObject({ key: keySchema, value: jsonSchema });
/** A step that has been done: its key and its result. */
export type StepRecord = z.infer<typeof stepRecordSchema>;

const lineSchema = z.strictObject({
  level: z.enum(["debug", "info", "warn", "error"]),
  text: z.string(),
  fields: z.record(z.string(), jsonSchema).optional(),
});

const definitionSchema = z.string().min(1).max(limits.idCharacters);
const spanSchema = z.number().int().nonnegative().max(limits.spanMs);
const itemSchema = z.strictObject({ key: z.string().min(1).max(limits.itemCharacters), input: jsonSchema });

/**
 * A job in another system: `spec` for the control plane to submit, `ref` of one that was started already, or `own`, which the body
 * starts by itself with its token. `timeoutMs`: from its opening; then its end is ordered. `callback`: it may also be ended by its
 * one-time address, which stands where a text of the spec says `{callback}`.
 */
const externalSchema = z
  .strictObject({
    kind: z.literal("external"),
    key: keySchema,
    service: z.string().min(1).max(100),
    connection: z.string().min(1).max(200).optional(),
    spec: jsonSchema.optional(),
    ref: jsonSchema.optional(),
    own: z.literal(true).optional(),
    timeoutMs: spanSchema.optional(),
    onUnknown: z.enum(unknownAnswers).optional(),
    callback: z.literal(true).optional(),
  })
  .refine(({ spec, ref, own }) => [spec, ref, own].filter((given) => given !== undefined).length === 1, {
    error: "An external job has exactly one of spec, ref and own.",
  });

const waitSpecSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sleep"), key: keySchema, ms: spanSchema }),
  /** `timeoutMs`: how long it is waited for; absent: for ever. */
  z.strictObject({ kind: z.literal("signal"), key: keySchema, name: keySchema, timeoutMs: spanSchema.optional() }),
  /** `timeoutMs`: from its creation to its end; absent: as its definition says. */
  z.strictObject({
    kind: z.literal("call"),
    key: keySchema,
    definition: definitionSchema,
    input: jsonSchema,
    timeoutMs: spanSchema.optional(),
  }),
  /** A task over a list: one run whose children are the items. `timeoutMs`: of each item. */
  z.strictObject({
    kind: z.literal("map"),
    key: keySchema,
    definition: definitionSchema,
    items: z.array(itemSchema).max(limits.itemsPerMap),
    concurrency: z.number().int().positive().max(limits.slots).optional(),
    timeoutMs: spanSchema.optional(),
  }),
  externalSchema,
]);
/** Something that a body waits for, as it asks for it. Durations are milliseconds from when it is opened. */
export type WaitSpec = z.infer<typeof waitSpecSchema>;

/** More than may wait: too many are refused by the store, which says which limit it is and what to do. */
const mostKeys = limits.stepsPerRun;

const waitsSchema = z.strictObject({
  waits: z.array(waitSpecSchema).max(limits.openWaitsPerRun),
  /** Races that are decided: the step that says how, and the keys of the waits that are dropped with it. */
  settles: z
    .array(z.strictObject({ key: keySchema, value: jsonSchema, drops: z.array(keySchema).max(limits.openWaitsPerRun) }))
    .max(limits.openWaitsPerRun),
});
/** What is recorded of the keys that were named, and which waits cannot be: these were not opened. */
const waitsAnswerSchema = z.strictObject({
  records: z.array(stepRecordSchema),
  refused: z.array(z.strictObject({ key: keySchema, error: runErrorSchema })),
});

/** A job that a body has returned: to be started, or started already. `path`: where in the output it stands. */
const returnedJobSchema = z
  .strictObject({
    path: z.array(z.union([z.string(), z.number().int().nonnegative()])).max(limits.nestingLevels),
    service: z.string().min(1).max(100),
    connection: z.string().min(1).max(200).optional(),
    spec: jsonSchema.optional(),
    ref: jsonSchema.optional(),
  })
  .refine(({ spec, ref }) => (spec === undefined) !== (ref === undefined), {
    error: "A returned job has exactly one of spec and ref.",
  });
export type ReturnedJob = z.infer<typeof returnedJobSchema>;

interface Method {
  readonly group: AccessGroup;
  readonly params: z.ZodType;
  readonly result: z.ZodType;
}

/** Every method: its group, what is sent, what comes back. Identity comes from the activation, never from the message. */
export const channelMethods = {
  "log.write": {
    group: "logging",
    params: z.strictObject({ lines: z.array(lineSchema).min(1).max(1_000) }),
    result: emptySchema,
  },
  "progress.report": {
    group: "logging",
    params: z.strictObject({ done: z.number(), total: z.number().optional(), text: z.string().max(1_000).optional() }),
    result: emptySchema,
  },
  /**
   * The one way to success (P4). Waits for every earlier call of the activation. With `jobs`, the run waits for them first, without
   * its body, and succeeds with what came of each in its place; `enough`: how many have to succeed, default all.
   */
  "run.succeed": {
    group: "lifecycle",
    params: z.strictObject({
      output: jsonSchema,
      jobs: z.array(returnedJobSchema).min(1).max(mostKeys).optional(),
      enough: z.number().int().positive().optional(),
    }),
    result: emptySchema,
  },
  /** `fatal`: no further attempt. */
  "run.fail": {
    group: "lifecycle",
    params: z.strictObject({ error: runErrorSchema, fatal: z.boolean().optional() }),
    result: emptySchema,
  },
  /** Fails this attempt and says when the next is wanted; attempts are counted as ever. */
  "run.retry": {
    group: "lifecycle",
    params: z.strictObject({ error: runErrorSchema, afterMs: z.number().int().nonnegative().max(limits.spanMs) }),
    result: emptySchema,
  },
  "run.skip": { group: "lifecycle", params: z.strictObject({ reason: z.string().max(1_000) }), result: emptySchema },
  /** Records a step's result. When the key is recorded already, the record answers and nothing changes. */
  "step.commit": {
    group: "lifecycle",
    /** `tookMs`: how long the step's function ran; said where the activation is traced. */
    params: z.strictObject({ key: keySchema, value: jsonSchema, tookMs: z.number().nonnegative().optional() }),
    result: z.strictObject({ recorded: z.boolean(), value: jsonSchema }),
  },
  /** Opens waits while the body goes on. What is open or recorded under its key already stays as it is. */
  "wait.open": { group: "lifecycle", params: waitsSchema, result: waitsAnswerSchema },
  /**
   * Opens waits and ends the activation until every wait of any one group has ended. `suspended` false: a group has ended
   * already, or a wait was refused, and the body goes on.
   */
  "run.suspend": {
    group: "lifecycle",
    params: waitsSchema.extend({
      groups: z.array(z.array(keySchema).min(1).max(mostKeys)).min(1).max(mostKeys),
    }),
    result: waitsAnswerSchema.extend({ suspended: z.boolean() }),
  },
  /**
   * Opens a job that the body starts by itself, and tells the token to start it with: the same after every crash, until it has ended.
   * `ref`: it was adopted already. `record`: it has ended, or was refused once and for all.
   */
  "external.submit": {
    group: "lifecycle",
    params: z.strictObject({
      key: keySchema,
      service: z.string().min(1).max(100),
      connection: z.string().min(1).max(200).optional(),
      timeoutMs: spanSchema.optional(),
      onUnknown: z.enum(unknownAnswers).optional(),
    }),
    result: z.strictObject({
      token: z.string().nullable(),
      ref: jsonSchema.nullable(),
      record: jsonSchema.optional(),
    }),
  },
  /** Says how such a job is called in its service. From then on it is watched. The same again changes nothing. */
  "external.adopt": {
    group: "lifecycle",
    params: z.strictObject({ key: keySchema, ref: jsonSchema }),
    result: emptySchema,
  },
  /** The output of a run that this one called, or the result of an external job of its own. */
  "output.get": {
    group: "read",
    params: z.union([
      z.strictObject({ run: z.string().min(1).max(100) }),
      z.strictObject({ job: z.string().min(1).max(100) }),
    ]),
    result: z.strictObject({ output: jsonSchema }),
  },
  ...stateMethods,
  /** Starts a run of its own, once under its key: that is a step, whose record is the run's id. */
  "run.enqueue": {
    group: "orchestration",
    params: z.strictObject({
      key: keySchema,
      definition: definitionSchema,
      input: jsonSchema,
      /** The run's own key. */
      runKey: keySchema.optional(),
    }),
    result: z.strictObject({ runId: z.string() }),
  },
} as const satisfies Record<string, Method>;

export type ChannelMethod = keyof typeof channelMethods;

/** What an activation carries out: a body, or the clean-up of its run. */
export type ActivationKind = "body" | "cleanUp";

/**
 * What an activation may not call though its process is granted the group: a clean-up waits for nothing, starts no job that somebody would
 * have to watch, and does not say again how its run ends. Data, as the grants are.
 */
export const withheldMethods: Readonly<Record<ActivationKind, readonly ChannelMethod[]>> = {
  body: [],
  cleanUp: ["run.suspend", "wait.open", "external.submit", "external.adopt", "run.skip"],
};
export type ChannelParams<M extends ChannelMethod> = z.infer<(typeof channelMethods)[M]["params"]>;
export type ChannelResult<M extends ChannelMethod> = z.infer<(typeof channelMethods)[M]["result"]>;

/** A call that some body makes; the transport behind it may be a function, a socket pair or HTTP. Rejects with AppError. */
export type ChannelCall = <M extends ChannelMethod>(method: M, params: ChannelParams<M>) => Promise<ChannelResult<M>>;

export const activationStartSchema = withCode({
  nonce: z.string().min(16).max(64),
  run: z.strictObject({
    id: z.string(),
    rootId: z.string(),
    parentId: z.string().nullable(),
    definition: z.string(),
    /** The workflow that this run is a node of; null for a root. */
    workflow: z.string().nullable(),
    /** The node's name in its workflow (`transform[eu]`), or the definition's id for a root. */
    name: z.string(),
    item: z.string().nullable(),
    key: z.string().nullable(),
    generation: z.number().int(),
  }),
  attempt: z.number().int().positive(),
  epoch: z.number().int().positive(),
  input: jsonSchema,
  /** What earlier activations of this generation recorded. */
  steps: z.array(stepRecordSchema),
  /** Secret-free seed of `ctx.token`: store incarnation, run and generation, hashed. */
  tokenSeed: z.string(),
  /** W3C `traceparent` of this activation's span, where there is a trace to go on with. */
  traceparent: z.string().optional(),
  /** It is no start of the body, but a try of the run's clean-up: why the run was cut off, and which try. */
  cleanUp: z.strictObject({ code: z.string(), message: z.string(), try: z.number().int().positive() }).optional(),
});
/** Everything a body needs to start: pushed by the supervisor before any user code is loaded for it. */
export type ActivationStart = z.infer<typeof activationStartSchema>;

// Frames: JSON-RPC 2.0, one a line. The child speaks first (`hello`); after that the supervisor sends the commands below.

export const helloSchema = z.strictObject({
  jsonrpc: z.literal("2.0"),
  method: z.literal("hello"),
  params: z.strictObject({
    versions: z.tuple([z.number().int(), z.number().int()]),
    sdk: z.string(),
    kind: z.enum(processKinds),
    pid: z.number().int(),
  }),
});
export type Hello = z.infer<typeof helloSchema>;

/** Child to supervisor: the module of the activation has been loaded here, which it was not before. Without an answer. */
export const loadedSchema = z.strictObject({
  jsonrpc: z.literal("2.0"),
  method: z.literal("activation.loaded"),
  params: z.strictObject({ nonce: z.string().max(64) }),
});

/**
 * Child to supervisor, sent right behind the call that ends an activation, without an answer. `clean`: nothing that the
 * body started is left, so that this process may take another activation. A child that never says it is used once. `loaded`:
 * the code that it has taken in since it last said; it takes another activation only while all of that is as it was.
 */
export const returnedSchema = z.strictObject({
  jsonrpc: z.literal("2.0"),
  method: z.literal("activation.returned"),
  params: z.strictObject({
    nonce: z.string().max(64),
    clean: z.boolean(),
    loaded: z.array(codeFileSchema).max(limits.codeFiles).optional(),
  }),
});

export const requestSchema = z.strictObject({
  jsonrpc: z.literal("2.0"),
  id: z.number().int().nonnegative(),
  method: z.string().max(100),
  params: z.unknown(),
  /** The nonce of the activation that speaks. */
  nonce: z.string().max(64),
});
export type Request = z.infer<typeof requestSchema>;

export const wireErrorSchema = z.object({
  /** JSON-RPC's own numbers: -32700 parse, -32600 request, -32601 method, -32602 params, -32000 everything of ours. */
  code: z.number().int(),
  message: z.string(),
  data: z.object({ code: z.string(), hint: z.string().optional(), details: jsonSchema.optional() }),
});
export type WireError = z.infer<typeof wireErrorSchema>;

export const replySchema = z.union([
  z.strictObject({ jsonrpc: z.literal("2.0"), id: z.number().int().nonnegative().nullable(), result: z.unknown() }),
  z.strictObject({ jsonrpc: z.literal("2.0"), id: z.number().int().nonnegative().nullable(), error: wireErrorSchema }),
]);
export type Reply = z.infer<typeof replySchema>;

/** Supervisor to child. `activation.end`: the body is no longer wanted, its result will not be heard. */
export const commandSchema = z.discriminatedUnion("method", [
  z.strictObject({
    jsonrpc: z.literal("2.0"),
    method: z.literal("welcome"),
    params: z.strictObject({ version: z.number().int(), projectRoot: z.string() }),
  }),
  z.strictObject({ jsonrpc: z.literal("2.0"), method: z.literal("activation.start"), params: activationStartSchema }),
  z.strictObject({
    jsonrpc: z.literal("2.0"),
    method: z.literal("activation.abort"),
    params: z.strictObject({ nonce: z.string(), reason: z.string() }),
  }),
  z.strictObject({ jsonrpc: z.literal("2.0"), method: z.literal("goodbye"), params: emptySchema }),
]);
export type Command = z.infer<typeof commandSchema>;
