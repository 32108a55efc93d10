import { randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import { AppError, type Json, limits, nearestName, textDefect } from "@holdfast/protocol";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { Logger } from "../log.ts";
import type { Assets } from "../operations/assets.ts";
import type { BulkActions } from "../operations/bulk.ts";
import type { Concurrency } from "../operations/concurrency.ts";
import type { Definitions } from "../operations/definitions.ts";
import type { ExternalJobs } from "../operations/external-jobs.ts";
import type { History } from "../operations/history.ts";
import type { Intents } from "../operations/intents.ts";
import type { Marks } from "../operations/marks.ts";
import type { Obligations } from "../operations/obligations.ts";
import type { Pauses } from "../operations/pauses.ts";
import type { Reasons } from "../operations/reasons.ts";
import type { Requests } from "../operations/requests.ts";
import type { Restarts } from "../operations/restarts.ts";
import type { Runs } from "../operations/runs.ts";
import type { Schedules } from "../operations/schedules.ts";
import type { Signals } from "../operations/signals.ts";
import type { State } from "../operations/state.ts";
import type { BacklogMetrics } from "../telemetry/backlog-metrics.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { aboutRoutes, type StoreAnswer } from "./about.ts";
import { type AccessOptions, checkExposure, hostCheck, tokenCheck } from "./access.ts";
import { assetRoutes } from "./assets.ts";
import { parseBody } from "./body.ts";
import { controlRoutes } from "./control.ts";
import { definitionRoutes } from "./definitions.ts";
import { isKnown, tagOf } from "./entity-tags.ts";
import { externalJobRoutes } from "./external-jobs.ts";
import { asAppError, failureAnswer, schemaFailure } from "./failures.ts";
import { historyRoutes } from "./history.ts";
import { intentRoutes } from "./intents.ts";
import { limitRoutes } from "./limits.ts";
import { refuseConnection } from "./no-request.ts";
import { obligationRoutes } from "./obligations.ts";
import { openApi } from "./openapi.ts";
import { pauseRoutes } from "./pauses.ts";
import type { Route } from "./route.ts";
import { runRoutes } from "./runs.ts";
import { scheduleRoutes } from "./schedules.ts";
import { signalRoutes } from "./signals.ts";
import { stateRoutes } from "./state.ts";

const defaultBodyBytes = 64 * 1024;
/** A key of state in a path: 512 characters, each of up to nine when it is escaped. */
const maxParamLength = 5_000;
const readyTimeoutMs = 5_000;
const backlogTimeoutMs = 3_000;
/** After this long, callers that do not take their answer are cut off. */
const closeTimeoutMs = 5_000;

/** What the interface stands on. */
export interface ApiServices {
  readonly store: { describe(): Promise<StoreAnswer> };
  readonly definitions: Definitions;
  readonly concurrency: Concurrency;
  readonly runs: Runs;
  readonly reasons: Reasons;
  readonly schedules: Schedules;
  readonly history: History;
  readonly intents: Intents;
  readonly pauses: Pauses;
  readonly obligations: Obligations;
  readonly externalJobs: ExternalJobs;
  readonly requests: Requests;
  readonly restarts: Restarts;
  readonly marks: Marks;
  readonly signals: Signals;
  readonly state: State;
  readonly assets: Assets;
  readonly bulk: BulkActions;
  readonly namespace: string;
  readonly telemetry: Pick<Telemetry, "metrics">;
  readonly backlog: BacklogMetrics;
}

export interface ApiOptions {
  /** The address to listen on. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Needed off loopback; where it is set, callers must send it. */
  readonly token?: string;
  /** Names that `Host` may carry besides `host`, loopback's and plain addresses. */
  readonly allowedHosts?: readonly string[];
  readonly version: string;
  readonly log: Logger;
}

/** The interface over HTTP, listening or not. */
export interface Api {
  /** Resolves with the base address, `http://127.0.0.1:4400`. Throws `invalid_request` when the port is taken. */
  listen(): Promise<string>;
  /** Waiting callers are answered with what there is; then the port is closed. */
  close(): Promise<void>;
  /** For tests: a request without a socket. */
  readonly inject: FastifyInstance["inject"];
}

/** Builds the interface. Throws `unauthorized` when it would be open to the network without a token. */
export function buildApi(services: ApiServices, options: ApiOptions): Api {
  const { host, port, version, log } = options;
  const access: AccessOptions = { host, token: options.token, allowedHosts: options.allowedHosts ?? [] };
  checkExposure(access);
  const stopping = new AbortController();
  const app = newApp(log);
  const routes: Route[] = [
    ...runRoutes(services),
    ...historyRoutes(services),
    ...definitionRoutes(services),
    ...limitRoutes(services),
    ...intentRoutes(services),
    ...pauseRoutes(services),
    ...obligationRoutes(services),
    ...externalJobRoutes(services),
    ...scheduleRoutes(services),
    ...controlRoutes(services),
    ...signalRoutes(services),
    ...stateRoutes(services),
    ...assetRoutes(services),
    ...aboutRoutes({ describeStore: () => services.store.describe(), namespace: services.namespace, version }),
  ];
  guard(app, access);
  for (const route of routes) addRoute(app, route, { stopping: stopping.signal, requests: services.requests });
  addProbes(app, services);
  let description: object | undefined;
  app.get("/v1/openapi.json", () => {
    description ??= openApi(routes, version);
    return description;
  });
  app.setNotFoundHandler((request, reply) => {
    throw unknownRoute(routes, request, reply);
  });
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "unknown";
    services.telemetry.metrics.httpRequests.add(1, request.method, route, String(reply.statusCode));
  });
  return {
    listen: () => listen(app, { host, port }),
    close: async () => {
      stopping.abort();
      const patience = setTimeout(() => app.server.closeAllConnections(), closeTimeoutMs);
      await app.close();
      clearTimeout(patience);
    },
    inject: app.inject.bind(app),
  };
}

