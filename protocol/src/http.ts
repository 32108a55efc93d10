import { z } from "zod";
import { type ErrorCode, errorCodes, runErrorSchema } from "./errors.ts";
import { logLineViewSchema, runEventViewSchema, topicEventViewSchema } from "./events.ts";
import { jsonSchema } from "./json.ts";
import { keySchema } from "./key.ts";
import { limits } from "./limits.ts";
import { manifestSchema } from "./manifest.ts";
import { pauseViewSchema } from "./pauses.ts";
import { scheduleSpecSchema } from "./schedule.ts";
import { runKinds, runStatusSchema } from "./status.ts";
import { traceparentPattern } from "./traceparent.ts";
import { keptSignalSchema, waitViewSchema } from "./waits.ts";

// Bodies of the HTTP interface under /v1. The same schemas validate, describe (OpenAPI) and type the client.

const time = z.iso.datetime();
const cursor = z.string().max(500);
const limit = z.coerce.number().int().min(1).max(limits.pageRows).default(100);

/** A run as people and programs see it. Times are RFC 3339 in UTC; durations are milliseconds. */
export const runViewSchema = z.object({
  id: z.string(),
  rootId: z.string(),
  parentId: z.string().nullable(),
  kind: z.enum(runKinds),
  definition: z.string(),
  name: z.string(),
  item: z.string().nullable(),
  key: z.string().nullable(),
  queue: z.string(),
  priority: z.number().int(),
  status: runStatusSchema,
  attempt: z.number().int(),
  epoch: z.number().int(),
  generation: z.number().int(),
  /** The generation of its parent that made it: with an earlier one than its parent has now, it has been superseded. */
  parentGeneration: z.number().int(),
  manifestHash: z.string(),
  input: jsonSchema.nullable(),
  output: jsonSchema.nullable(),
  error: runErrorSchema.nullable(),
  /** Upstreams that have not ended yet. */
  blockedBy: z.number().int(),
  /** Children that have not ended yet. */
  openChildren: z.number().int(),
  notBefore: time.nullable(),
  /** The concurrency limit for whose slot it stands in line: `queue/etl`, `definition/load`, `map/RUN`, `schedule/ID`. */
  limit: z.string().nullable(),
  expiresAt: time.nullable(),
  createdAt: time,
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  /** Running time of this attempt up to its last activation's end. */
  ranMs: z.number(),
  /** What it is paused by; only where one run is asked for, and something does. */
  pauses: z.array(pauseViewSchema).optional(),
  /** What its body has open, the oldest first, at most 100; only where one run is asked for, and something is open. */
  waits: z.array(waitViewSchema).optional(),
  /** Signals that nobody has waited for yet, the oldest first, at most 100; only where one run is asked for, and it keeps some. */
  signals: z.array(keptSignalSchema).optional(),
});
export type RunView = z.infer<typeof runViewSchema>;

export const startRunSchema = z.strictObject({
  definition: z.string().min(1).max(limits.idCharacters),
  input: jsonSchema.optional(),
  key: keySchema.optional(),
  /** How long the key is remembered after it was first used; default 30 days. */
  keyRetentionMs: z.number().int().positive().max(limits.spanMs).optional(),
  priority: z.number().int().min(-1_000).max(1_000).optional(),
  /** Not before this moment. */
  startAfter: time.optional(),
  /** The run ends `failed` with `expired` this long after now. */
  expiresAfterMs: z.number().int().positive().max(limits.spanMs).optional(),
  /** The span under which the run's trace begins; wins over the header of this name. It is no part of what a key names. */
  traceparent: z.string().regex(traceparentPattern).optional(),
});
export type StartRun = z.infer<typeof startRunSchema>;

/** `existing`: the key named a run that was there already. */
export const startedRunSchema = z.object({ run: runViewSchema, existing: z.boolean() });
export type StartedRun = z.infer<typeof startedRunSchema>;

export const listRunsQuerySchema = z.strictObject({
  status: z.union([runStatusSchema, z.array(runStatusSchema)]).optional(),
  definition: z.string().optional(),
  parent: z.string().optional(),
  /** Only the runs that this key names. */
  key: z.string().optional(),
  /** Only runs that were created from then on. */
  since: time.optional(),
  /** `roots` (default): only runs without a parent. `all`: every run. */
  scope: z.enum(["roots", "all"]).default("roots"),
  cursor: cursor.optional(),
  limit,
});
export const runPageSchema = z.object({ runs: z.array(runViewSchema), cursor: cursor.nullable() });
export type RunPage = z.infer<typeof runPageSchema>;

