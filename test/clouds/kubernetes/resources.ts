import { createHash } from "node:crypto";
import { overlay, type Turn } from "../script.ts";
import { list, record, text, whole } from "../values.ts";
import { endedMs, type Job, type Moment, nowOf } from "../world.ts";

// batch/v1 Jobs and their pods, as far as Jobs need them: kubernetes/kubernetes staging/src/k8s.io/api/batch/v1/types.go.

/** The API server keeps whole seconds. */
export function seconds(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace(".000Z", "Z");
}

/** Where a Job stands when it is looked at; an announcement comes before an end. */
export interface View {
  readonly resourceVersion: number;
  /** The end is announced, and not yet there. */
  readonly isAnnounced?: boolean;
}

const announcements: Readonly<Record<string, string>> = { succeeded: "SuccessCriteriaMet", failed: "FailureTarget" };

/** The Job as it is answered. */
export function showJob(job: Job, view: View): Record<string, unknown> {
  const metadata = record(job.spec.metadata);
  const deletingMs = whole(job.facts.deletingMs);
  const shown = {
    kind: "Job",
    apiVersion: "batch/v1",
    metadata: {
      ...metadata,
      uid: job.uid,
      resourceVersion: String(view.resourceVersion),
      generation: whole(job.facts.generation) ?? 1,
      creationTimestamp: seconds(job.createdMs),
      ...(deletingMs !== undefined && {
        deletionTimestamp: seconds(deletingMs),
        deletionGracePeriodSeconds: 0,
        finalizers: [...list(metadata.finalizers), "foregroundDeletion"],
      }),
      managedFields: undefined,
    },
    spec: job.spec.spec,
    status: statusOf(job, view.isAnnounced === true),
  };
  const { patch } = nowOf(job);
  return patch === undefined ? shown : (overlay(shown, patch) as Record<string, unknown>);
}

function condition(turn: Turn & { readonly atMs: number }, type: string): object {
  const at = seconds(turn.atMs);
  const { reason, message } = reasonOf(turn, type);
  return {
    type,
    status: "True",
    lastProbeTime: at,
    lastTransitionTime: at,
    ...(reason && { reason }),
    ...(message && { message }),
  };
}

function reasonOf(
  { reason, message, phase }: Turn,
  type: string,
): { reason?: string | undefined; message?: string | undefined } {
  if (phase === "succeeded")
    return { reason: reason ?? "CompletionsReached", message: message ?? "Reached expected number of succeeded pods" };
  if (type === "Suspended") return { reason: "JobSuspended", message: "Job suspended" };
  if (phase === "failed") {
    return {
      reason: reason ?? "BackoffLimitExceeded",
      message: message ?? "Job has reached the specified backoff limit",
    };
  }
  return { reason, message };
}

function statusOf(job: Job, isAnnounced: boolean): object {
  const now = nowOf(job);
  const { phase, state } = now;
  const completions = whole(record(job.spec.spec).completions) ?? 1;
  const started = { startTime: seconds(job.createdMs) };
  const counting = { terminating: 0, uncountedTerminatedPods: {} };
  if (state === "Suspended") return { conditions: [condition(now, "Suspended")], ready: 0, ...counting };
  if (isAnnounced) {
    return {
      conditions: [condition(now, announcements[phase] ?? phase)],
      ready: 0,
      ...counting,
      ...started,
      ...counts(phase, completions),
    };
  }
  if (phase === "succeeded") {
    const completionTime = seconds(endedMs(job) ?? now.atMs);
    const conditions = [condition(now, "SuccessCriteriaMet"), condition(now, "Complete")];
    return { conditions, ready: 0, ...counting, ...started, completionTime, succeeded: completions };
  }
  if (phase === "failed" || phase === "cancelled") {
    const failed: Moment = { ...now, phase: "failed" };
    return {
      conditions: [condition(failed, "FailureTarget"), condition(failed, "Failed")],
      ready: 0,
      ...counting,
      ...started,
      ...counts("failed", completions),
    };
  }
  const announced = state === undefined ? {} : { conditions: [condition(now, state)] };
  return {
    ...announced,
    active: activeIn(job),
    ready: phase === "running" ? activeIn(job) : 0,
    ...counting,
    ...started,
  };
}

function counts(phase: string, completions: number): object {
  return phase === "succeeded" ? { succeeded: completions } : { failed: 1 };
}

