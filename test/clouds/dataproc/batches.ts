import { randomUUID } from "node:crypto";
import { type Fields, fields, readMessage } from "../google/fields.ts";
import { page } from "../google/pages.ts";
import { googleService, operation, packed, timestamp, withoutDefaults } from "../google/proto.ts";
import { ok } from "../google/refusals.ts";
import { Refusal } from "../refusal.ts";
import type { Answer, Exchange, Route, Service } from "../routes.ts";
import { overlay, type Phase } from "../script.ts";
import { record, text } from "../values.ts";
import { endedMs, hasEnded, type Job, nowOf, phaseOf, startedMs, type World } from "../world.ts";
import { readFilter } from "./filters.ts";
import { checkLabels, jobOperation } from "./jobs.ts";

// Dataproc v1 serverless batches: googleapis google/cloud/dataproc/v1/batches.proto. A batch has no cancel of its own: its
// operation is cancelled.

const kinds = "pysparkBatch sparkBatch sparkRBatch sparkSqlBatch";
const batchFields: Fields = fields(
  `${kinds} name uuid createTime runtimeInfo state stateMessage stateTime creator labels runtimeConfig environmentConfig operation stateHistory`,
);
const words: Readonly<Record<Phase, string>> = {
  queued: "PENDING",
  running: "RUNNING",
  cancelling: "CANCELLING",
  succeeded: "SUCCEEDED",
  failed: "FAILED",
  cancelled: "CANCELLED",
};

export function batches(world: World): Service {
  const all = new Batches(world);
  const place = "/v1/projects/{project}/locations/{location}";
  // Operations of Dataproc are named by regions; the service takes both.
  const operations = ["regions", "locations"].flatMap((places): Route[] => {
    const path = `/v1/projects/{project}/${places}/{location}/operations/{operation}`;
    return [
      { method: "GET", path, operation: "operations.get", handle: (exchange) => all.operation(exchange) },
      {
        method: "POST",
        path: `${path}:cancel`,
        operation: "operations.cancel",
        handle: (exchange) => all.cancel(exchange),
      },
    ];
  });
  const routes: readonly Route[] = [
    {
      method: "POST",
      path: `${place}/batches`,
      operation: "batches.create",
      handle: (exchange) => all.create(exchange),
    },
    { method: "GET", path: `${place}/batches`, operation: "batches.list", handle: (exchange) => all.list(exchange) },
    {
      method: "GET",
      path: `${place}/batches/{batch}`,
      operation: "batches.get",
      handle: (exchange) => ok(show(all.find(exchange))),
    },
    {
      method: "DELETE",
      path: `${place}/batches/{batch}`,
      operation: "batches.delete",
      handle: (exchange) => all.delete(exchange),
    },
    ...operations,
  ];
  return {
    name: "batches",
    routes,
    owns: (path) => /^\/v1\/projects\/[^/]+\/locations\//.test(path),
    ...googleService,
  };
}

class Batches {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  create(exchange: Exchange): Answer {
    const { project, location } = exchange.params;
    const { query, world } = exchange;
    const batch = readMessage(exchange.body, batchFields);
    const given = kinds.split(" ").filter((kind) => batch[kind] !== undefined);
    if (given.length !== 1) throw new Refusal(400, "Batch must specify exactly one batch config");
    checkLabels(batch.labels);
    const parent = `projects/${project}/locations/${location}`;
    const requestId = query.get("requestId") ?? undefined;
    if (requestId !== undefined && !/^[\w-]{1,40}$/.test(requestId))
      throw new Refusal(400, `Invalid request id '${requestId}'.`);
    const request = requestId === undefined ? [] : [`${parent} request ${requestId}`];
    const requested = request[0] === undefined ? undefined : world.findByAlias("batches", request[0]);
    if (requested !== undefined) {
      exchange.about(requested.key);
      world.askedAgain(requested);
      return ok(operationOf(requested));
    }
    const id = query.get("batchId") ?? randomUUID();
    if (!/^[a-z0-9]([a-z0-9-]{2,61})[a-z0-9]$/.test(id)) {
      throw new Refusal(
        400,
        `Invalid batch id '${id}': it must be 4-63 characters, of the pattern [a-z0-9][a-z0-9-]*[a-z0-9].`,
      );
    }
    const key = `${parent}/batches/${id}`;
    const known = world.find("batches", key);
    exchange.about(key, known === undefined);
    if (known !== undefined) {
      world.askedAgain(known);
      throw new Refusal(409, `Already exists: Failed to create batch: Batch ${key}`);
    }
    const operationId = randomUUID();
    const facts = { parent, operation: `projects/${project}/regions/${location}/operations/${operationId}` };
    const aliases = [`operation ${operationId}`, ...request];
    return ok(
      operationOf(
        world.make({ service: "batches", key, spec: batch, text: `${key}\n${exchange.text}`, facts, aliases }),
      ),
    );
  }

