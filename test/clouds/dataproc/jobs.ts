import { createHash, randomUUID } from "node:crypto";
import { type Fields, fields, readMessage } from "../google/fields.ts";
import { page } from "../google/pages.ts";
import { googleService, operation, packed, timestamp, withoutDefaults } from "../google/proto.ts";
import { ok } from "../google/refusals.ts";
import { Refusal } from "../refusal.ts";
import type { Answer, Exchange, Route, Service } from "../routes.ts";
import { endedPhases, overlay, type Phase } from "../script.ts";
import { record, text } from "../values.ts";
import { hasEnded, type Job, type Moment, nowOf, phaseOf, startedMs, type World } from "../world.ts";
import { readFilter } from "./filters.ts";

// Dataproc v1 jobs on clusters: googleapis google/cloud/dataproc/v1/jobs.proto.

const kinds = "hadoopJob sparkJob pysparkJob hiveJob pigJob sparkRJob sparkSqlJob prestoJob trinoJob flinkJob";
const jobFields: Fields = {
  ...fields(kinds),
  ...fields(
    "status statusHistory yarnApplications driverOutputResourceUri driverControlFilesUri labels jobUuid done driverSchedulingConfig",
  ),
  reference: fields("projectId jobId"),
  placement: fields("clusterName clusterUuid clusterLabels"),
  scheduling: fields("maxFailuresPerHour maxFailuresTotal"),
};
const submitFields: Fields = { ...fields("projectId region requestId"), job: jobFields };

const words: Readonly<Record<Phase, string>> = {
  queued: "PENDING",
  running: "RUNNING",
  cancelling: "CANCEL_PENDING",
  succeeded: "DONE",
  failed: "ERROR",
  cancelled: "CANCELLED",
};

const matchers = ["ALL", "ACTIVE", "NON_ACTIVE"];

