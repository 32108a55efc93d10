import { z } from "zod";
import { limits } from "./limits.ts";
import { catchUps, overlaps, timingSchema } from "./schedule.ts";

// Bodies of the HTTP interface for schedules.

const time = z.iso.datetime();

/** Why ticks started no run: left out by `overlap`, missed (`catchUp`), or failed to be started. */
export const tickNoteSchema = z.object({
  what: z.enum(["skipped", "missed", "failed"]),
  /** The first and the last of ticks that follow each other. */
  from: time,
  to: time,
  /** Null: too many to count. */
  count: z.number().int().nullable(),
  why: z.string(),
});
export type TickNoteView = z.infer<typeof tickNoteSchema>;

/** A schedule as people and programs see it. Times are RFC 3339 in UTC. */
export const scheduleViewSchema = z.object({
  id: z.string(),
  definition: z.string(),
  when: timingSchema,
  tz: z.string(),
  catchUp: z.enum(catchUps),
  overlap: z.enum(overlaps),
  jitterMs: z.number().int(),
  startAt: z.string().nullable(),
  endAt: z.string().nullable(),
  paused: z.boolean(),
  /** Since when, and why; null: it is not, or nobody said. */
  pausedAt: time.nullable(),
  pauseReason: z.string().nullable(),
  /** When it was resumed last. */
  resumedAt: time.nullable(),
  /** Its next ticks, as many as were asked for; what jitter adds left out. Empty when none comes any more. */
  next: z.array(time),
  /** The last tick that started a run, and the last run that was started, also by a person. */
  lastTick: time.nullable(),
  lastRun: z.string().nullable(),
  started: z.number().int(),
  /** Ticks that started no run. */
  leftOut: z.number().int(),
  /** What is said of them, the newest last; only the newest are kept. */
  notes: z.array(tickNoteSchema),
  declaredAt: time,
});
export type ScheduleView = z.infer<typeof scheduleViewSchema>;

const shownTicks = (most: number) => z.coerce.number().int().min(0).max(most);

export const listSchedulesQuerySchema = z.strictObject({
  definition: z.string().max(limits.idCharacters).optional(),
  cursor: z.string().max(500).optional(),
  limit: z.coerce.number().int().min(1).max(limits.pageRows).default(100),
  /** How many of each schedule's next ticks. */
  next: shownTicks(10).default(1),
});
export const schedulePageSchema = z.object({ schedules: z.array(scheduleViewSchema), cursor: z.string().nullable() });
export type SchedulePage = z.infer<typeof schedulePageSchema>;

export const getScheduleQuerySchema = z.strictObject({ next: shownTicks(limits.pageRows).default(5) });

/** `changed`: false when it was so already. */
export const pausedScheduleSchema = z.object({ schedule: scheduleViewSchema, changed: z.boolean() });
export type PausedSchedule = z.infer<typeof pausedScheduleSchema>;

export const pauseScheduleSchema = z.strictObject({ reason: z.string().max(1_000).optional() });

/** `removed`: false when somebody else was faster. */
export const removedScheduleSchema = z.object({
  id: z.string(),
  definition: z.string().nullable(),
  removed: z.boolean(),
});
export type RemovedSchedule = z.infer<typeof removedScheduleSchema>;