function newApp(log: Logger): FastifyInstance {
  const app = fastify({
    bodyLimit: defaultBodyBytes,
    routerOptions: { maxParamLength },
    genReqId: () => randomUUID(),
    return503OnClosing: false,
    forceCloseConnections: "idle",
    frameworkErrors: (error, request, reply) => fail({ error, request, reply, log }),
    clientErrorHandler: refuseConnection,
  });
  app.setErrorHandler((error, request, reply) => fail({ error, request, reply, log }));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, bytes, done) => {
    try {
      done(null, parseBody(Buffer.from(bytes)));
    } catch (error) {
      done(asAppError(error), undefined);
    }
  });
  return app;
}

interface Failing {
  readonly error: unknown;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly log: Logger;
}

function fail({ error, request, reply, log }: Failing): void {
  const { status, body } = failureAnswer(error, request.id);
  if (status === 500)
    log.error({ err: error, request_id: request.id, url: request.routeOptions.url }, "a request failed");
  void reply.code(status).type("application/json").send(JSON.stringify(body));
}

/** Host and Origin for every request; the token for all but the probes, and routes whose address is the permission. */
function guard(app: FastifyInstance, access: AccessOptions): void {
  const checkHost = hostCheck(access);
  const checkToken = tokenCheck(access);
  app.addHook("onRequest", async (request) => {
    checkHost(request.headers);
    const { url, config } = request.routeOptions;
    if (url === "/healthz" || url === "/readyz" || ("isOpen" in config && config.isOpen === true)) return;
    checkToken(request.headers);
  });
}

function addRoute(
  app: FastifyInstance,
  route: Route,
  { stopping, requests }: { stopping: AbortSignal; requests: Requests },
): void {
  app.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ":$1"),
    bodyLimit: route.maxBodyBytes ?? defaultBodyBytes,
    exposeHeadRoute: false,
    config: { isOpen: route.isOpen === true },
    handler: async (request, reply) => {
      const body = route.body === undefined ? undefined : (request.body ?? (route.bodyOptional ? {} : undefined));
      const gone = new AbortController();
      const leave = () => gone.abort();
      reply.raw.once("close", leave);
      const key = route.idempotent === true || route.keeps === true ? requestKey(request) : undefined;
      const call = {
        params: request.params as Record<string, string>,
        query: parse(route.query, request.query, "query"),
        body: parse(route.body, body, "body"),
        requestKey: key,
        traceparent: onlyOne(request.headers.traceparent),
        ifMatch: route.tagged === true ? request.headers["if-match"] : undefined,
        ifNoneMatch: route.tagged === true ? request.headers["if-none-match"] : undefined,
        signal: AbortSignal.any([gone.signal, stopping]),
      };
      const own = call.query === undefined ? [] : [call.query as Json];
      const conditions = [call.ifMatch ?? [], call.ifNoneMatch ?? []].flat();
      const asked = [route.path, call.params, (call.body ?? null) as Json, ...own, ...conditions];
      const answer =
        key === undefined || route.keeps !== true
          ? await route.answerCall({ ...call, control: undefined })
          : await requests.once(key, asked, (control) => route.answerCall({ ...call, control }));
      const tag = route.tagged === true ? tagOf(answer) : undefined;
      if (tag !== undefined) reply.header("etag", tag);
      if (route.method === "GET" && isKnown(call.ifNoneMatch, tag)) return reply.code(304).send();
      return reply.type("application/json").send(JSON.stringify(answer));
    },
  });
}

