import { type Duration, durationMs, type Json } from "@holdfast/protocol";
import { type ExternalJob, given, type JobOptions, makeJob } from "./external-job.ts";

/** What a job of BigQuery answers: where its rows are and what it took. 64-bit numbers are texts, as the service writes them. */
export interface BigQueryResult {
  readonly project: string;
  readonly job_id: string;
  readonly location?: string;
  readonly destinationTable?: { readonly projectId?: string; readonly datasetId?: string; readonly tableId?: string };
  readonly totalBytesProcessed?: string;
  readonly totalBytesBilled?: string;
  readonly cacheHit?: boolean;
  readonly statementType?: string;
  readonly numDmlAffectedRows?: string;
  /** Of a load. */
  readonly outputRows?: string;
}

/** With the first rows of a query, where they were asked for. */
export interface BigQueryRows<Row> extends BigQueryResult {
  readonly rows: readonly Row[];
  readonly totalRows?: string;
}

interface BigQueryPlace extends JobOptions {
  readonly project?: string;
  readonly location?: string;
}

interface BigQueryJobOptions extends BigQueryPlace {
  readonly labels?: Readonly<Record<string, string>>;
  /** The service itself ends the job after that. */
  readonly jobTimeout?: Duration;
}

export interface BigQueryQueryOptions extends BigQueryJobOptions {
  /** Standard SQL; `@name` stands for a parameter. */
  readonly sql: string;
  readonly params?: Readonly<Record<string, Json>>;
}

export interface BigQueryRef extends BigQueryPlace {
  readonly jobId: string;
}

function placed({ connection }: JobOptions) {
  return { service: "bigquery", connection };
}

function shared({ project, location, labels, jobTimeout }: BigQueryJobOptions) {
  const jobTimeoutMs = jobTimeout === undefined ? undefined : durationMs(jobTimeout);
  if (jobTimeout !== undefined && jobTimeoutMs === undefined) {
    throw new RangeError(`jobTimeout is a duration such as "30m", not ${JSON.stringify(jobTimeout)}.`);
  }
  return { project, location, labels, jobTimeoutMs };
}

function query<Row = Readonly<Record<string, Json>>>(
  options: BigQueryQueryOptions & { readonly rows: number },
): ExternalJob<BigQueryRows<Row>>;
function query(options: BigQueryQueryOptions & { readonly rows?: never }): ExternalJob<BigQueryResult>;
function query(options: BigQueryQueryOptions & { readonly rows?: number }): ExternalJob<unknown> {
  const { sql, params, rows } = options;
  return makeJob(placed(options), { spec: given({ sql, params, rows, ...shared(options) }) });
}

function existing<Row = Readonly<Record<string, Json>>>(
  ref: BigQueryRef & { readonly rows: number },
): ExternalJob<BigQueryRows<Row>>;
function existing(ref: BigQueryRef & { readonly rows?: never }): ExternalJob<BigQueryResult>;
function existing(ref: BigQueryRef & { readonly rows?: number }): ExternalJob<unknown> {
  const { project, location, jobId, rows } = ref;
  return makeJob(placed(ref), { ref: given({ project, location, job_id: jobId, rows }) });
}

/** BigQuery. */
export const bigquery = {
  service: "bigquery",
  /** A query in Standard SQL. `rows`: so many of its first rows, at most 1,000, belong to the result. */
  query,
  /** Any job, by its `configuration` as jobs.insert takes it: a load, an extract, a copy. */
  job: (options: BigQueryJobOptions & { readonly configuration: Readonly<Record<string, Json>> }) => {
    const { configuration } = options;
    return makeJob<BigQueryResult>(placed(options), { spec: given({ configuration, ...shared(options) }) });
  },
  /** A job that has been started by somebody else. */
  existing,
} as const;
