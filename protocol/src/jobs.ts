import { z } from "zod";
import { runErrorSchema } from "./errors.ts";
import { jsonSchema } from "./json.ts";
import { limits } from "./limits.ts";
import { jobLinkSchema, jobProgressSchema, submissionClasses } from "./tracking.ts";

// External jobs: work in another system that a body waits for. Where they stand, and how people and programs see them.

/**
 * `submitting`: recorded, and perhaps called for. `cancelling`: it is to be ended, and has not been yet. `lost`: its service does not
 * know it any more, or nobody can say what became of it. `unknown`: nobody knows whether it began; a person decides.
 */
export const jobStatuses = [
  "submitting",
  "running",
  "cancelling",
  "succeeded",
  "failed",
  "cancelled",
  "lost",
  "unknown",
] as const;
export type JobStatus = (typeof jobStatuses)[number];

export const endedJobStatuses = ["succeeded", "failed", "cancelled", "lost"] as const;
export type EndedJobStatus = (typeof endedJobStatuses)[number];

/** True when nothing that is said about a job of this status changes it any more. */
export function isEndedJob(status: JobStatus): status is EndedJobStatus {
  return (endedJobStatuses as readonly JobStatus[]).includes(status);
}

/**
 * Who starts a job, and what its service lets that promise (`submissionClasses`). `own`: the body calls the service, with the
 * token. `adopted`: it was started already, and the body says its name.
 */
export const jobSubmissions = [...submissionClasses, "own", "adopted"] as const;
export type JobSubmission = (typeof jobSubmissions)[number];

/** What becomes of a job of which nobody knows whether it began: a person is asked, or it is submitted once more. */
export const unknownAnswers = ["ask", "resubmit"] as const;
export type UnknownAnswer = (typeof unknownAnswers)[number];

/** A job as a body finds it in the record of its wait. */
export const recordedJobSchema = z.object({
  id: z.string(),
  service: z.string(),
  externalId: z.string().nullable(),
  /** The service's own word for how it ended. */
  rawStatus: z.string().nullable(),
  links: z.array(jobLinkSchema),
});
export type RecordedJob = z.infer<typeof recordedJobSchema>;

/** One external job, as people and programs see it. */
export const jobViewSchema = z.object({
  id: z.string(),
  runId: z.string(),
  /** The key under which the run's body waits for it, and the number of the submission. */
  key: z.string(),
  number: z.number().int(),
  generation: z.number().int(),
  service: z.string(),
  connection: z.string().nullable(),
  submission: z.enum(jobSubmissions),
  status: z.enum(jobStatuses),
  /** The service's own word for where it stands. */
  rawStatus: z.string().nullable(),
  externalId: z.string().nullable(),
  links: z.array(jobLinkSchema),
  progress: jobProgressSchema.nullable(),
  warning: z.string().nullable(),
  error: runErrorSchema.nullable(),
  /** Absent in lists. */
  result: jsonSchema.optional(),
  /** Why it is to end; null: nobody has ordered it. */
  reason: z.string().nullable(),
  timedOut: z.boolean(),
  /** The node that tracks it; null: none at present. */
  node: z.string().nullable(),
  /** Failed looks in a row. */
  tries: z.number().int(),
  lookedAt: z.iso.datetime().nullable(),
  nextLookAt: z.iso.datetime().nullable(),
  openedAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
});
export type JobView = z.infer<typeof jobViewSchema>;

export const listJobsQuerySchema = z.strictObject({
  run: z.string().optional(),
  service: z.string().max(100).optional(),
  status: z
    .union([z.enum(jobStatuses), z.array(z.enum(jobStatuses))])
    .transform((given) => [given].flat())
    .optional(),
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(limits.pageRows).default(100),
});
/** The newest first. */
export const jobPageSchema = z.object({ jobs: z.array(jobViewSchema), cursor: z.string().nullable() });
export type JobPage = z.infer<typeof jobPageSchema>;
