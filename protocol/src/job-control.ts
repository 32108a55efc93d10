import { z } from "zod";
import { runErrorSchema } from "./errors.ts";
import { jobViewSchema } from "./jobs.ts";
import { jsonSchema } from "./json.ts";
import { limits } from "./limits.ts";

// What people decide about external jobs, and what services say by one-time addresses, over HTTP.

/**
 * What became of a job of which nobody knows whether it began, or which nobody can reach: it `succeeded` or `failed` there; it is there
 * under this `ref`, and is to be watched; it never began, and is to be submitted once more (`resubmit`); or it is given up (`lost`).
 */
export const resolveJobSchema = z.discriminatedUnion("as", [
  z.strictObject({ as: z.literal("succeeded"), result: jsonSchema.optional() }),
  z.strictObject({ as: z.enum(["failed", "lost"]), message: z.string().max(limits.errorTextBytes).optional() }),
  z.strictObject({ as: z.literal("running"), ref: jsonSchema }),
  z.strictObject({ as: z.literal("resubmit") }),
]);
export type ResolveJob = z.infer<typeof resolveJobSchema>;
/** `job`: as it stands then; after `resubmit` the new one. */
export const resolvedJobSchema = z.object({ job: jobViewSchema });
export type ResolvedJob = z.infer<typeof resolvedJobSchema>;

/** Gives up jobs that are open though nothing waits for them any more: their run has ended. At most `limit` a call. */
export const sweepJobsSchema = z.strictObject({
  /** Only look. */
  preview: z.boolean().optional(),
  limit: z.number().int().min(1).max(limits.pageRows).optional(),
});
export type SweepJobs = z.infer<typeof sweepJobsSchema>;
export const sweptJobsSchema = z.object({ jobs: z.array(jobViewSchema), more: z.boolean() });
export type SweptJobs = z.infer<typeof sweptJobsSchema>;

/** What is posted to a job's one-time address. An empty object: it succeeded. */
export const callbackSchema = z.object({
  status: z.enum(["succeeded", "failed", "cancelled"]).default("succeeded"),
  result: jsonSchema.optional(),
  error: runErrorSchema
    .pick({ message: true })
    .extend({ code: z.string().max(100).optional() })
    .optional(),
});
export type JobCallback = z.infer<typeof callbackSchema>;
export const calledBackSchema = z.object({ status: jobViewSchema.shape.status });
export type CalledBack = z.infer<typeof calledBackSchema>;
