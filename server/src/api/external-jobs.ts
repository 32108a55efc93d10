import {
  callbackSchema,
  calledBackSchema,
  jobPageSchema,
  jobViewSchema,
  limits,
  listJobsQuerySchema,
  resolvedJobSchema,
  resolveJobSchema,
  sweepJobsSchema,
  sweptJobsSchema,
} from "@holdfast/protocol";
import type { ExternalJobs } from "../operations/external-jobs.ts";
import { type Route, route } from "./route.ts";
import { idOf } from "./runs.ts";

const resultBodyBytes = 6 * limits.jobResultBytes + 16 * 1024;

/** `/v1/external-jobs`, and the one-time addresses below `/v1/callbacks`. */
export function externalJobRoutes({ externalJobs }: { externalJobs: ExternalJobs }): Route[] {
  return [
    route({
      method: "GET",
      path: "/v1/external-jobs",
      summary: "Jobs in other systems that runs wait for, or waited for; the newest first.",
      errors: ["not_found", "ambiguous_id"],
      query: listJobsQuerySchema,
      answer: jobPageSchema,
      handle: ({ query }) => externalJobs.list(query),
    }),
    route({
      method: "GET",
      path: "/v1/external-jobs/{id}",
      summary: "One external job, with its result.",
      errors: ["not_found"],
      answer: jobViewSchema,
      handle: ({ params }) => externalJobs.get(idOf(params)),
    }),
    route({
      method: "POST",
      path: "/v1/external-jobs/{id}/resolve",
      summary: "Says what became of a job that nobody can ask for.",
      errors: ["not_found", "run_ended", "request_conflict", "too_large"],
      maxBodyBytes: resultBodyBytes,
      keeps: true,
      body: resolveJobSchema,
      answer: resolvedJobSchema,
      handle: ({ params, body, control }) => externalJobs.resolve(idOf(params), body, control),
    }),
    route({
      method: "POST",
      path: "/v1/external-jobs/sweep",
      summary: "Gives up jobs that are open though their run has ended.",
      errors: [],
      body: sweepJobsSchema,
      bodyOptional: true,
      answer: sweptJobsSchema,
      handle: ({ body }) => externalJobs.sweep(body),
    }),
    route({
      method: "POST",
      path: "/v1/callbacks/{id}/{secret}",
      summary: "Ends an external job, once: its address is the permission.",
      isOpen: true,
      errors: ["not_found", "run_ended", "too_large"],
      maxBodyBytes: resultBodyBytes,
      body: callbackSchema,
      bodyOptional: true,
      answer: calledBackSchema,
      handle: ({ params, body }) => externalJobs.callBack(idOf(params), params.secret ?? "", body),
    }),
  ];
}
