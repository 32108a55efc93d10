import { z } from "zod";
import { limits } from "./limits.ts";

// What is paused, over HTTP.

export const pauseViewSchema = z.object({
  /** `run`: with all that is below it. `definition`: its runs, with all below them. */
  kind: z.enum(["run", "definition", "queue"]),
  /** The run's id, the definition's, or the queue's name. */
  name: z.string(),
  since: z.iso.datetime(),
  reason: z.string().nullable(),
});
/** One pause. */
export type PauseView = z.infer<typeof pauseViewSchema>;

export const pauseSchema = z.strictObject({ reason: z.string().max(1_000).optional() });
export const resumeSchema = z.strictObject({});

/**
 * `paused`: whether this pause stands now, `since` when it did (before a resume). `changed`: false when it was so already.
 * `others`: of a run, what it is paused by besides.
 */
export const pausedSchema = z.object({
  kind: pauseViewSchema.shape.kind,
  name: z.string(),
  paused: z.boolean(),
  changed: z.boolean(),
  since: z.iso.datetime().nullable(),
  others: z.array(pauseViewSchema),
  /** That nobody knows such a queue, and which may be meant. */
  note: z.string().optional(),
});
/** What a pause or resume did. */
export type Paused = z.infer<typeof pausedSchema>;

export const listPausesQuerySchema = z.strictObject({
  kind: pauseViewSchema.shape.kind.optional(),
  cursor: z.string().max(2_000).optional(),
  limit: z.coerce.number().int().min(1).max(limits.pageRows).default(100),
});
export const pausePageSchema = z.object({ pauses: z.array(pauseViewSchema), cursor: z.string().nullable() });
export type PausePage = z.infer<typeof pausePageSchema>;
