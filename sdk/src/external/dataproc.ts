import type { Json } from "@holdfast/protocol";
import { given, makeJob } from "./external-job.ts";
import type { GooglePlace } from "./google-place.ts";

/** What a job on a Dataproc cluster answers. */
export interface DataprocResult {
  readonly job_id: string;
  /** Where what its driver printed is. */
  readonly driverOutputResourceUri?: string;
}

/** What a serverless batch answers. */
export interface DataprocBatchResult {
  readonly name: string;
  readonly outputUri?: string;
}

type Fields = Readonly<Record<string, Json>>;

/** Serverless batches of Dataproc. */
export const dataprocBatch = {
  service: "dataproc_batch",
  /** Starts a batch: what batches.create takes, `{ pysparkBatch: {…}, runtimeConfig: {…} }`. */
  batch: ({ connection, project, region, batch }: GooglePlace & { readonly batch: Fields }) => {
    const spec = given({ project, region, batch });
    return makeJob<DataprocBatchResult>({ service: "dataproc_batch", connection }, { spec });
  },
  /** A batch that has been started by somebody else. */
  existing: ({ connection, project, region, batchId }: GooglePlace & { readonly batchId: string }) => {
    const ref = given({ project, region, batch_id: batchId });
    return makeJob<DataprocBatchResult>({ service: "dataproc_batch", connection }, { ref });
  },
} as const;

/** Dataproc. */
export const dataproc = {
  service: "dataproc",
  /** Work on a cluster: what jobs:submit takes beside reference and placement, `{ pysparkJob: {…} }`. */
  job: ({
    connection,
    project,
    region,
    cluster,
    job,
  }: GooglePlace & { readonly cluster: string; readonly job: Fields }) => {
    const spec = given({ project, region, cluster, job });
    return makeJob<DataprocResult>({ service: "dataproc", connection }, { spec });
  },
  /** A job that has been started by somebody else. */
  existing: ({
    connection,
    project,
    region,
    cluster,
    jobId,
  }: GooglePlace & { readonly cluster?: string; readonly jobId: string }) => {
    const ref = given({ project, region, cluster_name: cluster, job_id: jobId });
    return makeJob<DataprocResult>({ service: "dataproc", connection }, { ref });
  },
  batch: dataprocBatch.batch,
} as const;
