import { readMessage } from "../google/fields.ts";
import { page } from "../google/pages.ts";
import { admit, ok, refuseWithErrors, unknown } from "../google/refusals.ts";
import { Refusal } from "../refusal.ts";
import type { Answer, Exchange, Route, Service } from "../routes.ts";
import { record, text, whole } from "../values.ts";
import { endedMs, hasEnded, type Job, phaseOf, type World } from "../world.ts";
import type { QueryEngine, QueryResult } from "./engine.ts";
import { RealQueries, realScript } from "./queries.ts";
import { canonical, jobFields, readJob, requestFields } from "./requests.ts";
import { errorOf, etagOf, jobTypeOf, referenceOf, showJob, showListedJob, userEmail } from "./resources.ts";
import { showRows, showSchema } from "./rows.ts";
import { tableRoutes } from "./tables.ts";

// BigQuery v2: https://cloud.google.com/bigquery/docs/reference/rest. Messages and codes of errors: …/docs/error-messages.

const maxWaitMs = 200_000;
const usualWaitMs = 10_000;
const repeatMs = 15 * 60_000;

/** The code with which a query's failure comes out of `getQueryResults`, by its reason. */
const codes: Readonly<Record<string, number>> = {
  accessDenied: 403,
  backendError: 503,
  duplicate: 409,
  internalError: 500,
  notFound: 404,
  quotaExceeded: 403,
  rateLimitExceeded: 403,
  responseTooLarge: 403,
  stopped: 499,
};

/** With an engine queries are carried out, and take `queryMs` at least; without one they do as their scripts say. */
export function bigquery(world: World, options: { engine?: QueryEngine; queryMs?: number } = {}): Service {
  const { engine, queryMs = 0 } = options;
  const queries = engine && new RealQueries({ world, engine, queryMs });
  const jobs = new QueryJobs(world, queries);
  const root = "/bigquery/v2/projects/{project}";
  const routes: readonly Route[] = [
    { method: "POST", path: `${root}/jobs`, operation: "jobs.insert", handle: (exchange) => jobs.insert(exchange) },
    { method: "GET", path: `${root}/jobs`, operation: "jobs.list", handle: (exchange) => jobs.list(exchange) },
    { method: "GET", path: `${root}/jobs/{job}`, operation: "jobs.get", handle: (exchange) => jobs.get(exchange) },
    {
      method: "POST",
      path: `${root}/jobs/{job}/cancel`,
      operation: "jobs.cancel",
      handle: (exchange) => jobs.cancel(exchange),
    },
    {
      method: "DELETE",
      path: `${root}/jobs/{job}/delete`,
      operation: "jobs.delete",
      handle: (exchange) => jobs.delete(exchange),
    },
    {
      method: "GET",
      path: `${root}/queries/{job}`,
      operation: "jobs.getQueryResults",
      handle: (exchange) => jobs.results(exchange),
    },
    { method: "POST", path: `${root}/queries`, operation: "jobs.query", handle: (exchange) => jobs.query(exchange) },
    ...tableRoutes(engine, (exchange) => jobs.anonymous(exchange)),
  ];
  return {
    name: "bigquery",
    routes,
    owns: (path) => path.startsWith("/bigquery/") || path.startsWith("/upload/bigquery/"),
    refuse: refuseWithErrors,
    unknown,
    admit,
  };
}

class QueryJobs {
  readonly #world: World;
  readonly #queries: RealQueries | undefined;

  constructor(world: World, queries: RealQueries | undefined) {
    this.#world = world;
    this.#queries = queries;
  }

