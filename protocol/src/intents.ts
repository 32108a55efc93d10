import { z } from "zod";
import { runErrorSchema } from "./errors.ts";
import { limits } from "./limits.ts";

// Intents under /v1: what users' own transactions have promised, and no node has carried out yet or could.

export const intentStates = ["open", "rejected"] as const;
export type IntentState = (typeof intentStates)[number];

export const intentViewSchema = z.object({
  id: z.number().int(),
  kind: z.enum(["enqueue", "cancel", "signal"]),
  /** `open`: a node will carry it out. `rejected`: none could, and `error` says why. */
  state: z.enum(intentStates),
  /** The run that was promised, that is to end or is sent a signal; null where the key of the latter two names none. */
  runId: z.string().nullable(),
  /** The name of a signal. */
  signal: z.string().nullable(),
  definition: z.string().nullable(),
  key: z.string().nullable(),
  madeAt: z.iso.datetime(),
  rejectedAt: z.iso.datetime().nullable(),
  error: runErrorSchema.nullable(),
});
export type IntentView = z.infer<typeof intentViewSchema>;

export const listIntentsQuerySchema = z.strictObject({
  state: z.enum(intentStates).default("rejected"),
  cursor: z.string().max(500).optional(),
  limit: z.coerce.number().int().min(1).max(limits.pageRows).default(100),
});
export const intentPageSchema = z.object({
  intents: z.array(intentViewSchema),
  cursor: z.string().max(500).nullable(),
});
export type IntentPage = z.infer<typeof intentPageSchema>;

const ids = z.array(z.number().int().positive()).min(1).max(limits.pageRows);

/** Without `ids`: every rejected intent. */
export const retryIntentsSchema = z.strictObject({ ids: ids.optional() });
export const retriedIntentsSchema = z.object({ reopened: z.number().int() });
export type RetriedIntents = z.infer<typeof retriedIntentsSchema>;

export const dropIntentsSchema = z.strictObject({ ids });
export const droppedIntentsSchema = z.object({ dropped: z.number().int() });
export type DroppedIntents = z.infer<typeof droppedIntentsSchema>;
