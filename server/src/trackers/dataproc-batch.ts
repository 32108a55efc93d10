import { type Json, jsonSchema, type Observation, type PollResult } from "@holdfast/protocol";
import { z } from "zod";
import { pollByListing } from "./batch.ts";
import { dataprocHost } from "./dataproc.ts";
import { permanent, shortText } from "./failures.ts";
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

// Dataproc serverless batches, v1: Spark without a cluster. The caller chooses the batch's id. There is no call that cancels a batch: its
// operation is cancelled. Source: google/cloud/dataproc/v1/batches.proto.

const refSchema = z.object({ project: projectSchema, region: regionSchema, batch_id: nameSchema });
export type BatchRef = z.infer<typeof refSchema>;
const looseRefSchema = z
  .object({ project: projectSchema, region: regionSchema, batch_id: nameSchema, job_id: nameSchema })
  .partial()
  .transform(({ project, region, batch_id, job_id }, context) => {
    const id = batch_id ?? job_id;
    if (id === undefined) context.addIssue({ code: "custom", message: "needs batch_id" });
    return { project, region, batch_id: id ?? "" };
  });

const specSchema = z.strictObject({
  project: projectSchema.optional(),
  region: regionSchema.optional(),
  /** A Batch as batches.create takes it: `{"pysparkBatch": {…}, "runtimeConfig": {…}}`. */
  batch: z.record(z.string(), jsonSchema),
});
export type BatchSpec = z.infer<typeof specSchema>;

const batchSchema = z.object({
  name: z.string(),
  state: z.string().optional(),
  stateMessage: z.string().optional(),
  stateTime: z.string().optional(),
  stateHistory: z.array(z.object({ state: z.string().optional(), stateStartTime: z.string().optional() })).optional(),
  runtimeInfo: z
    .object({ outputUri: z.string().optional(), endpoints: z.record(z.string(), z.string()).optional() })
    .optional(),
  operation: z.string().optional(),
});
type Batch = z.infer<typeof batchSchema>;

const listSchema = z.object({ batches: z.array(batchSchema).optional(), nextPageToken: z.string().optional() });
const listFrom = 10;
const mostPages = 10;

function batchesPath(ref: Pick<BatchRef, "project" | "region">): string {
  return `/v1/projects/${ref.project}/locations/${ref.region}/batches`;
}

function batchCall(ref: BatchRef): { readonly host: string; readonly path: string } {
  return { host: dataprocHost(ref.region), path: `${batchesPath(ref)}/${encodeURIComponent(ref.batch_id)}` };
}

async function look(ref: BatchRef, io: GoogleIo): Promise<PollResult> {
  try {
    return { observation: observe(await askGoogle(io, batchSchema, batchCall(ref))) };
  } catch (error) {
    return googlePollFailure(error);
  }
}

function observe(batch: Batch): Observation {
  const { state = "", stateMessage, stateTime, runtimeInfo } = batch;
  const message = stateMessage === undefined || stateMessage === "" ? {} : { message: shortText(stateMessage) };
  const started = [...(batch.stateHistory ?? []), { state, stateStartTime: stateTime }];
  const startedAt = instantMs(started.find((one) => one.state === "RUNNING")?.stateStartTime);
  const links = Object.entries(runtimeInfo?.endpoints ?? {}).map(([label, url]) => ({
    label: label.slice(0, 100),
    url,
  }));
  const rest = { rawStatus: state, ...(links.length > 0 && { links: links.slice(0, 10) }) };
  const ended = { ...rest, ...span(startedAt, instantMs(stateTime)) };
  if (state === "SUCCEEDED") return { phase: "succeeded", ...ended, result: resultOf(batch) };
  if (state === "FAILED")
    return { phase: "failed", ...ended, message: "Dataproc gives no reason.", ...message, code: state };
  if (state === "CANCELLED") return { phase: "cancelled", ...ended, ...message };
  const open = { ...rest, ...span(startedAt, undefined) };
  if (state === "PENDING") return { phase: "queued", ...open };
  const isKnown = ["", "STATE_UNSPECIFIED", "RUNNING", "CANCELLING"].includes(state);
  return { phase: "running", ...open, ...(!isKnown && { warning: `Dataproc says "${state}", which is not known.` }) };
}

function resultOf({ name, runtimeInfo }: Batch): Json {
  return { name, ...(runtimeInfo?.outputUri !== undefined && { outputUri: runtimeInfo.outputUri }) };
}

async function listNewest(ref: BatchRef, io: GoogleIo): Promise<ReadonlyMap<string, PollResult>> {
  const found = new Map<string, PollResult>();
  let pageToken: string | undefined;
  for (let pages = 0; pages < mostPages; pages++) {
    const query = { pageSize: "1000", filter: "state = PENDING OR state = RUNNING OR state = CANCELLING", pageToken };
    const page = await askGoogle(io, listSchema, { host: dataprocHost(ref.region), path: batchesPath(ref), query });
    for (const batch of page.batches ?? []) {
      found.set(batch.name.slice(batch.name.lastIndexOf("/") + 1), { observation: observe(batch) });
    }
    pageToken = page.nextPageToken;
    if (pageToken === undefined || pageToken === "") break;
  }
  return found;
}

function refOf(spec: BatchSpec, token: string): BatchRef {
  return { project: spec.project ?? "", region: spec.region ?? "", batch_id: nameOf(token) };
}

export const dataprocBatch: Tracker<BatchSpec, BatchRef, GoogleSettings, TokenProvider> = {
  service: "dataproc_batch",
  settings: googleSettingsSchema,
  connect: ({ credentials }) => googleTokens(credentials),
  spec: specSchema as z.ZodType<BatchSpec>,
  ref: looseRefSchema as unknown as z.ZodType<BatchRef>,
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
  describe: ({ project, region, batch_id }) => ({
    externalId: `${project}/${region}/${batch_id}`,
    links: [
      {
        label: "Dataproc",
        url: `https://console.cloud.google.com/dataproc/batches/${region}/${batch_id}?project=${project}`,
      },
    ],
  }),
  submit: async ({ spec, token }, io) => {
    const ref = refOf(spec, token);
    const query = { batchId: ref.batch_id, requestId: shortHash(token) };
    const call = { method: "POST", host: dataprocHost(ref.region), path: batchesPath(ref), query } as const;
    await createNamed(io, { ...call, body: spec.batch });
    return ref;
  },
  pollGroup: batchesPath,
  poll: (refs, io) =>
    pollByListing({
      refs,
      listFrom,
      group: batchesPath,
      id: (ref) => ref.batch_id,
      list: (ref) => listNewest(ref, io),
      get: (ref) => look(ref, io),
    }),
  cancel: (ref, io) => {
    const { host, path } = batchCall(ref);
    return cancelGoogle(
      () => askGoogle(io, batchSchema, { host, path }),
      observe,
      ({ operation }) => {
        if (operation === undefined || !/^[\w-]+(\/[\w-]+)*$/.test(operation)) {
          throw permanent("no_operation", `${ref.batch_id} names no operation that could be cancelled.`);
        }
        return callGoogle(io, { method: "POST", host, path: `/v1/${operation}:cancel`, body: {} });
      },
    );
  },
};