  insert(exchange: Exchange): Answer {
    const body = readMessage(exchange.body, jobFields);
    const { configuration } = body;
    if (record(configuration).dryRun !== true) return ok(this.#show(this.#make(exchange, body)));
    // Nothing is made: the reference names no job.
    const jobReference = { projectId: exchange.params.project, location: "US" };
    const status = { state: "DONE" };
    const statistics = {
      creationTime: String(this.#world.clock.nowMs()),
      totalBytesProcessed: "0",
      query: { totalBytesProcessed: "0" },
    };
    return ok({ kind: "bigquery#job", configuration, jobReference, statistics, status, user_email: userEmail });
  }

  get(exchange: Exchange): Answer {
    return ok(this.#show(this.#find(exchange)));
  }

  list({ world, params, query }: Exchange): Answer {
    const states = query.getAll("stateFilter");
    const [minMs, maxMs] = [
      Number(query.get("minCreationTime") ?? 0),
      Number(query.get("maxCreationTime") ?? Infinity),
    ];
    const fits = (job: Job) => {
      const state = hasEnded(job) ? "done" : phaseOf(job) === "queued" ? "pending" : "running";
      const isWanted = states.length === 0 || states.some((wanted) => wanted.toLowerCase() === state);
      return (
        referenceOf(job).projectId === params.project && isWanted && job.createdMs >= minMs && job.createdMs <= maxMs
      );
    };
    const found = world.list("bigquery").filter(fits).reverse();
    const size = Number(query.get("maxResults") ?? 50);
    const { items, nextPageToken } = page(found, { size, token: query.get("pageToken") });
    const isFull = query.get("projection") === "full";
    const jobs = items.map((job) => showListedJob(job, { result: this.#resultOf(job), isFull }));
    return ok({
      kind: "bigquery#jobList",
      etag: Buffer.from(`list ${found.length}`).toString("base64"),
      ...(jobs.length > 0 && { jobs }),
      ...(nextPageToken !== undefined && { nextPageToken }),
    });
  }

  cancel(exchange: Exchange): Answer {
    const job = this.#find(exchange);
    this.#world.cancel(job);
    return ok({ kind: "bigquery#jobCancelResponse", job: this.#show(job) });
  }

  delete(exchange: Exchange): Answer {
    const job = this.#find(exchange);
    if (!hasEnded(job)) throw new Refusal(400, `Cannot delete job ${job.key}: it is not done.`, "invalid");
    this.#world.remove(job);
    return { status: 204 };
  }

  /** `jobs.query`: makes a job and waits for it. The same `requestId` within a quarter of an hour answers with the same job. */
  async query(exchange: Exchange): Promise<Answer> {
    const request = readMessage(exchange.body, requestFields);
    const { query, defaultDataset, useLegacySql, parameterMode, queryParameters, maximumBytesBilled } = request;
    const asked = { query, defaultDataset, useLegacySql, parameterMode, queryParameters, maximumBytesBilled };
    const { dryRun, labels, jobTimeoutMs } = request;
    const configuration = { query: defined(asked), ...defined({ dryRun, labels, jobTimeoutMs }) };
    const requestId = text(request.requestId);
    const known = requestId === undefined ? undefined : this.#requested(requestId);
    if (known !== undefined) {
      exchange.about(known.key);
      this.#world.askedAgain(known);
    }
    const { project: projectId = "" } = exchange.params;
    const jobReference = defined({ projectId, location: request.location });
    const job = known ?? this.#make(exchange, { jobReference, configuration }, requestId);
    if (dryRun === true)
      return ok({
        kind: "bigquery#queryResponse",
        jobReference,
        totalBytesProcessed: "0",
        jobComplete: true,
        cacheHit: false,
      });
    await this.#wait(job, whole(request.timeoutMs), exchange);
    const size = whole(request.maxResults);
    const areTimestampsWhole = record(request.formatOptions).useInt64Timestamp === true;
    return this.#answer(job, { kind: "bigquery#queryResponse", start: 0, size, token: null, areTimestampsWhole });
  }

  /** `jobs.getQueryResults`: answers when the job is done, or after `timeoutMs` with `jobComplete: false`. */
  async results(exchange: Exchange): Promise<Answer> {
    const { query } = exchange;
    const job = this.#find(exchange);
    if (jobTypeOf(job) !== "QUERY") throw new Refusal(400, `Job ${job.key} is no query.`, "invalid");
    await this.#wait(job, whole(query.get("timeoutMs") ?? undefined), exchange);
    return this.#answer(job, {
      kind: "bigquery#getQueryResultsResponse",
      start: Number(query.get("startIndex") ?? 0),
      size: whole(query.get("maxResults") ?? undefined),
      token: query.get("pageToken"),
      areTimestampsWhole: query.get("formatOptions.useInt64Timestamp") === "true",
    });
  }

  /** The rows of an anonymous table: those of the job whose destination it was. */
  anonymous({ params }: Exchange): QueryResult | undefined {
    const isIt = (job: Job) => {
      const { destinationTable } = record(record(this.#show(job).configuration).query);
      const { datasetId, tableId } = record(destinationTable);
      return datasetId === params.dataset && tableId === params.table;
    };
    const job = this.#world.list("bigquery").find(isIt);
    return job === undefined ? undefined : this.#resultOf(job);
  }

  #answer(
    job: Job,
    wanted: {
      kind: string;
      start: number;
      size: number | undefined;
      token: string | null;
      areTimestampsWhole: boolean;
    },
  ): Answer {
    const { kind, size = 10_000, ...others } = wanted;
    const shared = { kind, jobReference: referenceOf(job) };
    if (!hasEnded(job)) return ok({ ...shared, jobComplete: false });
    const error = errorOf(job);
    if (error !== undefined) {
      throw new Refusal(codes[error.reason] ?? 400, error.message, error.reason, { location: error.location });
    }
    const result = this.#resultOf(job) ?? { fields: [], rows: [], statementType: "SELECT" };
    return ok({
      ...shared,
      etag: etagOf(job),
      schema: showSchema(result),
      ...showRows(result, { ...others, size }),
      totalBytesProcessed: String(result.bytesProcessed ?? 0),
      jobComplete: true,
      cacheHit: false,
      ...(result.affectedRows !== undefined && { numDmlAffectedRows: String(result.affectedRows) }),
      ...(kind === "bigquery#queryResponse" && {
        creationTime: String(job.createdMs),
        endTime: String(endedMs(job)),
        jobCreationReason: { code: "REQUESTED" },
      }),
    });
  }

  #make(exchange: Exchange, body: Record<string, unknown>, requestId?: string): Job {
    const { project = "" } = exchange.params;
    const { reference, kind } = readJob(body, project);
    const { jobTimeoutMs } = record(body.configuration);
    const key = `${project}:${reference.location}.${reference.jobId}`;
    const known = this.#world.find("bigquery", key);
    exchange.about(key, known === undefined);
    if (known !== undefined) {
      this.#world.askedAgain(known);
      throw new Refusal(409, `Already Exists: Job ${key}`, "duplicate");
    }
    const job = this.#world.make({
      service: "bigquery",
      key,
      spec: body,
      text: `${key}\n${exchange.text}`,
      facts: { reference },
      ...(requestId !== undefined && { aliases: [`request ${requestId}`] }),
      ...(kind === "query" && this.#queries && { script: realScript }),
    });
    const limitMs = whole(jobTimeoutMs);
    if (limitMs !== undefined && limitMs > 0) {
      const message = `Job execution was cancelled: Job timed out after ${limitMs / 1000}s`;
      this.#world.limit(job, { atMs: job.createdMs + limitMs, phase: "cancelled", reason: "stopped", message });
    }
    this.#queries?.start(job);
    return job;
  }

  #find(exchange: Exchange): Job {
    const { project = "", job: id = "" } = exchange.params;
    const location = exchange.query.get("location");
    // Without a location only the two multi-regions are looked at.
    for (const place of location === null ? ["US", "EU"] : [location]) {
      const job = this.#world.find("bigquery", `${project}:${canonical(place)}.${id}`);
      if (job === undefined) continue;
      exchange.about(job.key);
      return job;
    }
    throw new Refusal(404, `Not found: Job ${project}:${location === null ? "" : `${location}.`}${id}`, "notFound");
  }

  #requested(requestId: string): Job | undefined {
    const job = this.#world.findByAlias("bigquery", `request ${requestId}`);
    return job !== undefined && job.createdMs >= this.#world.clock.nowMs() - repeatMs ? job : undefined;
  }

  #resultOf(job: Job): QueryResult | undefined {
    const scripted = job.script.result;
    if (scripted !== undefined) return { ...scripted, statementType: "SELECT" };
    return job.facts.result as QueryResult | undefined;
  }

  #show(job: Job): Record<string, unknown> {
    return showJob(job, this.#resultOf(job));
  }

  async #wait(job: Job, timeoutMs: number | undefined, { gone }: Exchange): Promise<void> {
    const { clock } = this.#world;
    const untilMs = clock.nowMs() + Math.min(timeoutMs ?? usualWaitMs, maxWaitMs);
    while (!hasEnded(job) && clock.nowMs() < untilMs && !gone.aborted) await this.#world.change(job, { untilMs, gone });
  }
}

function defined(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
