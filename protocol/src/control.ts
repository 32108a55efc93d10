import { z } from "zod";
import { runViewSchema } from "./http.ts";
import { jsonSchema } from "./json.ts";
import { runStatusSchema } from "./status.ts";

// How people control runs over HTTP.

const reason = z.string().max(1_000).optional();
/** Only if this is the run's attempt: a repeated request then does nothing more. */
const attempt = z.number().int().positive().optional();

export const retryRunSchema = z.strictObject({
  reason,
  attempt,
  /** Every failed run below it that failed of itself, also where others are still under way. */
  fromFailed: z.boolean().optional(),
});
export type RetryRun = z.infer<typeof retryRunSchema>;

export const clearRunSchema = z.strictObject({
  reason,
  attempt,
  /**
   * `fresh` (default): no recorded step answers, and a workflow makes its children anew; what a run has under way is ended first.
   * `resume`: what succeeded is kept, and open external jobs.
   */
  mode: z.enum(["fresh", "resume"]).optional(),
});
export type ClearRun = z.infer<typeof clearRunSchema>;

/** Of the runs that start again themselves, all together. */
const held = z.object({
  steps: z.number().int(),
  /** Of their state. */
  values: z.number().int(),
  /** Ids of external jobs, the first hundred. */
  jobs: z.array(z.string()),
});

/** What a retry or clear did. Counts are of runs. */
export const restartedSchema = z.object({
  run: runViewSchema,
  /** Ids of those that start again, the first hundred. */
  ids: z.array(z.string()),
  restarted: z.number().int(),
  /** Dependents that wait for them again. */
  reset: z.number().int(),
  /** Runs above that are open again. */
  reopened: z.number().int(),
  /** Left as they are, since somebody was faster, or since they have not begun. */
  unchanged: z.number().int(),
  /** With what they go on: steps that answer, state, jobs for which they wait as before. */
  kept: held,
  /** What they leave behind. Of the jobs the end is ordered: they start again once these have ended. */
  dropped: held,
  /** What could not start again, the first hundred, and why. */
  refused: z.array(z.object({ id: z.string(), message: z.string() })),
});
export type Restarted = z.infer<typeof restartedSchema>;

export const markRunSchema = z.strictObject({
  status: z.enum(["succeeded", "failed", "skipped"]),
  /** Of a run that is marked as succeeded; default null. */
  output: jsonSchema.optional(),
  reason,
});
export type MarkRun = z.infer<typeof markRunSchema>;

/** `changed`: false when it had ended so already. Counts as of a restart. */
export const markedSchema = z.object({
  run: runViewSchema,
  changed: z.boolean(),
  reset: z.number().int(),
  reopened: z.number().int(),
  /** How many of its external jobs were open: their end is ordered, and nobody waits for it. */
  jobs: z.number().int(),
});
export type Marked = z.infer<typeof markedSchema>;

export const bulkActions = ["cancel", "pause", "resume", "retry", "clear"] as const;

export const bulkSchema = z.strictObject({
  action: z.enum(bulkActions),
  definition: z.string().optional(),
  statuses: z.array(runStatusSchema).optional(),
  /** Only runs that were created from then on. */
  since: z.iso.datetime().optional(),
  /** `roots` (default): only runs without a parent. */
  scope: z.enum(["roots", "all"]).optional(),
  /** True: nothing is done, only listed. */
  preview: z.boolean().optional(),
  reason,
  /** Of a cancel. */
  force: z.boolean().optional(),
  /** Of a clear. */
  mode: z.enum(["fresh", "resume"]).optional(),
  /** Where the last page ended; runs are gone through from the newest. */
  cursor: z.string().max(500).optional(),
});
export type Bulk = z.infer<typeof bulkSchema>;

/** One page: the runs that it concerned, and what became of them. */
export const bulkPageSchema = z.object({
  runs: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      status: runStatusSchema,
      /** `matched` in a preview. */
      outcome: z.enum(["matched", "changed", "unchanged", "refused"]),
      message: z.string().optional(),
      /** Of a retry or clear: see there. */
      kept: held.optional(),
      dropped: held.optional(),
    }),
  ),
  /** Null after the last. */
  cursor: z.string().nullable(),
});
export type BulkPage = z.infer<typeof bulkPageSchema>;
