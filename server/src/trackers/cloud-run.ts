import type { Json, Observation, PollResult } from "@holdfast/protocol";
import { z } from "zod";
import { otherNames } from "../connection-settings.ts";
import { pollByListing } from "./batch.ts";
import { permanent, shortText, transient } from "./failures.ts";
import {
  askGoogle,
  callGoogle,
  cancelGoogle,
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
import type { TokenProvider } from "./token-provider.ts";
import type { Tracker } from "./tracker.ts";

// Cloud Run jobs, v2. The service knows no token, so that ours goes into the variables of the container and is found in the listing of
// what the job has started. Finished is what the condition `Completed` says, never `Ready`; a cancelled one has that
// condition too, so that the counts are looked at (apache/airflow#57791). Source: google/cloud/run/v2/*.proto.

const host = "run.googleapis.com";
const tokenVariable = "HOLDFAST_TOKEN";

const refSchema = z.object({
  project: projectSchema,
  region: regionSchema,
  job_name: nameSchema,
  execution_id: nameSchema,
});
export type CloudRunRef = z.infer<typeof refSchema>;
const looseRefSchema = refSchema.partial({ project: true, region: true });

const specSchema = z.strictObject({
  project: projectSchema.optional(),
  region: regionSchema.optional(),
  job: nameSchema,
  /** The container that is told; needed where the job has several. */
  container: z.string().optional(),
  args: z.array(z.string()).optional(),
  env: z.record(z.string(), z.string()).optional(),
  taskCount: z.number().int().positive().optional(),
  timeout: z
    .string()
    .regex(/^\d+(\.\d+)?s$/, 'is no duration such as "600s"')
    .optional(),
});
export type CloudRunSpec = z.infer<typeof specSchema>;

const conditionSchema = z.object({
  type: z.string().optional(),
  state: z.string().optional(),
  message: z.string().optional(),
  reason: z.string().optional(),
  executionReason: z.string().optional(),
});
const startedSchema = z.object({
  name: z.string(),
  startTime: z.string().optional(),
  completionTime: z.string().optional(),
  taskCount: z.number().optional(),
  runningCount: z.number().optional(),
  succeededCount: z.number().optional(),
  failedCount: z.number().optional(),
  cancelledCount: z.number().optional(),
  logUri: z.string().optional(),
  conditions: z.array(conditionSchema).optional(),
  template: z
    .object({
      containers: z
        .array(
          z.object({
            env: z.array(z.object({ name: z.string(), value: z.string().optional() })).optional(),
          }),
        )
        .optional(),
    })
    .optional(),
});
/** One start of a job, which the service has a name of its own for. */
type Started = z.infer<typeof startedSchema>;

const listSchema = z.object({ executions: z.array(startedSchema).optional(), nextPageToken: z.string().optional() });
const operationSchema = z.object({ metadata: z.object({ name: z.string() }) });
const listFrom = 3;
const mostPages = 100;

function jobPath(at: { readonly project: string; readonly region: string; readonly job_name: string }): string {
  return `/v2/projects/${at.project}/locations/${at.region}/jobs/${encodeURIComponent(at.job_name)}`;
}

function pathOf(ref: CloudRunRef): string {
  return `${jobPath(ref)}/executions/${encodeURIComponent(ref.execution_id)}`;
}

async function get(ref: CloudRunRef, io: GoogleIo): Promise<Started> {
  return await askGoogle(io, startedSchema, { host, path: pathOf(ref) });
}

async function look(ref: CloudRunRef, io: GoogleIo): Promise<PollResult> {
  try {
    return { observation: observe(await get(ref, io)) };
  } catch (error) {
    return googlePollFailure(error);
  }
}

function observe(started: Started): Observation {
  const { conditions = [], taskCount = 0, succeededCount = 0, failedCount = 0, cancelledCount = 0 } = started;
  const completed = conditions.find(({ type }) => type === "Completed");
  const rawStatus = completed?.state ?? "";
  const rest = {
    rawStatus,
    ...(taskCount > 0 && { progress: { done: succeededCount, total: taskCount } }),
    ...(started.logUri !== undefined && { links: [{ label: "Logs", url: started.logUri }] }),
    ...span(instantMs(started.startTime), instantMs(started.completionTime)),
  };
  const reason = completed?.executionReason ?? completed?.reason;
  const why = {
    ...(completed?.message !== undefined && { message: shortText(completed.message) }),
    ...(reason !== undefined && { code: reason }),
  };
  const hasEnded = rawStatus === "CONDITION_SUCCEEDED" || rawStatus === "CONDITION_FAILED";
  if (hasEnded && (reason === "CANCELLED" || cancelledCount > 0)) return { phase: "cancelled", ...rest, ...why };
  if (rawStatus === "CONDITION_FAILED") return { phase: "failed", ...rest, ...why };
  if (rawStatus === "CONDITION_SUCCEEDED") {
    if (failedCount > 0 || succeededCount < taskCount) {
      const message = `It is complete, but ${succeededCount} of its ${taskCount} parts have succeeded.`;
      return { phase: "failed", ...rest, message, code: reason ?? "incomplete" };
    }
    const result: Json = { name: started.name, taskCount, succeededCount };
    return { phase: "succeeded", ...rest, result };
  }
  if (!["", "CONDITION_PENDING", "CONDITION_RECONCILING", "STATE_UNSPECIFIED"].includes(rawStatus)) {
    return { phase: "running", ...rest, warning: `Cloud Run says "${rawStatus}" of Completed, which is not known.` };
  }
  return { phase: started.startTime === undefined ? "queued" : "running", ...rest };
}

/** All that a job has started; the service keeps about a thousand. */
async function* list(at: Parameters<typeof jobPath>[0], io: GoogleIo): AsyncGenerator<Started> {
  let pageToken: string | undefined;
  for (let pages = 0; pages < mostPages; pages++) {
    const page = await askGoogle(io, listSchema, {
      host,
      path: `${jobPath(at)}/executions`,
      query: { pageSize: "100", pageToken },
    });
    yield* page.executions ?? [];
    pageToken = page.nextPageToken;
    if (pageToken === undefined || pageToken === "") return;
  }
  throw transient("listing_too_long", `${jobPath(at)} has started more than is read of it.`);
}

async function listAll(ref: CloudRunRef, io: GoogleIo): Promise<ReadonlyMap<string, PollResult>> {
  const found = new Map<string, PollResult>();
  for await (const started of list(ref, io)) found.set(lastOf(started.name), { observation: observe(started) });
  return found;
}

function lastOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function placeOf(spec: CloudRunSpec): Omit<CloudRunRef, "execution_id"> {
  return { project: spec.project ?? "", region: spec.region ?? "", job_name: spec.job };
}

function runBody(spec: CloudRunSpec, token: string): Json {
  const env = Object.entries({ ...spec.env, [tokenVariable]: token }).map(([name, value]) => ({ name, value }));
  return {
    overrides: {
      containerOverrides: [
        {
          ...(spec.container !== undefined && { name: spec.container }),
          ...(spec.args !== undefined && { args: spec.args }),
          env,
        },
      ],
      ...(spec.taskCount !== undefined && { taskCount: spec.taskCount }),
      ...(spec.timeout !== undefined && { timeout: spec.timeout }),
    },
  };
}

function hasToken(started: Started, token: string): boolean {
  return (started.template?.containers ?? []).some(({ env = [] }) =>
    env.some(({ name, value }) => name === tokenVariable && value === token),
  );
}

export const cloudRun: Tracker<CloudRunSpec, CloudRunRef, GoogleSettings, TokenProvider> = {
  service: "cloudrun",
  aliases: [otherNames.cloudrun],
  settings: googleSettingsSchema,
  connect: ({ credentials }) => googleTokens(credentials),
  spec: specSchema as z.ZodType<CloudRunSpec>,
  ref: looseRefSchema as z.ZodType<CloudRunRef>,
  submission: () => "listed",
  settleMs: 60_000,
  complete: (spec, settings) => {
    if (spec.env?.[tokenVariable] !== undefined) {
      throw permanent("invalid_spec", `The variable ${tokenVariable} is Holdfast's own.`, "Call yours otherwise.");
    }
    return {
      ...spec,
      project: named(spec.project, settings.project, "project"),
      region: named(spec.region, settings.location, "location"),
    };
  },
  completeRef: (ref, settings) => ({
    ...ref,
    project: named(ref.project, settings.project, "project"),
    region: named(ref.region, settings.location, "location"),
  }),
  describe: ({ project, region, job_name, execution_id }) => ({
    externalId: `${project}/${region}/${job_name}/${execution_id}`,
    links: [
      {
        label: "Cloud Run",
        url: `https://console.cloud.google.com/run/jobs/executions/details/${region}/${execution_id}?project=${project}`,
      },
    ],
  }),
  submit: async ({ spec, token }, io) => {
    const place = placeOf(spec);
    const path = `${jobPath(place)}:run`;
    const { metadata } = await askGoogle(io, operationSchema, {
      method: "POST",
      host,
      path,
      body: runBody(spec, token),
      lane: "fresh",
    });
    return { ...place, execution_id: lastOf(metadata.name) };
  },
  find: async ({ spec, token }, io) => {
    const place = placeOf(spec);
    for await (const started of list(place, io)) {
      if (hasToken(started, token)) return { ...place, execution_id: lastOf(started.name) };
    }
    return null;
  },
  pollGroup: jobPath,
  poll: (refs, io) =>
    pollByListing({
      refs,
      listFrom,
      group: jobPath,
      id: (ref) => ref.execution_id,
      list: (ref) => listAll(ref, io),
      get: (ref) => look(ref, io),
    }),
  cancel: (ref, io) =>
    cancelGoogle(
      () => get(ref, io),
      observe,
      () => callGoogle(io, { method: "POST", host, path: `${pathOf(ref)}:cancel`, body: {} }),
    ),
};