function activeIn(job: Job): number {
  const { parallelism, completions } = record(job.spec.spec);
  return Math.min(whole(parallelism) ?? 1, whole(completions) ?? 1);
}

/** What the API server fills in where a Job leaves it out. */
export function withJobDefaults(
  sent: Record<string, unknown>,
  options: { name: string; namespace: string; uid: string },
): Record<string, unknown> {
  const { name, namespace, uid } = options;
  const metadata = record(sent.metadata);
  const spec = record(sent.spec);
  const template = record(spec.template);
  const templateMetadata = record(template.metadata);
  const own = {
    "batch.kubernetes.io/controller-uid": uid,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "job-name": name,
  };
  const { resourceVersion: _, uid: __, generateName, ...kept } = metadata;
  const labels = metadata.labels ?? templateMetadata.labels;
  return {
    metadata: {
      ...kept,
      ...(generateName !== undefined && { generateName }),
      name,
      namespace,
      ...(labels !== undefined && { labels }),
    },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      ...spec,
      selector: { matchLabels: { "batch.kubernetes.io/controller-uid": uid } },
      template: {
        metadata: {
          creationTimestamp: null,
          ...templateMetadata,
          labels: { ...record(templateMetadata.labels), ...own },
        },
        spec: podDefaults(record(template.spec)),
      },
      completionMode: spec.completionMode ?? "NonIndexed",
      suspend: spec.suspend ?? false,
      podReplacementPolicy: spec.podReplacementPolicy ?? "TerminatingOrFailed",
    },
  };
}

function podDefaults(pod: Record<string, unknown>): object {
  const containers = list(pod.containers).map((container) => ({
    resources: {},
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: "IfNotPresent",
    ...record(container),
  }));
  const usual = {
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    securityContext: {},
    schedulerName: "default-scheduler",
  };
  return { ...usual, ...pod, containers };
}

const podPhases: Readonly<Record<string, string>> = {
  queued: "Pending",
  running: "Running",
  cancelling: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
  cancelled: "Failed",
};

/** The one pod of a Job: what its containers ended with is asked of it. */
export function showPod(job: Job, resourceVersion: number): Record<string, unknown> {
  const { template } = record(job.spec.spec);
  const { labels } = record(record(template).metadata);
  const { name, namespace } = record(job.spec.metadata);
  const now = nowOf(job);
  const hash = createHash("sha256").update(job.uid).digest("hex");
  return {
    kind: "Pod",
    apiVersion: "v1",
    metadata: {
      name: podName(job),
      generateName: `${text(name)}-`,
      namespace,
      uid: `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`,
      resourceVersion: String(resourceVersion),
      creationTimestamp: seconds(job.createdMs),
      labels,
      ownerReferences: [
        { apiVersion: "batch/v1", kind: "Job", name, uid: job.uid, controller: true, blockOwnerDeletion: true },
      ],
    },
    spec: record(template).spec,
    status: { phase: podPhases[now.phase], startTime: seconds(job.createdMs), containerStatuses: containersOf(job) },
  };
}

export function podName(job: Job): string {
  const letters = createHash("sha256").update(job.uid).digest("hex").slice(0, 5);
  return `${text(record(job.spec.metadata).name)}-${letters}`;
}

function containersOf(job: Job): object[] {
  const now = nowOf(job);
  const containers = list(record(record(record(job.spec.spec).template).spec).containers).map(record);
  const startedAt = seconds(job.createdMs);
  const finishedAt = seconds(now.atMs);
  const states: Readonly<Record<string, object>> = {
    queued: { waiting: { reason: "ContainerCreating" } },
    running: { running: { startedAt } },
    cancelling: { running: { startedAt } },
    succeeded: { terminated: { exitCode: 0, reason: "Completed", startedAt, finishedAt } },
    failed: {
      terminated: { exitCode: 1, reason: "Error", ...(now.message && { message: now.message }), startedAt, finishedAt },
    },
    cancelled: { terminated: { exitCode: 143, reason: "Error", startedAt, finishedAt } },
  };
  return containers.map(({ name, image }) => ({
    name,
    image,
    imageID: "",
    state: states[now.phase],
    lastState: {},
    ready: now.phase === "running",
    restartCount: 0,
    started: now.phase === "running",
  }));
}
