import {
  isFinalPhase,
  type Json,
  type JsonObject,
  jsonSchema,
  type Observation,
  type PollResult,
} from "@holdfast/protocol";
import { z } from "zod";
import { pollByListing } from "./batch.ts";
import { failureOf, shortText } from "./failures.ts";
import {
  askGoogle,
  callGoogle,
  cancelGoogle,
  createNamed,
  type GoogleIo,
  type GoogleSettings,
  googlePollFailure,
  googleSettingsSchema,
  named,
  nameSchema,
  projectSchema,
  regionSchema,
} from "./google.ts";
import { googleTokens } from "./google-tokens.ts";
import { span } from "./instants.ts";
import { nameOf } from "./names.ts";
import { queryParameters } from "./query-parameters.ts";
import { rowObjects, rowsSchema } from "./query-rows.ts";
import type { TokenProvider } from "./token-provider.ts";
import type { Tracker } from "./tracker.ts";

// BigQuery v2. The caller chooses a job's id, so that a submission said twice is one job (409 `duplicate`). `DONE` alone says nothing:
// `errorResult` makes it a failure, `errors` do not. Source: the reference of jobs.get, jobs.insert and jobs.getQueryResults.

const host = "bigquery.googleapis.com";

/** So many rows are small enough to be kept as a result; others are read from the table where they are. */
const rowCountSchema = z.number().int().min(1).max(1_000);
const refSchema = z.object({
  project: projectSchema,
  location: regionSchema,
  job_id: nameSchema,
  /** So many of its rows at most belong to the result. */
  rows: rowCountSchema.optional(),
});
export type BigQueryRef = z.infer<typeof refSchema>;
const looseRefSchema = refSchema.partial({ project: true, location: true });

/** A query in Standard SQL with named parameters, or a whole `configuration` as jobs.insert takes it (load, extract, copy). */
const specSchema = z
  .strictObject({
    project: projectSchema.optional(),
    location: regionSchema.optional(),
    sql: z.string().min(1).optional(),
    params: z.record(z.string().regex(/^[A-Za-z_]\w*$/), jsonSchema).optional(),
    configuration: z.record(z.string(), jsonSchema).optional(),
    labels: z.record(z.string(), z.string()).optional(),
    /** The first so many rows of the query become part of the result. */
    rows: rowCountSchema.optional(),
    /** The service itself ends the job after that. */
    jobTimeoutMs: z.number().int().positive().optional(),
  })
  .refine((spec) => (spec.sql === undefined) !== (spec.configuration === undefined), {
    error: "say either sql or configuration",
  })
  .refine((spec) => spec.rows === undefined || spec.sql !== undefined, { error: "rows are those of sql" })
  .refine((spec) => spec.params === undefined || spec.sql !== undefined, { error: "params belong to sql" });
export type BigQuerySpec = z.infer<typeof specSchema>;

const jobSchema = z.object({
  jobReference: z.object({ projectId: z.string(), jobId: z.string(), location: z.string().optional() }),
  statistics: z
    .object({
      startTime: z.string().optional(),
      endTime: z.string().optional(),
      totalBytesProcessed: z.string().optional(),
      numChildJobs: z.string().optional(),
      query: z
        .object({
          statementType: z.string().optional(),
          numDmlAffectedRows: z.string().optional(),
          totalBytesBilled: z.string().optional(),
          cacheHit: z.boolean().optional(),
        })
        .optional(),
      load: z.object({ outputRows: z.string().optional() }).optional(),
    })
    .optional(),
  configuration: z
    .object({ query: z.object({ destinationTable: z.record(z.string(), z.string()).optional() }).optional() })
    .optional(),
  status: z.object({
    state: z.string().optional(),
    errorResult: z.object({ reason: z.string().optional(), message: z.string().optional() }).optional(),
  }),
});
type Job = z.infer<typeof jobSchema>;

const listSchema = z.object({ jobs: z.array(jobSchema).optional(), nextPageToken: z.string().optional() });
const listFrom = 20;
const mostPages = 50;
/** The service answers after ten seconds if it is not told otherwise, and never after more than about 200. */
const longPollMs = 60_000;

function jobPath(ref: BigQueryRef): string {
  return `/bigquery/v2/projects/${ref.project}/jobs/${encodeURIComponent(ref.job_id)}`;
}

