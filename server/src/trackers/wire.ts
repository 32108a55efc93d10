import {
  cancelAnswers,
  type Json,
  jsonSchema,
  observationSchema,
  pollResultSchema,
  preparedJobSchema,
  trackedJobSchema,
  trackingFailureSchema,
  utf8Bytes,
} from "@holdfast/protocol";
import { z } from "zod";

// What is said on the channel of a tracker process: JSON-RPC 2.0, one message a line (protocol/framing.ts). The node asks and orders; the
// process answers by id and tells of what it watches.

/** A connection as a tracker process gets it. */
const connectionSchema = z.strictObject({
  /** What of the configuration is the service's own business. */
  settings: jsonSchema,
});

export const startSchema = z.strictObject({
  jsonrpc: z.literal("2.0"),
  method: z.literal("start"),
  params: z.strictObject({
    connections: z.record(z.string(), connectionSchema),
    /** Modules of the user's with trackers, as absolute paths. */
    modules: z.array(z.string()),
    mock: z.boolean(),
    /** How long one call to a service may take. */
    callMs: z.number().positive(),
  }),
});
export type StartParams = z.infer<typeof startSchema>["params"];

const addressShape = { service: z.string(), connection: z.string().nullable() };
const submissionShape = { ...addressShape, spec: jsonSchema, token: z.string().min(1) };
const momentSchema = z.strictObject({ machineMs: z.number(), wallMs: z.number() });
const refShape = { ...addressShape, ref: jsonSchema };

/** Every method: what is asked and what is answered. */
export const trackingMethods = {
  prepare: { params: z.strictObject(submissionShape), result: preparedJobSchema },
  adopt: { params: z.strictObject(refShape), result: trackedJobSchema },
  submit: {
    params: z.strictObject({ ...submissionShape, notAfter: momentSchema.optional() }),
    result: trackedJobSchema,
  },
  find: { params: z.strictObject(submissionShape), result: trackedJobSchema.nullable() },
  poll: { params: z.strictObject({ ...addressShape, refs: z.array(jsonSchema) }), result: z.array(pollResultSchema) },
  cancel: { params: z.strictObject(refShape), result: z.enum(cancelAnswers) },
  /** Answered when the process hears orders: nothing that it does keeps it from that. */
  ping: { params: z.strictObject({}), result: z.null() },
} as const satisfies Record<string, { readonly params: z.ZodType; readonly result: z.ZodType }>;
export type TrackingMethod = keyof typeof trackingMethods;
export type TrackingParams<M extends TrackingMethod> = z.infer<(typeof trackingMethods)[M]["params"]>;
export type TrackingResult<M extends TrackingMethod> = z.infer<(typeof trackingMethods)[M]["result"]>;

export const askedSchema = z.strictObject({
  jsonrpc: z.literal("2.0"),
  id: z.number().int().nonnegative(),
  method: z.enum(Object.keys(trackingMethods) as [TrackingMethod, ...TrackingMethod[]]),
  params: z.unknown(),
});

/** Orders without an answer. `watch` and `unwatch` change what a watch of that number watches; `stop` gives up a call. */
export const orderSchema = z.discriminatedUnion("method", [
  startSchema,
  z.strictObject({
    jsonrpc: z.literal("2.0"),
    method: z.literal("watch"),
    params: z.strictObject({ ...addressShape, watch: z.number().int(), refs: z.array(jsonSchema) }),
  }),
  z.strictObject({
    jsonrpc: z.literal("2.0"),
    method: z.literal("unwatch"),
    /** Without refs the whole watch ends. */
    params: z.strictObject({ watch: z.number().int(), refs: z.array(jsonSchema).optional() }),
  }),
  z.strictObject({
    jsonrpc: z.literal("2.0"),
    method: z.literal("stop"),
    params: z.strictObject({ id: z.number().int() }),
  }),
]);
export type Order = z.infer<typeof orderSchema>;

const portionRows = 5_000;
const portionBytes = 8 * 1_048_576;

/** Refs in portions of which each fits a message, in their order: a ref may be large, and a connection may have many. */
export function portions(refs: readonly Json[]): Json[][] {
  const made: Json[][] = [];
  let bytes = 0;
  for (const ref of refs) {
    const size = utf8Bytes(JSON.stringify(ref));
    const last = made.at(-1);
    if (last === undefined || last.length >= portionRows || bytes + size > portionBytes) {
      made.push([ref]);
      bytes = size;
    } else {
      last.push(ref);
      bytes += size;
    }
  }
  return made;
}

const wireFailureSchema = z.object({ code: z.number().int(), message: z.string(), data: trackingFailureSchema });

/** What a tracker process says. */
export const saidSchema = z.union([
  z.object({ jsonrpc: z.literal("2.0"), id: z.number().int(), result: z.unknown() }),
  z.object({ jsonrpc: z.literal("2.0"), id: z.number().int(), error: wireFailureSchema }),
  z.object({ jsonrpc: z.literal("2.0"), method: z.literal("ready"), params: z.object({ pid: z.number() }) }),
  z.object({
    jsonrpc: z.literal("2.0"),
    method: z.literal("observed"),
    params: z.object({ watch: z.number().int(), ref: jsonSchema, observation: observationSchema }),
  }),
  z.object({
    jsonrpc: z.literal("2.0"),
    method: z.literal("watched"),
    params: z.object({ watch: z.number().int(), refs: z.array(jsonSchema), watched: z.boolean() }),
  }),
  /** A user's module that cannot be loaded. */
  z.object({
    jsonrpc: z.literal("2.0"),
    method: z.literal("broken"),
    params: z.object({ file: z.string(), message: z.string() }),
  }),
]);
export type Said = z.infer<typeof saidSchema>;
