import { randomBytes, randomUUID } from "node:crypto";
import { type Fields, fields, readMessage } from "./google/fields.ts";
import { page } from "./google/pages.ts";
import { durationMs, googleService, operation, packed, timestamp, withoutDefaults } from "./google/proto.ts";
import { ok } from "./google/refusals.ts";
import { Refusal } from "./refusal.ts";
import type { Answer, Exchange, Route, Service } from "./routes.ts";
import { overlay } from "./script.ts";
import { list, record, text, whole } from "./values.ts";
import { endedMs, hasEnded, type Job, nowOf, phaseOf, startedMs, type World } from "./world.ts";

// Cloud Run Admin API v2, jobs and their executions: googleapis google/cloud/run/v2/{job,execution,condition}.proto.

const runFields = fields("name validateOnly etag", {
  overrides: fields("taskCount timeout", {
    containerOverrides: fields("name args clearArgs", { env: fields("name value valueSource") }),
  }),
});
const cancelFields: Fields = fields("name validateOnly etag");
const waitFields: Fields = fields("name timeout");

const executionType = "google.cloud.run.v2.Execution";
const email = "runner@clouds-test.iam.gserviceaccount.com";
const maxWaitMs = 1_800_000;

export function cloudRun(world: World): Service {
  const runs = new Executions(world);
  const place = "/v2/projects/{project}/locations/{location}";
  const job = `${place}/jobs/{job}`;
  const execution = `${job}/executions/{execution}`;
  const routes: readonly Route[] = [
    { method: "POST", path: `${job}:run`, operation: "jobs.run", handle: (exchange) => runs.run(exchange) },
    { method: "GET", path: job, operation: "jobs.get", handle: (exchange) => runs.job(exchange) },
    {
      method: "GET",
      path: `${job}/executions`,
      operation: "executions.list",
      handle: (exchange) => runs.list(exchange),
    },
    { method: "GET", path: execution, operation: "executions.get", handle: (exchange) => runs.get(exchange) },
    { method: "DELETE", path: execution, operation: "executions.delete", handle: (exchange) => runs.delete(exchange) },
    {
      method: "POST",
      path: `${execution}:cancel`,
      operation: "executions.cancel",
      handle: (exchange) => runs.cancel(exchange),
    },
    {
      method: "GET",
      path: `${place}/operations/{operation}`,
      operation: "operations.get",
      handle: (exchange) => runs.operation(exchange),
    },
    {
      method: "POST",
      path: `${place}/operations/{operation}:wait`,
      operation: "operations.wait",
      handle: (exchange) => runs.wait(exchange),
    },
  ];
  return { name: "cloudrun", routes, owns: (path) => path.startsWith("/v2/"), ...googleService };
}

/** Every job that is named is there; what is kept are its executions, each made by one run. */
class Executions {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  run(exchange: Exchange): Answer {
    const { project, location, job = "" } = exchange.params;
    const body = readMessage(exchange.body, runFields);
    const overrides = record(body.overrides);
    durationMs(overrides.timeout, "overrides.timeout");
    const taskCount = whole(overrides.taskCount);
    if (overrides.taskCount !== undefined && (taskCount === undefined || taskCount < 1)) {
      throw new Refusal(400, "overrides.task_count: must be greater than or equal to 1.");
    }
    const parent = `projects/${project}/locations/${location}/jobs/${job}`;
    const key = `${parent}/executions/${job}-${suffix()}`;
    const facts = { parent, operation: randomUUID(), taskCount: taskCount ?? 1 };
    if (body.validateOnly === true) {
      return ok(
        operation(`projects/${project}/locations/${location}/operations/${facts.operation}`, {
          metadata: packed(executionType, {}),
        }),
      );
    }
    const asked = { service: "cloudrun", key, spec: body, text: `${key}\n${exchange.text}` } as const;
    const made = this.#world.make({ ...asked, facts, aliases: [`operation ${facts.operation}`] });
    exchange.about(key, true);
    return ok(this.#operationOf(made, facts.operation));
  }

  /** `jobs.get`: as much of a job as tells of its newest execution. */
  job({ params, world }: Exchange): Answer {
    const name = `projects/${params.project}/locations/${params.location}/jobs/${params.job}`;
    const all = world.list("cloudrun").filter(({ facts }) => facts.parent === name);
    const latest = all.at(-1);
    const created = timestamp(Date.UTC(2026, 0, 1, 8, 30, 0, 125));
    return ok({
      name,
      uid: "b0a7c0de-0000-4000-8000-000000000001",
      generation: "1",
      createTime: created,
      updateTime: created,
      creator: email,
      lastModifier: email,
      launchStage: "GA",
      template: { taskCount: 1, template: templateOf({}) },
      observedGeneration: "1",
      terminalCondition: { type: "Ready", state: "CONDITION_SUCCEEDED", lastTransitionTime: created },
      ...(all.length > 0 && { executionCount: all.length }),
      ...(latest !== undefined && { latestCreatedExecution: reference(latest) }),
      etag: '"CI0000000000"',
    });
  }

