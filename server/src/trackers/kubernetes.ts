import {
  isFinalPhase,
  type Json,
  type JsonObject,
  jsonSchema,
  type Observation,
  type PollResult,
  TrackingError,
} from "@holdfast/protocol";
import { z } from "zod";
import { pollByListing } from "./batch.ts";
import {
  Cluster,
  type ClusterIo,
  type ClusterSettings,
  callCluster,
  clusterSettingsSchema,
  watchCluster,
} from "./cluster.ts";
import { failureOf, permanent, shortText, undecidedly } from "./failures.ts";
import { instantMs, span } from "./instants.ts";
import { nameOf } from "./names.ts";
import type { Tracker, WatchedGroup } from "./tracker.ts";

// Kubernetes Jobs, batch/v1. The caller chooses the name (409 AlreadyExists), but a name may be given again after the object was
// deleted: the uid tells. `Complete` and `Failed` are the ends; `FailureTarget` and `SuccessCriteriaMet` only announce them.
// Source: kubernetes/kubernetes, staging/src/k8s.io/api/batch/v1/types.go.

const labelSelector = "app.kubernetes.io/managed-by=holdfast";
const managedLabels = { "app.kubernetes.io/managed-by": "holdfast" };
const tokenAnnotation = "holdfast.dev/token";
/** An object that is removed sooner may be gone before its end was seen. */
const leastTtlSeconds = 600;
const usualTtlSeconds = 86_400;

const nameSchema = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, "is no name of an object of Kubernetes");
const refSchema = z.object({ namespace: nameSchema, name: nameSchema, uid: z.string().optional() });
export type KubernetesRef = z.infer<typeof refSchema>;
const looseRefSchema = refSchema.partial({ namespace: true });

const specSchema = z
  .strictObject({
    namespace: nameSchema.optional(),
    /** A whole Job: its `spec`, and labels and annotations. */
    job: z
      .strictObject({
        metadata: z
          .strictObject({
            labels: z.record(z.string(), z.string()).optional(),
            annotations: z.record(z.string(), z.string()).optional(),
          })
          .optional(),
        spec: z.record(z.string(), jsonSchema),
      })
      .optional(),
    /** Or one container, started once: retries are Holdfast's. */
    image: z.string().min(1).optional(),
    command: z.array(z.string()).optional(),
    args: z.array(z.string()).optional(),
    env: z.record(z.string(), z.string()).optional(),
    serviceAccount: z.string().optional(),
  })
  .refine((spec) => (spec.job === undefined) !== (spec.image === undefined), { error: "say either job or image" });
export type KubernetesSpec = z.infer<typeof specSchema>;

const jobSchema = z.object({
  metadata: z.object({
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string().optional(),
    deletionTimestamp: z.string().optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.object({ completions: z.number().nullish(), parallelism: z.number().nullish() }).optional(),
  status: z
    .object({
      active: z.number().optional(),
      ready: z.number().nullish(),
      succeeded: z.number().optional(),
      failed: z.number().optional(),
      startTime: z.string().optional(),
      completionTime: z.string().optional(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().optional(),
            message: z.string().optional(),
            lastTransitionTime: z.string().optional(),
          }),
        )
        .nullish(),
    })
    .optional(),
});
type Job = z.infer<typeof jobSchema>;

const listSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(jobSchema),
});
const eventSchema = z.object({ type: z.string(), object: z.unknown() });
const listFrom = 5;
const watchSeconds = 240;
const anySchema = z.unknown();

function jobsPath(namespace: string): string {
  return `/apis/batch/v1/namespaces/${namespace}/jobs`;
}

function isManaged(ref: KubernetesRef): boolean {
  return /^holdfast-[0-9a-f]{40}$/.test(ref.name);
}

/** Our own Jobs of a namespace carry a label, by which they are listed and watched together. */
function groupOf(ref: KubernetesRef): string {
  return isManaged(ref) ? ref.namespace : `${ref.namespace}/${ref.name}`;
}

async function get(ref: KubernetesRef, io: ClusterIo): Promise<Job> {
  return await callCluster(io, jobSchema, { path: `${jobsPath(ref.namespace)}/${ref.name}` });
}

async function look(ref: KubernetesRef, io: ClusterIo): Promise<PollResult> {
  try {
    return { observation: observe(await get(ref, io), ref) };
  } catch (error) {
    if (!isReason(error, "NotFound")) return { failure: failureOf(error) };
    return { observation: { phase: "gone", rawStatus: "NotFound", message: failureOf(error).message } };
  }
}