async function getJob(ref: BigQueryRef, io: GoogleIo): Promise<Job> {
  return await askGoogle(io, jobSchema, { host, path: jobPath(ref), query: { location: ref.location } });
}

async function look(ref: BigQueryRef, io: GoogleIo): Promise<PollResult> {
  try {
    return { observation: await withRows(observe(await getJob(ref, io)), ref, io) };
  } catch (error) {
    return googlePollFailure(error);
  }
}

/** A statement that gives no rows is answered without any, or with an error that stays: then the result has none. */
async function withRows(observation: Observation, ref: BigQueryRef, io: GoogleIo): Promise<Observation> {
  if (observation.phase !== "succeeded" || ref.rows === undefined) return observation;
  const query = { location: ref.location, maxResults: String(ref.rows), "formatOptions.useInt64Timestamp": "true" };
  try {
    const found = await askGoogle(io, rowsSchema, { host, path: resultsPath(ref), query });
    const more = { rows: rowObjects(found), ...(found.totalRows !== undefined && { totalRows: found.totalRows }) };
    return { ...observation, result: { ...(observation.result as JsonObject), ...more } };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.fault !== "permanent") throw error;
    return { ...observation, warning: `Its rows cannot be read: ${failure.message}` };
  }
}

function resultsPath(ref: BigQueryRef): string {
  return `/bigquery/v2/projects/${ref.project}/queries/${encodeURIComponent(ref.job_id)}`;
}

function observe(job: Job): Observation {
  const { state = "" } = job.status;
  const { startTime, endTime } = job.statistics ?? {};
  const times = span(numberOf(startTime), numberOf(endTime));
  if (state === "PENDING") return { phase: "queued", rawStatus: state };
  if (state === "RUNNING") return { phase: "running", rawStatus: state, ...times };
  if (state !== "DONE")
    return { phase: "running", rawStatus: state, warning: `BigQuery says "${state}", which is not known.` };
  const { errorResult } = job.status;
  if (errorResult === undefined) return { phase: "succeeded", rawStatus: state, result: resultOf(job), ...times };
  return {
    phase: errorResult.reason === "stopped" ? "cancelled" : "failed",
    rawStatus: state,
    message: shortText(errorResult.message ?? "BigQuery gives no reason."),
    code: errorResult.reason ?? "unknown",
    ...times,
  };
}