export function dataproc(world: World): Service {
  const jobs = new DataprocJobs(world);
  const place = "/v1/projects/{project}/regions/{region}";
  const routes: readonly Route[] = [
    {
      method: "POST",
      path: `${place}/jobs:submit`,
      operation: "jobs.submit",
      handle: (exchange) => ok(show(jobs.submit(exchange))),
    },
    {
      method: "POST",
      path: `${place}/jobs:submitAsOperation`,
      operation: "jobs.submitAsOperation",
      handle: (exchange) => ok(operationOf(jobs.submit(exchange))),
    },
    { method: "GET", path: `${place}/jobs`, operation: "jobs.list", handle: (exchange) => jobs.list(exchange) },
    {
      method: "GET",
      path: `${place}/jobs/{job}`,
      operation: "jobs.get",
      handle: (exchange) => ok(show(jobs.find(exchange))),
    },
    {
      method: "POST",
      path: `${place}/jobs/{job}:cancel`,
      operation: "jobs.cancel",
      handle: (exchange) => jobs.cancel(exchange),
    },
    {
      method: "DELETE",
      path: `${place}/jobs/{job}`,
      operation: "jobs.delete",
      handle: (exchange) => jobs.delete(exchange),
    },
  ];
  return { name: "dataproc", routes, owns: (path) => /^\/v1\/projects\/[^/]+\/regions\//.test(path), ...googleService };
}

class DataprocJobs {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** The same `requestId` answers with the job that it made; a second job of an id is refused. */
  submit(exchange: Exchange): Job {
    const { project = "", region = "" } = exchange.params;
    const body = readMessage(exchange.body, submitFields);
    const job = record(body.job);
    check(job, { project, requestId: text(body.requestId) });
    const requestId = text(body.requestId);
    const place = `projects/${project}/regions/${region}`;
    const requested =
      requestId === undefined ? undefined : this.#world.findByAlias("dataproc", requestAlias(place, requestId));
    if (requested !== undefined) {
      exchange.about(requested.key);
      this.#world.askedAgain(requested);
      return requested;
    }
    const jobId = text(record(job.reference).jobId) ?? randomUUID();
    const key = `${place}/jobs/${jobId}`;
    const known = this.#world.find("dataproc", key);
    exchange.about(key, known === undefined);
    if (known !== undefined) {
      this.#world.askedAgain(known);
      throw new Refusal(409, `Already exists: Job ${key}`);
    }
    const facts = { projectId: project, jobId, place, operation: randomUUID() };
    const aliases = [
      operationAlias(facts.operation),
      ...(requestId === undefined ? [] : [requestAlias(place, requestId)]),
    ];
    const asked = { service: "dataproc", key, spec: job, text: `${key}\n${exchange.text}` } as const;
    return this.#world.make({ ...asked, facts, aliases });
  }

  list({ params, query, world }: Exchange): Answer {
    const place = `projects/${params.project}/regions/${params.region}`;
    const asked = query.get("jobStateMatcher") ?? "ALL";
    // An enum may be sent by its number, as Google's client does in a query.
    const matcher = matchers[Number(asked)] ?? asked;
    if (!matchers.includes(matcher)) {
      throw new Refusal(
        400,
        `Invalid value at 'job_state_matcher' (type.googleapis.com/google.cloud.dataproc.v1.ListJobsRequest.JobStateMatcher), "${matcher}"`,
      );
    }
    const fits = readFilter(query.get("filter") ?? "", ["status.state"]);
    const cluster = query.get("clusterName");
    const found = world
      .list("dataproc")
      .filter((job) => {
        const state = hasEnded(job) ? "NON_ACTIVE" : "ACTIVE";
        const labels = record(job.spec.labels);
        // The filter knows a state as ACTIVE and NON_ACTIVE only.
        const fieldOf = (field: string) =>
          field === "status.state" ? state : text(labels[field.slice("labels.".length)]);
        const isOf = cluster === null || record(job.spec.placement).clusterName === cluster;
        return job.facts.place === place && isOf && (matcher === "ALL" || matcher === state) && fits(fieldOf);
      })
      .reverse();
    const size = Number(query.get("pageSize") ?? 0) || 100;
    const { items, nextPageToken } = page(found, { size, token: query.get("pageToken") });
    return ok(withoutDefaults({ jobs: items.map(show), nextPageToken }));
  }

  cancel(exchange: Exchange): Answer {
    const job = this.find(exchange);
    if (!this.#world.cancel(job)) {
      throw new Refusal(
        400,
        `Job '${job.key}' is in state ${words[phaseOf(job)]} and cannot be cancelled.`,
        "FAILED_PRECONDITION",
      );
    }
    return ok(show(job));
  }

  delete(exchange: Exchange): Answer {
    const job = this.find(exchange);
    if (!hasEnded(job)) throw new Refusal(400, `Cannot delete active job '${job.key}'.`, "FAILED_PRECONDITION");
    this.#world.remove(job);
    return ok({});
  }

  find(exchange: Exchange): Job {
    const { project, region, job: id } = exchange.params;
    const key = `projects/${project}/regions/${region}/jobs/${id}`;
    exchange.about(key);
    const job = this.#world.find("dataproc", key);
    if (job === undefined) throw new Refusal(404, `Not found: Job ${key}`);
    return job;
  }
}

const requestAlias = (place: string, requestId: string) => `${place} request ${requestId}`;
const operationAlias = (id: string) => `operation ${id}`;

function check(
  job: Record<string, unknown>,
  { project, requestId }: { project: string; requestId: string | undefined },
): void {
  const { projectId, jobId } = record(job.reference);
  if (projectId !== undefined && projectId !== project) {
    throw new Refusal(400, `Job project id '${projectId}' does not match the request's '${project}'.`);
  }
  if (jobId !== undefined && !/^[\w-]{1,100}$/.test(String(jobId))) {
    throw new Refusal(
      400,
      `Invalid job id '${jobId}': it must contain only letters, numbers, underscores or hyphens, and at most 100.`,
    );
  }
  if (requestId !== undefined && !/^[\w-]{1,40}$/.test(requestId)) {
    throw new Refusal(
      400,
      `Invalid request id '${requestId}': it must contain only letters, numbers, underscores and hyphens, and at most 40.`,
    );
  }
  if (!text(record(job.placement).clusterName)) throw new Refusal(400, "Cluster name is required");
  const given = kinds.split(" ").filter((kind) => job[kind] !== undefined);
  if (given.length !== 1) throw new Refusal(400, "Job must contain exactly one job type");
  checkLabels(job.labels);
}

/** RFC 1035, and at most 63 letters. */
export function checkLabels(labels: unknown): void {
  for (const [name, value] of Object.entries(record(labels))) {
    const isGood = /^[a-z][a-z0-9_-]{0,62}$/.test(name) && /^[a-z0-9_-]{0,63}$/.test(String(value));
    if (!isGood) throw new Refusal(400, `Invalid label '${name}': '${value}'.`);
  }
}

function statusOf({ phase, state, message, atMs }: Moment): Record<string, unknown> {
  return withoutDefaults({ state: state ?? words[phase], details: message, stateStartTime: timestamp(atMs) });
}

function show(job: Job): Record<string, unknown> {
  const { projectId, jobId } = job.facts;
  const now = nowOf(job);
  const { clusterName } = record(job.spec.placement);
  const bucket = `gs://dataproc-staging-clouds-test/google-cloud-dataproc-metainfo/${uuidOf(String(clusterName))}/jobs/${jobId}/`;
  const shown = withoutDefaults({
    ...job.spec,
    reference: { projectId, jobId },
    placement: { clusterName, clusterUuid: uuidOf(String(clusterName)) },
    status: statusOf(now),
    statusHistory: job.past.slice(0, -1).map(statusOf),
    yarnApplications: applicationsOf(job),
    driverControlFilesUri: bucket,
    driverOutputResourceUri: `${bucket}driveroutput`,
    jobUuid: job.uid,
    // The word of the service itself for "nothing will change any more".
    done: endedPhases.has(now.phase) && now.state !== "ATTEMPT_FAILURE",
  });
  return now.patch === undefined ? shown : (overlay(shown, now.patch) as Record<string, unknown>);
}

function applicationsOf(job: Job): object[] {
  if (startedMs(job) === undefined) return [];
  const { phase } = nowOf(job);
  const states: Readonly<Record<string, string>> = { succeeded: "FINISHED", failed: "FAILED", cancelled: "KILLED" };
  const trackingUrl = `http://clouds-test-m:8088/proxy/application_1767225600000_${String(job.serial).padStart(4, "0")}/`;
  return [
    {
      name: text(job.facts.jobId),
      state: states[phase] ?? "RUNNING",
      progress: phase === "succeeded" ? 1 : 0.1,
      trackingUrl,
    },
  ];
}

/** A cluster keeps its uuid. */
function uuidOf(name: string): string {
  const hash = createHash("sha256").update(name).digest("hex");
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}

function operationOf(job: Job): Record<string, unknown> {
  const name = `${job.facts.place}/operations/${job.facts.operation}`;
  const metadata = packed("google.cloud.dataproc.v1.JobMetadata", {
    jobId: job.facts.jobId,
    status: statusOf(nowOf(job)),
    startTime: timestamp(job.createdMs),
  });
  if (!hasEnded(job)) return operation(name, { metadata });
  const { phase, message = `Job failed with message [${words[phase]}]` } = nowOf(job);
  const response = packed("google.cloud.dataproc.v1.Job", show(job));
  return operation(name, {
    metadata,
    outcome: phase === "succeeded" ? { response } : { error: { code: phase === "cancelled" ? 1 : 9, message } },
  });
}

/** The operation of a job that was submitted as one. */
export function jobOperation(world: World, id: string): Record<string, unknown> | undefined {
  const job = world.findByAlias("dataproc", operationAlias(id));
  return job === undefined ? undefined : operationOf(job);
}
