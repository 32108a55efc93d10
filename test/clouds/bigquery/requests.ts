import { randomUUID } from "node:crypto";
import { fields } from "../google/fields.ts";
import { Refusal } from "../refusal.ts";
import { record, text } from "../values.ts";
import type { JobReference } from "./resources.ts";

// What is sent to BigQuery, and what it refuses: a name that its messages have not, a job of no kind, an id or a label in
// letters that it does not take.

const queryFields =
  "query destinationTable externalTableDefinitions userDefinedFunctionResources createDisposition writeDisposition defaultDataset priority preserveNulls allowLargeResults useQueryCache flattenResults maximumBillingTier maximumBytesBilled useLegacySql parameterMode queryParameters systemVariables schemaUpdateOptions timePartitioning rangePartitioning clustering destinationEncryptionConfiguration scriptOptions connectionProperties createSession continuous writeIncrementalResults";
export const jobFields = fields(
  "kind etag id selfLink user_email userEmail principalSubject statistics status jobCreationReason",
  {
    jobReference: fields("projectId jobId location"),
    configuration: fields("jobType load copy extract dryRun jobTimeoutMs labels maxSlots reservation", {
      query: fields(queryFields),
    }),
  },
);
export const requestFields = fields(
  "kind query maxResults defaultDataset timeoutMs jobTimeoutMs maxSlots destinationEncryptionConfiguration dryRun preserveNulls useQueryCache useLegacySql parameterMode queryParameters location formatOptions connectionProperties labels maximumBytesBilled requestId createSession jobCreationMode reservation writeIncrementalResults",
);

/** Which job is asked for, and of which kind. */
export function readJob(body: Record<string, unknown>, project: string): { reference: JobReference; kind: string } {
  const configuration = record(body.configuration);
  const asked = record(body.jobReference);
  const kinds = ["query", "load", "copy", "extract"].filter((name) => configuration[name] !== undefined);
  const [kind, second] = kinds;
  if (kind === undefined || second !== undefined) {
    throw new Refusal(400, "Required parameter is missing: exactly one of query, load, copy, extract", "required");
  }
  if (kind === "query" && !text(record(configuration.query).query)) {
    throw new Refusal(400, "Required parameter is missing: query", "required");
  }
  if (asked.projectId !== undefined && asked.projectId !== project) {
    throw new Refusal(400, `Value '${asked.projectId}' in content does not agree with value '${project}'.`, "invalid");
  }
  checkLabels(configuration.labels);
  const jobId = text(asked.jobId) ?? `job_${randomUUID().replaceAll("-", "").slice(0, 28)}`;
  if (!/^[\w-]{1,1024}$/.test(jobId)) {
    const rule = "Job IDs must be alphanumeric (plus underscores and dashes) and must be at most 1024 characters long.";
    throw new Refusal(400, `Invalid job ID "${jobId}". ${rule}`, "invalid");
  }
  return { reference: { projectId: project, jobId, location: canonical(text(asked.location) ?? "US") }, kind };
}

/** Multi-regions are written `US` and `EU`, regions in small letters, however they were sent. */
export function canonical(location: string): string {
  return /^(us|eu)$/i.test(location) ? location.toUpperCase() : location.toLowerCase();
}

function checkLabels(labels: unknown): void {
  for (const [name, value] of Object.entries(record(labels))) {
    const isGood =
      /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u.test(name) && /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u.test(String(value));
    if (!isGood)
      throw new Refusal(
        400,
        `Label "${name}" or its value "${value}" has invalid characters or is too long.`,
        "invalid",
      );
  }
}
