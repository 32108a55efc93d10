import { type Json, type JsonObject, jsonSchema, type Observation, type PollResult } from "@holdfast/protocol";
import { z } from "zod";
import { pollByListing } from "./batch.ts";
import { shortText } from "./failures.ts";
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
import { instantMs, span } from "./instants.ts";
import { nameOf, shortHash } from "./names.ts";
import type { TokenProvider } from "./token-provider.ts";
import type { Tracker } from "./tracker.ts";

// Dataproc jobs, v1: work on a cluster. The caller chooses the job's id, and `requestId` makes the same submission the same job.
// What `details` says in words decides nothing; an attempt that failed (ATTEMPT_FAILURE) is started again by the service until
// `done`. Source: google/cloud/dataproc/v1/jobs.proto.

const refSchema = z.object({
  project: projectSchema,
  region: regionSchema,
  cluster_name: nameSchema.optional(),
  job_id: nameSchema,
});
export type DataprocRef = z.infer<typeof refSchema>;
const looseRefSchema = refSchema.partial({ project: true, region: true });

const specSchema = z.strictObject({
  project: projectSchema.optional(),
  region: regionSchema.optional(),
  cluster: nameSchema,
  /** What jobs:submit takes beside reference and placement: `{"pysparkJob": {…}}`. */
  job: z.record(z.string(), jsonSchema),
});
export type DataprocSpec = z.infer<typeof specSchema>;

const jobSchema = z.object({
  reference: z.object({ jobId: z.string() }),
  status: z
    .object({
      state: z.string().optional(),
      details: z.string().optional(),
      stateStartTime: z.string().optional(),
      substate: z.string().optional(),
    })
    .optional(),
  statusHistory: z.array(z.object({ state: z.string().optional(), stateStartTime: z.string().optional() })).optional(),
  yarnApplications: z
    .array(
      z.object({ name: z.string().optional(), progress: z.number().optional(), trackingUrl: z.string().optional() }),
    )
    .optional(),
  driverOutputResourceUri: z.string().optional(),
  done: z.boolean().optional(),
});
type Job = z.infer<typeof jobSchema>;

const listSchema = z.object({ jobs: z.array(jobSchema).optional(), nextPageToken: z.string().optional() });
const listFrom = 10;
const mostPages = 50;
const finalStates: ReadonlySet<string> = new Set(["DONE", "ERROR", "CANCELLED"]);
const openStates: ReadonlySet<string> = new Set([
  "",
  "STATE_UNSPECIFIED",
  "PENDING",
  "SETUP_DONE",
  "RUNNING",
  "CANCEL_PENDING",
  "CANCEL_STARTED",
  "ATTEMPT_FAILURE",
]);

/** The service of one region. */
export function dataprocHost(region: string): string {
  return `${region}-dataproc.googleapis.com`;
}

function jobsPath(ref: Pick<DataprocRef, "project" | "region">): string {
  return `/v1/projects/${ref.project}/regions/${ref.region}/jobs`;
}

function jobCall(ref: DataprocRef): { readonly host: string; readonly path: string } {
  return { host: dataprocHost(ref.region), path: `${jobsPath(ref)}/${encodeURIComponent(ref.job_id)}` };
}

async function look(ref: DataprocRef, io: GoogleIo): Promise<PollResult> {
  try {
    return { observation: observe(await askGoogle(io, jobSchema, jobCall(ref))) };
  } catch (error) {
    return googlePollFailure(error);
  }
}

function observe(job: Job): Observation {
  const { state = "", details, stateStartTime, substate } = job.status ?? {};
  const isFinal = finalStates.has(state) || job.done === true;
  const rest = {
    rawStatus: state,
    ...progressOf(job),
    ...linksOf(job),
    ...span(startedAt(job), isFinal ? instantMs(stateStartTime) : undefined),
  };
  const message = details === undefined || details === "" ? {} : { message: shortText(details) };
  if (state === "DONE") return { phase: "succeeded", ...rest, result: resultOf(job) };
  if (state === "CANCELLED") return { phase: "cancelled", ...rest, ...message };
  if (isFinal) return { phase: "failed", ...rest, message: "Dataproc gives no reason.", ...message, code: state };
  const isQueued = state === "PENDING" || state === "SETUP_DONE" || substate === "QUEUED";
  const warning = openStates.has(state) ? {} : { warning: `Dataproc says "${state}", which is not known.` };
  return { phase: isQueued ? "queued" : "running", ...rest, ...message, ...warning };
}