function parse(schema: Route["query"], value: unknown, place: "query" | "body"): unknown {
  if (schema === undefined) return undefined;
  if (place === "body" && value === undefined) {
    throw new AppError("invalid_request", "The request has no body.", {
      hint: "Send JSON, with the header Content-Type: application/json.",
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw schemaFailure(parsed.error, place);
}

function onlyOne(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" ? header : undefined;
}

function requestKey(request: FastifyRequest): string | undefined {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key === "string" && key !== "" && key.length <= limits.keyCharacters && textDefect(key) === undefined) {
    return key;
  }
  throw new AppError("invalid_request", `Idempotency-Key must be one text of 1 to ${limits.keyCharacters} characters.`);
}

function addProbes(app: FastifyInstance, { store, telemetry, backlog }: ApiServices): void {
  app.get("/healthz", () => ({ status: "ok" }));
  app.get("/readyz", async () => {
    await within(store.describe(), readyTimeoutMs);
    return { status: "ok" };
  });
  app.get("/metrics", async (_request, reply) => {
    // A store that does not answer must not keep the other numbers back.
    await within(backlog.refresh(), backlogTimeoutMs).catch(() => undefined);
    return reply.type("text/plain; version=0.0.4; charset=utf-8").send(telemetry.metrics.text());
  });
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new AppError("store_unavailable", `The store has not answered for ${ms / 1_000} s.`)),
    ms,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function unknownRoute(routes: readonly Route[], { method, url }: FastifyRequest, reply: FastifyReply): AppError {
  const path = url.split("?")[0] ?? url;
  const others = routes.filter((route) => pathPattern(route.path).test(path));
  const methods = [...new Set(others.map((route) => route.method))];
  if (methods.length > 0 && !methods.some((known) => known === method)) {
    reply.header("allow", methods.join(", "));
    const hint = `Use ${methods.join(" or ")}.`;
    return new AppError("method_not_allowed", `${path} does not answer to ${method}.`, { hint });
  }
  const near = nearestName(
    path,
    routes.flatMap((route) => filledIn(route.path, path) ?? []),
  );
  const meant = near === undefined ? "" : `Did you mean ${near}? `;
  return new AppError("not_found", `There is nothing at ${path}.`, {
    hint: `${meant}GET /v1/openapi.json lists what there is.`,
  });
}

/** The path of a route with the names that `path` has in their places; undefined where it is of another length. */
function filledIn(route: string, path: string): string | undefined {
  const [parts, given] = [route.split("/"), path.split("/")];
  if (parts.length !== given.length) return undefined;
  return parts.map((part, index) => (part.startsWith("{") ? given[index] : part)).join("/");
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`);
}

async function listen(app: FastifyInstance, { host, port }: { host: string; port: number }): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw listenFailure(error, { host, port });
  }
  const address = app.server.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}

function listenFailure(error: unknown, { host, port }: { host: string; port: number }): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") {
    return new AppError("invalid_request", `Port ${port} on ${host} is in use.`, {
      hint: "Another program listens there, perhaps another Holdfast. Choose another with --port.",
      cause: error,
    });
  }
  if (code === "EACCES") {
    return new AppError("invalid_request", `Port ${port} on ${host} may not be used by this user.`, {
      hint: "Choose one above 1023 with --port.",
      cause: error,
    });
  }
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new AppError("invalid_request", `${host} is no address of this machine.`, {
      hint: "Listen on 127.0.0.1, or on 0.0.0.0 for all addresses.",
      cause: error,
    });
  }
  return error;
}