  get(exchange: Exchange): Answer {
    return ok(show(this.#find(exchange)));
  }

  list({ params, query, world }: Exchange): Answer {
    const parent = `projects/${params.project}/locations/${params.location}/jobs/${params.job}`;
    const found = world
      .list("cloudrun")
      .filter(
        ({ facts }) =>
          facts.parent === parent || (params.job === "-" && String(facts.parent).startsWith(parent.slice(0, -1))),
      )
      .reverse();
    const size = Number(query.get("pageSize") ?? 0) || 100;
    const { items, nextPageToken } = page(found, { size, token: query.get("pageToken") });
    return ok(withoutDefaults({ executions: items.map(show), nextPageToken }));
  }

  cancel(exchange: Exchange): Answer {
    readMessage(exchange.body, cancelFields);
    const job = this.#find(exchange);
    if (hasEnded(job)) throw new Refusal(400, `Execution '${idOf(job)}' has already completed.`, "FAILED_PRECONDITION");
    if (job.facts.cancelOperation === undefined) {
      job.facts.cancelOperation = randomUUID();
      this.#world.addAlias(job, `operation ${job.facts.cancelOperation}`);
    }
    this.#world.cancel(job);
    return ok(this.#operationOf(job, String(job.facts.cancelOperation)));
  }

  delete(exchange: Exchange): Answer {
    const job = this.#find(exchange);
    const shown = show(job);
    this.#world.remove(job);
    const outcome = { response: packed(executionType, { ...shown, deleteTime: timestamp(this.#world.clock.nowMs()) }) };
    return ok(
      operation(`${placeOf(job)}/operations/${randomUUID()}`, { metadata: packed(executionType, shown), outcome }),
    );
  }

  operation(exchange: Exchange): Answer {
    const { id, job } = this.#findOperation(exchange);
    return ok(this.#operationOf(job, id));
  }

  /** Answers when the operation is done, or after the time that is asked for. */
  async wait(exchange: Exchange): Promise<Answer> {
    const { timeout } = readMessage(exchange.body, waitFields);
    const { clock } = this.#world;
    const untilMs = clock.nowMs() + Math.min(durationMs(timeout, "timeout") ?? maxWaitMs, maxWaitMs);
    const { id, job } = this.#findOperation(exchange);
    while (!hasEnded(job) && clock.nowMs() < untilMs && !exchange.gone.aborted) {
      await this.#world.change(job, { untilMs, gone: exchange.gone });
    }
    return ok(this.#operationOf(job, id));
  }

  #operationOf(job: Job, id: string): Record<string, unknown> {
    const execution = packed(executionType, show(job));
    const name = `${placeOf(job)}/operations/${id}`;
    if (!hasEnded(job)) return operation(name, { metadata: execution });
    const isGood = phaseOf(job) === "succeeded" || id === job.facts.cancelOperation;
    const message = nowOf(job).message ?? messages[phaseOf(job)] ?? "";
    return operation(name, {
      metadata: execution,
      outcome: isGood ? { response: execution } : { error: { code: 2, message } },
    });
  }

  #find(exchange: Exchange): Job {
    const { project, location, job, execution = "" } = exchange.params;
    const key = `projects/${project}/locations/${location}/jobs/${job}/executions/${execution}`;
    exchange.about(key);
    const found = this.#world.find("cloudrun", key);
    if (found !== undefined) return found;
    const said = `Resource '${execution}' of kind 'EXECUTION' in region '${location}' in project '${project}' does not exist.`;
    throw new Refusal(404, said);
  }

  #findOperation(exchange: Exchange): { id: string; job: Job } {
    const { project, location, operation: id = "" } = exchange.params;
    const found = this.#world.findByAlias("cloudrun", `operation ${id}`);
    const job = found && placeOf(found) === `projects/${project}/locations/${location}` ? found : undefined;
    if (job === undefined)
      throw new Refusal(404, `Operation projects/${project}/locations/${location}/operations/${id} not found.`);
    exchange.about(job.key);
    return { id, job };
  }
}

/** `gcx7k`: five letters and digits, as executions end in. */
function suffix(): string {
  return [...randomBytes(5)].map((byte) => "abcdefghijklmnopqrstuvwxyz0123456789"[byte % 36]).join("");
}

function idOf(job: Job): string {
  return job.key.split("/").at(-1) ?? "";
}

function placeOf(job: Job): string {
  return job.key.split("/").slice(0, 4).join("/");
}

const messages: Readonly<Record<string, string>> = {
  failed: "Task execution-task0 failed with message: The container exited with an error.",
  cancelled: "The execution was cancelled.",
};

function show(job: Job): Record<string, unknown> {
  const now = nowOf(job);
  const taskCount = whole(job.facts.taskCount) ?? 1;
  const [started, ended] = [startedMs(job), endedMs(job)];
  const isRunning = now.phase === "running" || now.phase === "cancelling";
  const shown = withoutDefaults({
    name: job.key,
    uid: job.uid,
    creator: email,
    generation: "1",
    createTime: timestamp(job.createdMs),
    ...(started !== undefined && { startTime: timestamp(started) }),
    ...(ended !== undefined && { completionTime: timestamp(ended) }),
    updateTime: timestamp(now.atMs),
    launchStage: "GA",
    job: idOf({ ...job, key: String(job.facts.parent) }),
    taskCount,
    template: templateOf(record(job.spec.overrides)),
    reconciling: !hasEnded(job),
    conditions: conditionsOf(job),
    observedGeneration: "1",
    runningCount: isRunning ? taskCount : 0,
    succeededCount: now.phase === "succeeded" ? taskCount : 0,
    failedCount: now.phase === "failed" ? 1 : 0,
    cancelledCount: now.phase === "cancelled" ? taskCount : 0,
    logUri: `https://console.cloud.google.com/logs/viewer?project=${job.key.split("/")[1]}&advancedFilter=resource.type%3D%22cloud_run_job%22`,
    etag: `"${Buffer.from(`${job.uid.slice(0, 8)}${job.past.length}`).toString("base64")}"`,
  });
  return now.patch === undefined ? shown : (overlay(shown, now.patch) as Record<string, unknown>);
}

/** `Completed` decides; the others say how far it has come, and are no ends. */
function conditionsOf(job: Job): object[] {
  const { phase, state, message, reason, atMs } = nowOf(job);
  const begun = timestamp(startedMs(job) ?? job.createdMs);
  const isStarted = phase !== "queued";
  const states: Readonly<Record<string, string>> = {
    succeeded: "CONDITION_SUCCEEDED",
    failed: "CONDITION_FAILED",
    cancelled: "CONDITION_FAILED",
  };
  const reasons: Readonly<Record<string, string>> = {
    failed: "NON_ZERO_EXIT_CODE",
    cancelled: "CANCELLED",
    cancelling: "CANCELLING",
  };
  const said =
    message ??
    (phase === "succeeded"
      ? `Execution completed successfully in ${(atMs - job.createdMs) / 1000}s.`
      : messages[phase]);
  const executionReason = reason ?? reasons[phase];
  const done = (type: string) => ({
    type,
    state: isStarted ? "CONDITION_SUCCEEDED" : "CONDITION_RECONCILING",
    lastTransitionTime: begun,
  });
  return [
    {
      type: "Completed",
      state: state ?? states[phase] ?? "CONDITION_RECONCILING",
      ...(said !== undefined && { message: said }),
      lastTransitionTime: timestamp(atMs),
      ...(executionReason !== undefined && { executionReason }),
    },
    done("ResourcesAvailable"),
    done("Started"),
    { type: "ContainerReady", state: "CONDITION_SUCCEEDED", lastTransitionTime: timestamp(job.createdMs) },
    {
      type: "Retry",
      state: "CONDITION_SUCCEEDED",
      message: "System will retry after 0:00:00 from lastTransitionTime for attempt 0.",
      lastTransitionTime: begun,
      severity: "INFO",
      reason: "IMMEDIATE_RETRY",
    },
  ];
}

/** The template of the job with what the run has laid over it. */
function templateOf(overrides: Record<string, unknown>): object {
  const usual = { name: "job", image: "gcr.io/cloudrun/job", resources: { limits: { cpu: "1000m", memory: "512Mi" } } };
  const containers = list(overrides.containerOverrides).map((override) => {
    const { name, args, env } = record(override);
    return { ...usual, ...withoutDefaults({ name: text(name) ?? usual.name, args, env }) };
  });
  return {
    containers: containers.length > 0 ? containers : [usual],
    maxRetries: 3,
    timeout: text(overrides.timeout) ?? "600s",
    serviceAccount: email,
    executionEnvironment: "EXECUTION_ENVIRONMENT_GEN2",
  };
}

function reference(job: Job): object {
  const [ended, { phase }] = [endedMs(job), nowOf(job)];
  const words: Readonly<Record<string, string>> = { queued: "PENDING", cancelling: "RUNNING" };
  return {
    name: idOf(job),
    createTime: timestamp(job.createdMs),
    ...(ended !== undefined && { completionTime: timestamp(ended) }),
    completionStatus: `EXECUTION_${words[phase] ?? phase.toUpperCase()}`,
  };
}