function observe(job: Job, ref: KubernetesRef): Observation {
  if (ref.uid !== undefined && job.metadata.uid !== ref.uid) {
    const message = `There is another Job of that name: its uid is ${job.metadata.uid}.`;
    return { phase: "gone", rawStatus: "Replaced", message };
  }
  const { startTime, completionTime, active = 0, succeeded = 0, failed = 0, conditions } = job.status ?? {};
  const all = (conditions ?? []).filter(({ status }) => status === "True");
  const condition = (type: string) => all.find((one) => one.type === type);
  const total = job.spec?.completions;
  const progress = typeof total === "number" && total > 1 ? { progress: { done: succeeded, total } } : {};
  const startedAt = instantMs(startTime);
  const complete = condition("Complete");
  if (complete !== undefined) {
    const result: Json = { name: job.metadata.name, namespace: ref.namespace, succeeded, failed };
    const ended = span(startedAt, instantMs(completionTime ?? complete.lastTransitionTime));
    return { phase: "succeeded", rawStatus: "Complete", result, ...progress, ...ended };
  }
  const failure = condition("Failed");
  if (failure !== undefined) {
    const message = shortText(failure.message ?? "Kubernetes gives no reason.");
    const ended = span(startedAt, instantMs(failure.lastTransitionTime));
    return { phase: "failed", rawStatus: "Failed", message, code: failure.reason ?? "Failed", ...progress, ...ended };
  }
  const open = { ...progress, ...span(startedAt, undefined) };
  if (job.metadata.deletionTimestamp !== undefined) return { phase: "running", rawStatus: "Terminating", ...open };
  const announced = condition("FailureTarget") ?? condition("SuccessCriteriaMet");
  if (announced !== undefined) {
    const message = announced.message === undefined ? {} : { message: shortText(announced.message) };
    return { phase: "running", rawStatus: announced.type, ...message, ...open };
  }
  if (condition("Suspended") !== undefined) return { phase: "queued", rawStatus: "Suspended", ...open };
  // A pod counts as active from its creation on, also while no node has room for it.
  const hasBegun = active > 0 && job.status?.ready !== 0;
  return hasBegun || succeeded > 0 || failed > 0
    ? { phase: "running", rawStatus: "Active", ...open }
    : { phase: "queued", rawStatus: "Pending", ...open };
}

interface Listed {
  readonly resourceVersion: string;
  readonly jobs: readonly Job[];
}

async function list(namespace: string, selector: Readonly<Record<string, string>>, io: ClusterIo): Promise<Listed> {
  const jobs: Job[] = [];
  let next: string | undefined;
  for (;;) {
    const query = { ...selector, limit: "500", continue: next };
    const page = await callCluster(io, listSchema, { path: jobsPath(namespace), query });
    jobs.push(...page.items);
    next = page.metadata.continue;
    if (next === undefined || next === "") return { resourceVersion: page.metadata.resourceVersion, jobs };
  }
}

function isReason(error: unknown, reason: string): boolean {
  return error instanceof TrackingError && error.failure.code === reason;
}

function manifest(spec: KubernetesSpec, token: string): JsonObject {
  const { labels, annotations } = spec.job?.metadata ?? {};
  const own: JsonObject = spec.job?.spec ?? { backoffLimit: 0, template: { spec: podOf(spec) } };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: nameOf(token),
      labels: { ...labels, ...managedLabels },
      annotations: { ...annotations, [tokenAnnotation]: token },
    },
    spec: { ttlSecondsAfterFinished: usualTtlSeconds, ...own },
  };
}

function podOf(spec: KubernetesSpec): JsonObject {
  const env = Object.entries(spec.env ?? {}).map(([name, value]) => ({ name, value }));
  return {
    restartPolicy: "Never",
    ...(spec.serviceAccount !== undefined && { serviceAccountName: spec.serviceAccount }),
    containers: [
      {
        name: "main",
        image: spec.image ?? "",
        env,
        ...(spec.command !== undefined && { command: spec.command }),
        ...(spec.args !== undefined && { args: spec.args }),
      },
    ],
  };
}

function checkTtl(spec: KubernetesSpec): void {
  const ttl = spec.job?.spec.ttlSecondsAfterFinished;
  if (typeof ttl !== "number" || ttl >= leastTtlSeconds) return;
  throw permanent(
    "invalid_spec",
    `ttlSecondsAfterFinished is ${ttl}: the Job may be removed before its end was seen.`,
    `Write ${leastTtlSeconds} or more, or leave it out for a day.`,
  );
}

async function submit(spec: KubernetesSpec, token: string, io: ClusterIo): Promise<KubernetesRef> {
  const namespace = spec.namespace ?? "";
  const name = nameOf(token);
  try {
    const { metadata } = await callCluster(io, jobSchema, {
      method: "POST",
      path: jobsPath(namespace),
      body: manifest(spec, token),
    });
    return { namespace, name, uid: metadata.uid };
  } catch (error) {
    if (!isReason(error, "AlreadyExists")) throw error;
    // It is there, and whose it is nobody has said yet.
    const { metadata } = await get({ namespace, name }, io).catch((unread: unknown) => {
      throw undecidedly(unread);
    });
    if (metadata.annotations?.[tokenAnnotation] === token) return { namespace, name, uid: metadata.uid };
    throw permanent("name_taken", `${namespace} has a Job ${name} that was not made for this submission.`);
  }
}