/** Where the rows are, and how many bytes it took. 64-bit numbers are texts, as the service writes them. */
function resultOf(job: Job): Json {
  const { projectId, jobId, location } = job.jobReference;
  const { totalBytesProcessed, query, load } = job.statistics ?? {};
  const table = job.configuration?.query?.destinationTable;
  const all = {
    project: projectId,
    job_id: jobId,
    location,
    destinationTable: table,
    totalBytesProcessed,
    ...query,
    ...load,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as JsonObject;
}

function numberOf(text: string | undefined): number | undefined {
  const value = Number(text);
  return text === undefined || Number.isNaN(value) ? undefined : value;
}

/** The caller's jobs that are still open in a project. */
async function listOpen(ref: BigQueryRef, io: GoogleIo): Promise<ReadonlyMap<string, PollResult>> {
  const found = new Map<string, PollResult>();
  let pageToken: string | undefined;
  for (let pages = 0; pages < mostPages; pages++) {
    const query = { stateFilter: ["pending", "running"], projection: "minimal", maxResults: "1000", pageToken };
    const page = await askGoogle(io, listSchema, { host, path: `/bigquery/v2/projects/${ref.project}/jobs`, query });
    for (const job of page.jobs ?? []) {
      const { jobId, location = "" } = job.jobReference;
      const observation = observe(job);
      if (observation.phase === "queued" || observation.phase === "running")
        found.set(idOf(location, jobId), { observation });
    }
    pageToken = page.nextPageToken;
    if (pageToken === undefined) break;
  }
  return found;
}

function idOf(location: string, jobId: string): string {
  return `${location.toLowerCase()}/${jobId}`;
}

function insertBody(spec: BigQuerySpec, ref: BigQueryRef): Json {
  const { project: projectId, job_id: jobId, location } = ref;
  const configuration: JsonObject = spec.configuration ?? { query: queryOf(spec) };
  return {
    jobReference: { projectId, jobId, location },
    configuration: {
      ...configuration,
      ...(spec.labels !== undefined && { labels: spec.labels }),
      ...(spec.jobTimeoutMs !== undefined && { jobTimeoutMs: String(spec.jobTimeoutMs) }),
    },
  };
}

function queryOf(spec: BigQuerySpec): JsonObject {
  const query = { query: spec.sql ?? "", useLegacySql: false };
  if (spec.params === undefined) return query;
  return { ...query, parameterMode: "NAMED", queryParameters: queryParameters(spec.params) };
}

function refOf(spec: BigQuerySpec, token: string): BigQueryRef {
  const { project = "", location = "", rows } = spec;
  return { project, location, job_id: nameOf(token), ...(rows !== undefined && { rows }) };
}

/** Answers when the query is done, or when the service has waited long enough; what it is, the job itself says. */
async function awaitQuery(ref: BigQueryRef, io: GoogleIo): Promise<void> {
  const query = { location: ref.location, timeoutMs: String(longPollMs), maxResults: "0" };
  const path = `/bigquery/v2/projects/${ref.project}/queries/${encodeURIComponent(ref.job_id)}`;
  await callGoogle(io, { host, path, query, lane: "wait", timeoutMs: longPollMs + 20_000 });
}

export const bigQuery: Tracker<BigQuerySpec, BigQueryRef, GoogleSettings, TokenProvider> = {
  service: "bigquery",
  settings: googleSettingsSchema,
  connect: ({ credentials }) => googleTokens(credentials),
  spec: specSchema as z.ZodType<BigQuerySpec>,
  ref: looseRefSchema as z.ZodType<BigQueryRef>,
  submission: () => "token",
  complete: (spec, settings) => {
    if (spec.params !== undefined) queryParameters(spec.params); // their mistakes are found before anything is recorded
    return {
      ...spec,
      project: named(spec.project, settings.project, "project"),
      // Without a location the service chooses one by the tables, and the job is not found again without knowing which.
      location: named(spec.location, settings.location, "location"),
    };
  },
  completeRef: (ref, settings) => ({
    project: named(ref.project, settings.project, "project"),
    location: named(ref.location, settings.location, "location"),
    job_id: ref.job_id,
    ...(ref.rows !== undefined && { rows: ref.rows }),
  }),
  refOf: ({ spec, token }) => refOf(spec, token),
  describe: ({ project, location, job_id }) => ({
    externalId: `${project}/${location}/${job_id}`,
    links: [
      {
        label: "BigQuery",
        url: `https://console.cloud.google.com/bigquery?project=${project}&j=bq:${location}:${encodeURIComponent(job_id)}&page=queryresults`,
      },
    ],
  }),
  submit: async ({ spec, token }, io) => {
    const ref = refOf(spec, token);
    const path = `/bigquery/v2/projects/${ref.project}/jobs`;
    await createNamed(io, { method: "POST", host, path, body: insertBody(spec, ref) });
    return ref;
  },
  pollGroup: (ref) => ref.project,
  poll: (refs, io) =>
    pollByListing({
      refs,
      listFrom,
      group: (ref) => ref.project,
      id: (ref) => idOf(ref.location, ref.job_id),
      list: (ref) => listOpen(ref, io),
      get: (ref) => look(ref, io),
    }),
  cancel: (ref, io) =>
    cancelGoogle(
      () => getJob(ref, io),
      observe,
      () =>
        callGoogle(io, {
          method: "POST",
          host,
          path: `${jobPath(ref)}/cancel`,
          query: { location: ref.location },
          body: {},
        }),
    ),
  watchGroup: (ref) => `${ref.project}/${ref.location}/${ref.job_id}`,
  watchGroups: 100,
  watch: async ({ refs, standing, tell }, io) => {
    for (;;) {
      const [ref] = refs();
      if (ref === undefined) return;
      standing();
      // A query that failed is answered with its error: either way the job itself is asked.
      const refused = await awaitQuery(ref, io).then(
        () => undefined,
        (error: unknown) => error,
      );
      const observation = await withRows(observe(await getJob(ref, io)), ref, io);
      tell(ref, observation);
      if (isFinalPhase(observation.phase)) return;
      if (refused !== undefined) throw refused;
    }
  },
};
