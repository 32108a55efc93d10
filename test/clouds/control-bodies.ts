import { z } from "zod";
import { services } from "./services.ts";

// What tests send to /__clouds/…. Unknown names are refused: a fault that is misspelt would be a test that proves nothing.

const phase = z.enum(["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]);
const ms = z.number().nonnegative();
const object = z.record(z.string(), z.unknown());

const turn = {
  phase,
  state: z.string().optional(),
  message: z.string().optional(),
  reason: z.string().optional(),
  patch: object.optional(),
};

const callback = z.strictObject({
  url: z.url(),
  method: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.unknown().optional(),
  afterMs: ms.optional(),
  times: z.int().positive().optional(),
});

const script = z.strictObject({
  timeline: z
    .array(z.strictObject({ afterMs: ms, ...turn }))
    .min(1)
    .optional(),
  onCancel: z.union([z.literal("ignored"), z.strictObject({ afterMs: ms, phase: phase.optional() })]).optional(),
  goneAfterEndMs: ms.optional(),
  goneAfterMs: ms.optional(),
  result: z
    .strictObject({
      fields: z.array(z.strictObject({ name: z.string(), type: z.string(), mode: z.string().optional() })),
      rows: z.array(z.array(z.string().nullable())),
    })
    .optional(),
  callback: callback.optional(),
});

const match = z.strictObject({
  service: z.enum(services).optional(),
  operation: z.string().optional(),
  text: z.string().optional(),
});

const fault = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("slow") }),
  z.strictObject({
    kind: z.literal("status"),
    status: z.int().min(200).max(599),
    reason: z.string().optional(),
    message: z.string().optional(),
    retryAfter: z.union([z.number(), z.string()]).optional(),
  }),
  z.strictObject({ kind: z.literal("page"), status: z.int().min(200).max(599), html: z.string().optional() }),
  z.strictObject({ kind: z.literal("reset") }),
  z.strictObject({ kind: z.literal("hang") }),
  z.strictObject({ kind: z.literal("lost"), how: z.enum(["reset", "hang"]).optional() }),
  z.strictObject({ kind: z.literal("hold"), when: z.enum(["before", "after"]) }),
  z.strictObject({ kind: z.literal("malformed") }),
  z.strictObject({ kind: z.literal("truncated") }),
  z.strictObject({ kind: z.literal("patch"), patch: object }),
]);

export const bodies = {
  script: z.strictObject({ match: match.default({}), script }),
  fault: z.strictObject({
    match: match.default({}),
    fault,
    delayMs: ms.optional(),
    skip: z.int().nonnegative().optional(),
    times: z.int().positive().optional(),
  }),
  turn: z.strictObject({ service: z.enum(services), key: z.string(), ...turn }),
  job: z.strictObject({ service: z.enum(services), key: z.string() }),
  clock: z.strictObject({ advanceMs: ms }),
  token: z.strictObject({ token: z.string().min(1), lifetimeMs: z.number() }),
  lifetime: z.strictObject({ lifetimeMs: z.number() }),
  callback,
  none: z.strictObject({}),
};
