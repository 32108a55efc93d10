import { createHash } from "node:crypto";
import { overlay } from "../script.ts";
import { record, text, whole } from "../values.ts";
import { endedMs, hasEnded, type Job, nowOf, phaseOf, startedMs } from "../world.ts";
import type { QueryResult } from "./engine.ts";

// Jobs as BigQuery shows them: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job.

export interface JobReference {
  readonly projectId: string;
  readonly jobId: string;
  readonly location: string;
}

export interface ErrorProto {
  readonly reason: string;
  readonly location?: string;
  readonly message: string;
}

export const userEmail = "runner@clouds-test.iam.gserviceaccount.com";
const stoppedMessage = "Job execution was cancelled: User requested cancellation";

export function referenceOf(job: Job): JobReference {
  return job.facts.reference as JobReference;
}

/** The job's failure, when it has one. */
export function errorOf(job: Job): ErrorProto | undefined {
  const { phase, reason, message } = nowOf(job);
  const location = text(job.facts.errorLocation);
  if (phase === "cancelled") return { reason: reason ?? "stopped", message: message ?? stoppedMessage };
  if (phase !== "failed") return undefined;
  return {
    reason: reason ?? "invalidQuery",
    ...(location !== undefined && { location }),
    message: message ?? "Scripted failure.",
  };
}

function stateOf(job: Job): string {
  const { state } = nowOf(job);
  if (state !== undefined) return state;
  if (hasEnded(job)) return "DONE";
  return phaseOf(job) === "queued" ? "PENDING" : "RUNNING";
}

function statisticsOf(job: Job, result: QueryResult | undefined): Record<string, unknown> {
  const [started, ended] = [startedMs(job), endedMs(job)];
  const bytes = String(result?.bytesProcessed ?? 0);
  const isGood = phaseOf(job) === "succeeded";
  const query = {
    ...(result !== undefined && { statementType: result.statementType }),
    ...(result?.affectedRows !== undefined && { numDmlAffectedRows: String(result.affectedRows) }),
    totalBytesProcessed: bytes,
    totalBytesBilled: bytes,
    cacheHit: false,
    totalSlotMs: String((ended ?? 0) - (started ?? 0)),
  };
  return {
    creationTime: String(job.createdMs),
    ...(started !== undefined && { startTime: String(started) }),
    ...(ended !== undefined && { endTime: String(ended) }),
    ...(isGood && jobTypeOf(job) === "QUERY" && { totalBytesProcessed: bytes, query, totalSlotMs: query.totalSlotMs }),
    ...(isGood &&
      jobTypeOf(job) === "LOAD" && { load: { inputFiles: "1", outputRows: "0", outputBytes: "0", badRecords: "0" } }),
    ...(ended !== undefined && started !== undefined && { finalExecutionDurationMs: String(ended - started) }),
  };
}

export function jobTypeOf(job: Job): string {
  const kinds = ["query", "load", "copy", "extract"];
  const configuration = record(job.spec.configuration);
  return kinds.find((kind) => configuration[kind] !== undefined)?.toUpperCase() ?? "UNKNOWN";
}

/** What was asked for, with what the service fills in; int64 as text, as it answers. */
function configurationOf(job: Job): Record<string, unknown> {
  const { query, jobTimeoutMs, ...others } = record(job.spec.configuration);
  const configuration: Record<string, unknown> = { ...others, jobType: jobTypeOf(job) };
  if (jobTimeoutMs !== undefined) configuration.jobTimeoutMs = String(whole(jobTimeoutMs) ?? jobTimeoutMs);
  if (query !== undefined) {
    const { maximumBytesBilled, ...asked } = record(query);
    configuration.query = {
      writeDisposition: "WRITE_TRUNCATE",
      priority: "INTERACTIVE",
      useLegacySql: true,
      destinationTable: anonymousTable(job),
      ...asked,
      ...(maximumBytesBilled !== undefined && { maximumBytesBilled: String(maximumBytesBilled) }),
    };
  }
  return configuration;
}

/** Where rows of a query without a destination are kept for a day. */
export function anonymousTable(job: Job): { projectId: string; datasetId: string; tableId: string } {
  const hash = createHash("sha256").update(job.key).digest("hex");
  return {
    projectId: referenceOf(job).projectId,
    datasetId: `_${hash.slice(0, 40)}`,
    tableId: `anon${hash.slice(24)}`,
  };
}

export function showJob(job: Job, result: QueryResult | undefined): Record<string, unknown> {
  const reference = referenceOf(job);
  const error = errorOf(job);
  const { projectId, jobId, location } = reference;
  const resource = {
    kind: "bigquery#job",
    etag: etagOf(job),
    id: job.key,
    selfLink: `https://bigquery.googleapis.com/bigquery/v2/projects/${projectId}/jobs/${jobId}?location=${location}`,
    user_email: userEmail,
    configuration: configurationOf(job),
    jobReference: reference,
    statistics: statisticsOf(job, result),
    status: { ...(error && { errorResult: error, errors: [error] }), state: stateOf(job) },
    principal_subject: `serviceAccount:${userEmail}`,
    jobCreationReason: { code: "REQUESTED" },
  };
  const { patch } = nowOf(job);
  return patch === undefined ? resource : (overlay(resource, patch) as Record<string, unknown>);
}

/** A job in a list; with `minimal`, the default, its configuration is left out. */
export function showListedJob(job: Job, options: { result: QueryResult | undefined; isFull: boolean }): object {
  const shown = showJob(job, options.result);
  const status = record(shown.status);
  return {
    id: shown.id,
    kind: shown.kind,
    jobReference: shown.jobReference,
    state: status.state,
    ...(status.errorResult !== undefined && { errorResult: status.errorResult }),
    statistics: shown.statistics,
    ...(options.isFull && { configuration: shown.configuration }),
    status,
    user_email: userEmail,
    principal_subject: shown.principal_subject,
  };
}

export function etagOf(job: Job): string {
  return createHash("md5").update(`${job.uid} ${job.past.length}`).digest("base64");
}
