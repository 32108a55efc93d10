// `holdfast/external`: jobs of other systems, that `ctx.external` waits for and that bodies may return.
export type { BigQueryQueryOptions, BigQueryRef, BigQueryResult, BigQueryRows } from "./external/bigquery.ts";
export { bigquery } from "./external/bigquery.ts";
export type { CloudRunJobOptions, CloudRunRef, CloudRunResult } from "./external/cloud-run.ts";
export { cloudRun } from "./external/cloud-run.ts";
export type { DataprocBatchResult, DataprocResult } from "./external/dataproc.ts";
export { dataproc, dataprocBatch } from "./external/dataproc.ts";
export { type Deferred, deferred } from "./external/deferred.ts";
export { ExternalJobError, type ExternalJobFacts, isExternalJobError } from "./external/external-error.ts";
export type { ExternalJob, JobOptions, JobPlace, OwnSubmission } from "./external/external-job.ts";
export type { GooglePlace } from "./external/google-place.ts";
export type { HttpCall, HttpJobOptions, HttpPoll } from "./external/http.ts";
export { http, mock } from "./external/http.ts";
export type { KubernetesContainer, KubernetesManifest, KubernetesResult } from "./external/kubernetes.ts";
export { kubernetes } from "./external/kubernetes.ts";
export { customJob, type JobService, own } from "./external/own.ts";