  list({ params, query, world }: Exchange): Answer {
    const parent = `projects/${params.project}/locations/${params.location}`;
    const fits = readFilter(query.get("filter") ?? "", ["batch_id", "batch_uuid", "state", "create_time"]);
    const found = world
      .list("batches")
      .filter((job) => {
        const values: Readonly<Record<string, string>> = {
          batch_id: job.key.split("/").at(-1) ?? "",
          batch_uuid: job.uid,
          state: stateOf(job),
          create_time: timestamp(job.createdMs),
        };
        const labels = record(job.spec.labels);
        return (
          job.facts.parent === parent && fits((field) => values[field] ?? text(labels[field.slice("labels.".length)]))
        );
      })
      .reverse();
    const size = Number(query.get("pageSize") ?? 0) || 20;
    const { items, nextPageToken } = page(found, { size, token: query.get("pageToken") });
    return ok(withoutDefaults({ batches: items.map(show), nextPageToken }));
  }

  delete(exchange: Exchange): Answer {
    const job = this.find(exchange);
    if (!hasEnded(job))
      throw new Refusal(
        400,
        `Batch ${job.key} is in state ${stateOf(job)} and cannot be deleted.`,
        "FAILED_PRECONDITION",
      );
    this.#world.remove(job);
    return ok({});
  }

  operation(exchange: Exchange): Answer {
    const { operation: id = "" } = exchange.params;
    const job = this.#findOperation(exchange);
    const found = job === undefined ? jobOperation(this.#world, id) : operationOf(job);
    if (found === undefined) throw new Refusal(404, `Not found: Operation ${exchange.path.slice("/v1/".length)}`);
    return ok(found);
  }

  /** Best effort: answered with nothing, and the batch may end otherwise. */
  cancel(exchange: Exchange): Answer {
    const job = this.#findOperation(exchange);
    if (job === undefined)
      throw new Refusal(404, `Not found: Operation ${exchange.path.slice("/v1/".length).replace(":cancel", "")}`);
    this.#world.cancel(job);
    return ok({});
  }

  find(exchange: Exchange): Job {
    const { project, location, batch } = exchange.params;
    const key = `projects/${project}/locations/${location}/batches/${batch}`;
    exchange.about(key);
    const job = this.#world.find("batches", key);
    if (job === undefined) throw new Refusal(404, `Not found: Batch ${key}`);
    return job;
  }

  #findOperation(exchange: Exchange): Job | undefined {
    const job = this.#world.findByAlias("batches", `operation ${exchange.params.operation}`);
    if (job !== undefined) exchange.about(job.key);
    return job;
  }
}

function stateOf(job: Job): string {
  const { phase, state } = nowOf(job);
  return state ?? words[phase];
}

function show(job: Job): Record<string, unknown> {
  const now = nowOf(job);
  const id = job.key.split("/").at(-1);
  const shown = withoutDefaults({
    ...job.spec,
    name: job.key,
    uuid: job.uid,
    createTime: timestamp(job.createdMs),
    runtimeInfo: runtimeOf(job),
    state: stateOf(job),
    stateMessage: now.message,
    stateTime: timestamp(now.atMs),
    creator: "runner@clouds-test.iam.gserviceaccount.com",
    runtimeConfig: { version: "2.2", ...record(job.spec.runtimeConfig) },
    environmentConfig: job.spec.environmentConfig ?? { executionConfig: { subnetworkUri: "default" } },
    operation: job.facts.operation,
    stateHistory: job.past
      .slice(0, -1)
      .map(({ phase, state, message, atMs }) =>
        withoutDefaults({ state: state ?? words[phase], stateMessage: message, stateStartTime: timestamp(atMs) }),
      ),
    labels: { ...record(job.spec.labels), "goog-dataproc-batch-id": id, "goog-dataproc-batch-uuid": job.uid },
  });
  return now.patch === undefined ? shown : (overlay(shown, now.patch) as Record<string, unknown>);
}

function runtimeOf(job: Job): object {
  if (startedMs(job) === undefined) return {};
  const outputUri = `gs://dataproc-staging-clouds-test/google-cloud-dataproc-metainfo/batches/${job.uid}/driveroutput`;
  const usage = hasEnded(job) && { approximateUsage: { milliDcuSeconds: "1000", shuffleStorageGbSeconds: "400" } };
  return { outputUri, ...usage };
}

function operationOf(job: Job): Record<string, unknown> {
  const ended = endedMs(job);
  const metadata = packed("google.cloud.dataproc.v1.BatchOperationMetadata", {
    batch: job.key,
    batchUuid: job.uid,
    createTime: timestamp(job.createdMs),
    ...(ended !== undefined && { doneTime: timestamp(ended) }),
    operationType: "BATCH",
    description: "Batch",
  });
  const name = String(job.facts.operation);
  if (!hasEnded(job)) return operation(name, { metadata });
  const { message = `Batch ended in state ${stateOf(job)}` } = nowOf(job);
  const response = packed("google.cloud.dataproc.v1.Batch", show(job));
  const code = phaseOf(job) === "cancelled" ? 1 : 10;
  return operation(name, {
    metadata,
    outcome: phaseOf(job) === "succeeded" ? { response } : { error: { code, message } },
  });
}
