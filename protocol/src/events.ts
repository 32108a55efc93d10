import { z } from "zod";
import { jsonSchema } from "./json.ts";

/**
 * What can happen to a run, in the past tense. Numbers of a run's events are 1, 2, 3… without holes in commit order (P10).
 * The data of each is small and stable: readers of topics live on it.
 */
export const eventTypes = [
  "run.enqueued",
  "run.ready",
  "run.started",
  "run.waiting",
  "run.woken",
  "run.signalled",
  "wait.opened",
  "run.retry_scheduled",
  "run.lost",
  "run.given_back",
  "run.paused",
  "run.resumed",
  "run.cancel_requested",
  "run.clean_up_due",
  "run.clean_up_started",
  "run.cleaned_up",
  "run.clean_up_failed",
  "run.forced",
  "run.marked",
  "run.restarted",
  "run.reset",
  "run.reopened",
  "run.succeeded",
  "run.failed",
  "run.cancelled",
  "run.skipped",
  "step.arguments_changed",
  "external.submitting",
  "external.submitted",
  "external.observed",
  "external.timed_out",
  "external.unknown",
  "external.ended",
] as const;
export type EventType = (typeof eventTypes)[number];

export const runEventSchema = z.object({
  runId: z.string(),
  rootId: z.string(),
  definition: z.string(),
  name: z.string(),
  number: z.number().int().positive(),
  type: z.enum(eventTypes),
  /** Milliseconds since 1970 on the store's clock. */
  at: z.number(),
  data: jsonSchema,
});
/** One event of one run, as it is kept. */
export type RunEvent = z.infer<typeof runEventSchema>;

/** On the store's clock: RFC 3339 in UTC, with milliseconds. */
const time = z.iso.datetime();

export const runEventViewSchema = runEventSchema.extend({ at: time });
/** One event of one run, as people and programs see it. */
export type RunEventView = z.infer<typeof runEventViewSchema>;

/** An event at its place in a namespace's log. Positions rise; a reader goes on from the last one it saw. */
export const topicEventSchema = runEventSchema.extend({ position: z.number().int().positive() });
export type TopicEvent = z.infer<typeof topicEventSchema>;

export const topicEventViewSchema = topicEventSchema.extend({ at: time });
/** As people and programs see it. */
export type TopicEventView = z.infer<typeof topicEventViewSchema>;

export const logLineSchema = z.object({
  runId: z.string(),
  epoch: z.number().int(),
  /** 1, 2, 3… in one activation. */
  seq: z.number().int().positive(),
  at: z.number(),
  stream: z.enum(["stdout", "stderr", "log", "progress", "supervisor"]),
  level: z.enum(["debug", "info", "warn", "error"]),
  text: z.string(),
  fields: jsonSchema.optional(),
});
/** One line that an activation wrote. `supervisor`: what the control plane says about the process itself. */
export type LogLine = z.infer<typeof logLineSchema>;

export const logLineViewSchema = logLineSchema.extend({ at: time });
/** As people and programs see it. */
export type LogLineView = z.infer<typeof logLineViewSchema>;