function startedAt(job: Job): number | undefined {
  const all = [...(job.statusHistory ?? []), ...(job.status === undefined ? [] : [job.status])];
  return instantMs(all.find(({ state }) => state === "RUNNING")?.stateStartTime);
}

function progressOf(job: Job): { progress?: { done: number; total: number } } {
  const parts = (job.yarnApplications ?? []).flatMap(({ progress }) => (progress === undefined ? [] : [progress]));
  if (parts.length === 0) return {};
  return { progress: { done: parts.reduce((sum, part) => sum + part, 0) / parts.length, total: 1 } };
}

function linksOf(job: Job): { links?: { label: string; url: string }[] } {
  const links = (job.yarnApplications ?? []).flatMap(({ name, trackingUrl }) =>
    trackingUrl === undefined ? [] : [{ label: (name ?? "YARN").slice(0, 100), url: trackingUrl }],
  );
  return links.length === 0 ? {} : { links: links.slice(0, 10) };
}

function resultOf(job: Job): Json {
  const { driverOutputResourceUri } = job;
  return { job_id: job.reference.jobId, ...(driverOutputResourceUri !== undefined && { driverOutputResourceUri }) };
}

async function listOpen(ref: DataprocRef, io: GoogleIo): Promise<ReadonlyMap<string, PollResult>> {
  const found = new Map<string, PollResult>();
  let pageToken: string | undefined;
  for (let pages = 0; pages < mostPages; pages++) {
    const query = { jobStateMatcher: "ACTIVE", pageSize: "500", pageToken };
    const page = await askGoogle(io, listSchema, { host: dataprocHost(ref.region), path: jobsPath(ref), query });
    for (const job of page.jobs ?? []) found.set(job.reference.jobId, { observation: observe(job) });
    pageToken = page.nextPageToken;
    if (pageToken === undefined || pageToken === "") break;
  }
  return found;
}

function refOf(spec: DataprocSpec, token: string): DataprocRef {
  const { project = "", region = "", cluster } = spec;
  return { project, region, cluster_name: cluster, job_id: nameOf(token) };
}

export const dataproc: Tracker<DataprocSpec, DataprocRef, GoogleSettings, TokenProvider> = {
  service: "dataproc",
  settings: googleSettingsSchema,
  connect: ({ credentials }) => googleTokens(credentials),
  spec: specSchema as z.ZodType<DataprocSpec>,
  ref: looseRefSchema as z.ZodType<DataprocRef>,
  submission: () => "token",
  complete: (spec, settings) => ({
    ...spec,
    project: named(spec.project, settings.project, "project"),
    region: named(spec.region, settings.location, "location"),
  }),
  completeRef: (ref, settings) => ({
    ...ref,
    project: named(ref.project, settings.project, "project"),
    region: named(ref.region, settings.location, "location"),
  }),
  refOf: ({ spec, token }) => refOf(spec, token),
  describe: ({ project, region, cluster_name, job_id }) => ({
    externalId: [project, region, cluster_name, job_id].filter((part) => part !== undefined).join("/"),
    links: [
      {
        label: "Dataproc",
        url: `https://console.cloud.google.com/dataproc/jobs/${job_id}?region=${region}&project=${project}`,
      },
    ],
  }),
  submit: async ({ spec, token }, io) => {
    const ref = refOf(spec, token);
    const job: JsonObject = {
      ...spec.job,
      reference: { projectId: ref.project, jobId: ref.job_id },
      placement: { clusterName: spec.cluster },
    };
    const call = { method: "POST", host: dataprocHost(ref.region), path: `${jobsPath(ref)}:submit` } as const;
    await createNamed(io, { ...call, body: { job, requestId: shortHash(token) } });
    return ref;
  },
  pollGroup: jobsPath,
  poll: (refs, io) =>
    pollByListing({
      refs,
      listFrom,
      group: jobsPath,
      id: (ref) => ref.job_id,
      list: (ref) => listOpen(ref, io),
      get: (ref) => look(ref, io),
    }),
  cancel: (ref, io) => {
    const { host, path } = jobCall(ref);
    return cancelGoogle(
      () => askGoogle(io, jobSchema, { host, path }),
      observe,
      () => callGoogle(io, { method: "POST", host, path: `${path}:cancel`, body: {} }),
    );
  },
};