/** Lists, then watches from there. Ends with the server's patience, or where that has grown too old for it (410 Gone): then again. */
async function watch(group: WatchedGroup<KubernetesRef>, io: ClusterIo): Promise<void> {
  const [first] = group.refs();
  if (first === undefined) return;
  const { namespace, name } = first;
  const selector: Readonly<Record<string, string>> = isManaged(first)
    ? { labelSelector }
    : { fieldSelector: `metadata.name=${name}` };
  const { resourceVersion, jobs } = await list(namespace, selector, io);
  for (const job of jobs) tellOf(job, group);
  const query = {
    ...selector,
    watch: "1",
    allowWatchBookmarks: "true",
    resourceVersion,
    timeoutSeconds: String(watchSeconds),
  };
  const silenceMs = (watchSeconds + 30) * 1_000;
  for await (const line of watchCluster(io, { path: jobsPath(namespace), query, silenceMs, opened: group.standing })) {
    if (group.refs().length === 0) return;
    const event = eventSchema.safeParse(line).data;
    if (event === undefined || event.type === "ERROR") return;
    const job = event.type === "BOOKMARK" ? undefined : jobSchema.safeParse(event.object).data;
    if (job === undefined) continue;
    if (event.type === "DELETED") tellGone(job, group);
    else tellOf(job, group);
  }
}

function refsOf(job: Job, group: WatchedGroup<KubernetesRef>): KubernetesRef[] {
  return group.refs().filter(({ name }) => name === job.metadata.name);
}

function tellOf(job: Job, group: WatchedGroup<KubernetesRef>): void {
  for (const ref of refsOf(job, group)) group.tell(ref, observe(job, ref));
}

/** What was deleted when it had ended has ended; else it is gone. */
function tellGone(job: Job, group: WatchedGroup<KubernetesRef>): void {
  for (const ref of refsOf(job, group)) {
    const last = observe(job, ref);
    const gone: Observation = { phase: "gone", rawStatus: "Deleted", message: "The Job was deleted." };
    group.tell(ref, isFinalPhase(last.phase) ? last : gone);
  }
}

async function pollAll(refs: readonly KubernetesRef[], io: ClusterIo): Promise<PollResult[]> {
  return await pollByListing({
    refs,
    listFrom,
    group: groupOf,
    id: (ref) => `${ref.name}/${ref.uid ?? ""}`,
    list: async (ref) => {
      const { jobs } = await list(ref.namespace, { labelSelector }, io);
      const byName = new Map(jobs.map((job) => [job.metadata.name, job]));
      const listed = refs.flatMap((one) => {
        const job = one.namespace === ref.namespace ? byName.get(one.name) : undefined;
        return job === undefined ? [] : [[`${one.name}/${one.uid ?? ""}`, { observation: observe(job, one) }] as const];
      });
      return new Map<string, PollResult>(listed);
    },
    get: (ref) => look(ref, io),
  });
}

export const kubernetes: Tracker<KubernetesSpec, KubernetesRef, ClusterSettings, Cluster> = {
  service: "kubernetes",
  settings: clusterSettingsSchema,
  connect: (settings) => new Cluster(settings),
  spec: specSchema as z.ZodType<KubernetesSpec>,
  ref: looseRefSchema as z.ZodType<KubernetesRef>,
  submission: () => "token",
  complete: (spec, settings) => {
    checkTtl(spec);
    return { ...spec, namespace: spec.namespace ?? settings.namespace ?? "default" };
  },
  completeRef: (ref, settings) => ({ ...ref, namespace: ref.namespace ?? settings.namespace ?? "default" }),
  refOf: ({ spec, token }) => ({ namespace: spec.namespace ?? "", name: nameOf(token) }),
  describe: ({ namespace, name }) => ({ externalId: `${namespace}/${name}`, links: [] }),
  submit: ({ spec, token }, io) => submit(spec, token, io),
  pollGroup: groupOf,
  poll: pollAll,
  cancel: async (ref, io) => {
    try {
      const job = await get(ref, io);
      const { phase } = observe(job, ref);
      if (phase === "gone") return "not_found";
      if (isFinalPhase(phase)) return "already_ended";
      const body = { propagationPolicy: "Background", preconditions: { uid: job.metadata.uid } };
      await callCluster(io, anySchema, { method: "DELETE", path: `${jobsPath(ref.namespace)}/${ref.name}`, body });
      return "accepted";
    } catch (error) {
      if (isReason(error, "NotFound") || isReason(error, "Conflict")) return "not_found";
      throw error;
    }
  },
  watchGroup: groupOf,
  watchGroups: 100,
  watch,
};