/** Pages by `after`, the id of the last run that was answered. */
export const listTreeQuerySchema = z.strictObject({ after: z.string().max(100).optional(), limit });

export const cancelRunSchema = z.strictObject({
  reason: z.string().max(1_000).optional(),
  /** Ends what is running at once; its processes are ended when their nodes find that they hold them no more. */
  force: z.boolean().optional(),
});
/**
 * `requested`: how many live runs were reached at once; 0 when it had ended or was being cancelled. What lies below them in a
 * tree of more than `limits.pageRows` is reached soon after, and nothing of the tree starts until then.
 */
export const cancelledRunSchema = z.object({
  run: runViewSchema,
  requested: z.number().int(),
  forced: z.number().int(),
});
export type CancelledRun = z.infer<typeof cancelledRunSchema>;

export const listEventsQuerySchema = z.strictObject({
  after: z.coerce.number().int().nonnegative().default(0),
  limit,
  /** Waits up to this long for a first event (at most 30 s). */
  waitMs: z.coerce.number().int().min(0).max(30_000).default(0),
});
export const eventPageSchema = z.object({ events: z.array(runEventViewSchema), last: z.number().int() });
export type EventPage = z.infer<typeof eventPageSchema>;

/** As for a run's events; `after=last` answers no events and where the log ends now. */
export const listTopicQuerySchema = listEventsQuerySchema.extend({
  after: z.union([z.literal("last"), z.coerce.number().int().nonnegative()]).default(0),
});
export const topicPageSchema = z.object({ events: z.array(topicEventViewSchema), last: z.number().int() });
export type TopicPage = z.infer<typeof topicPageSchema>;

export const listLogsQuerySchema = z.strictObject({ cursor: cursor.optional(), limit });
export const logPageSchema = z.object({ lines: z.array(logLineViewSchema), cursor: cursor.nullable() });

export type LogPage = z.infer<typeof logPageSchema>;

export const resultQuerySchema = z.strictObject({ waitMs: z.coerce.number().int().min(0).max(30_000).default(0) });

/** A limit of a queue or a definition: `queue/etl`, `definition/load`, `queue-rate/etl`, `rate/load`. */
export const limitViewSchema = z.object({
  name: z.string(),
  slots: z.number().int(),
  /** Of a rate: how long a start holds a slot, from the run's claim on, and when the first of them are over; RFC 3339. */
  perMs: z.number().optional(),
  starts: z.array(z.string()).optional(),
  /** Ids of the runs that hold its slots, the first hundred; of a rate those that may start and have not. */
  holders: z.array(z.string()),
  /** Ids of the runs that stand in line, the first hundred, the next first. */
  standing: z.array(z.string()),
});
export type LimitView = z.infer<typeof limitViewSchema>;
export const limitPageSchema = z.object({ limits: z.array(limitViewSchema) });

export const applySchema = z.strictObject({
  manifests: z.array(manifestSchema).min(1).max(1_000),
  /** All that their definitions have from now on; absent: schedules stay as they are. */
  schedules: z.array(scheduleSpecSchema).max(limits.batchRows).optional(),
});
export const definitionViewSchema = z.object({
  id: z.string(),
  kind: z.enum(["task", "workflow"]),
  manifestHash: z.string(),
  appliedAt: time,
});
export type DefinitionView = z.infer<typeof definitionViewSchema>;
export const definitionPageSchema = z.object({ definitions: z.array(definitionViewSchema) });
/** `changed`: ids whose manifest is not the one that was current. `schedules`: ids of those that are new, changed or gone. */
export const appliedSchema = z.object({
  definitions: z.array(definitionViewSchema),
  changed: z.array(z.string()),
  schedules: z.object({ declared: z.array(z.string()), withdrawn: z.array(z.string()) }),
});
export type Applied = z.infer<typeof appliedSchema>;

export const serverViewSchema = z.object({
  version: z.string(),
  store: z.string(),
  incarnation: z.string(),
  namespace: z.string(),
  now: time,
});

export type ServerView = z.infer<typeof serverViewSchema>;

export const errorBodySchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    details: jsonSchema.optional(),
    request_id: z.string(),
  }),
});
export type ErrorBody = z.infer<typeof errorBodySchema>;

/** The HTTP status of an error code. */
export function httpStatus(code: ErrorCode): number {
  return errorCodes[code];
}
