import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { defaultRetry, type ErrorBody, errorBodySchema, type Json, type Manifest } from "@holdfast/protocol";
import { systemClock } from "../clock.ts";
import { silentLog } from "../log.ts";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { type Api, type ApiOptions, buildApi } from "./server.ts";

const manifest: Manifest = {
  format: 1,
  root: "greet",
  definitions: {
    greet: {
      kind: "task",
      id: "greet",
      executor: "typescript",
      source: { module: "tasks/greet.ts", export: "greet" },
      input: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
      queue: "default",
      priority: 0,
      retry: defaultRetry,
      placement: "process",
      isolation: "pool",
      reads: [],
      writes: [],
    },
  },
  assets: {},
};

interface Answer {
  readonly status: number;
  readonly json: { readonly [key: string]: Json };
}

class Caller {
  readonly api: Api;

  constructor(options: Partial<ApiOptions> = {}) {
    const services = serve(openMemoryStore({ clock: systemClock }), { pollMs: 50 });
    this.api = buildApi(services, { host: "127.0.0.1", port: 0, version: "0.0.0", log: silentLog, ...options });
  }

  async get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await this.api.inject({ method: "GET", url, headers: { host: "localhost", ...headers } });
    return { status: answer.statusCode, json: answer.json() };
  }

  async post(url: string, body: Json | Buffer | string, headers: Record<string, string> = {}): Promise<Answer> {
    const payload = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const all = { host: "localhost", "content-type": "application/json", ...headers };
    const answer = await this.api.inject({ method: "POST", url, headers: all, payload });
    return { status: answer.statusCode, json: answer.json() };
  }
}

async function withGreet(options: Partial<ApiOptions> = {}): Promise<Caller> {
  const caller = new Caller(options);
  const { status } = await caller.post("/v1/definitions", { manifests: [manifest] } as unknown as Json);
  assert.equal(status, 200);
  return caller;
}

function failureOf({ status, json }: Answer): ErrorBody["error"] & { status: number } {
  return { status, ...errorBodySchema.parse(json).error };
}

function field(answer: Answer, ...path: string[]): Json {
  let value: Json = answer.json;
  for (const name of path) {
    assert.ok(typeof value === "object" && value !== null && !Array.isArray(value), `no ${name}`);
    value = (value as { [key: string]: Json })[name] ?? null;
  }
  return value;
}

test("a run is started, seen, listed, cancelled, and its events and result are read over HTTP", async () => {
  const caller = await withGreet();
  const started = await caller.post("/v1/runs", { definition: "greet", input: { name: "Ada" } });
  assert.equal(started.status, 200);
  const id = String(field(started, "run", "id"));
  assert.equal(field(await caller.get(`/v1/runs/${id}`), "status"), "ready");
  assert.equal(field(await caller.get(`/v1/runs/${id.slice(0, 20)}`), "id"), id);
  const listed = await caller.get("/v1/runs?status=ready&status=running&limit=5");
  assert.deepEqual(
    (listed.json.runs as { id: string }[]).map((run) => run.id),
    [id],
  );
  assert.deepEqual((await caller.get("/v1/runs?status=failed")).json.runs, []);
  const waiting = caller.get(`/v1/runs/${id}/result?waitMs=30000`);
  const cancelled = await caller.post(`/v1/runs/${id}/cancel`, { reason: "enough" });
  assert.equal(cancelled.json.requested, 1);
  assert.equal(field(await waiting, "status"), "cancelled");
  const { json } = await caller.get(`/v1/runs/${id}/events?after=1`);
  assert.deepEqual((json.events as { number: number }[]).map((event) => event.number)[0], 2);
  const tree = await caller.get(`/v1/runs/${id}/tree`);
  assert.equal((tree.json.runs as Json[]).length, 1);
  assert.deepEqual((await caller.get(`/v1/runs/${id}/logs`)).json.lines, []);
});

test("a cancel needs no body", async () => {
  const caller = await withGreet();
  const started = await caller.post("/v1/runs", { definition: "greet", input: { name: "Ada" } });
  const url = `/v1/runs/${String(field(started, "run", "id"))}/cancel`;
  const answer = await caller.api.inject({ method: "POST", url, headers: { host: "localhost" } });
  assert.equal(answer.statusCode, 200);
});

test("the same Idempotency-Key answers the same run, and another request under it is refused", async () => {
  const caller = await withGreet();
  const body = { definition: "greet", input: { name: "Ada" } };
  const first = await caller.post("/v1/runs", body, { "idempotency-key": "k1" });
  const second = await caller.post("/v1/runs", body, { "idempotency-key": "k1" });
  assert.equal(field(second, "run", "id"), field(first, "run", "id"));
  assert.equal(second.json.existing, true);
  const other = { definition: "greet", input: { name: "Bob" } };
  const refused = failureOf(await caller.post("/v1/runs", other, { "idempotency-key": "k1" }));
  assert.deepEqual([refused.status, refused.code], [409, "request_conflict"]);
});

test("what is wrong with a request is said with a code, a status and the id of the request", async () => {
  const caller = await withGreet();
  const run = { definition: "greet", input: { name: "Ada" } };
  const cases: [Promise<Answer>, number, string][] = [
    [caller.get("/v1/nothing"), 404, "not_found"],
    [caller.get("/v1/runs/zzzzzzzz"), 404, "not_found"],
    [caller.get("/v1/runs/x/cancel"), 405, "method_not_allowed"],
    [caller.get("/v1/runs?limit=x"), 400, "invalid_request"],
    [caller.get("/v1/runs?limit=0"), 400, "invalid_request"],
    [caller.get("/v1/runs?colour=red"), 400, "invalid_request"],
    [caller.get("/v1/runs/%zz"), 400, "invalid_request"],
    [caller.get(`/v1/runs/${"1".repeat(5_500)}`), 400, "invalid_request"],
    [caller.post("/v1/runs", { ...run, key: "😀".repeat(512) }), 400, "invalid_request"],
    [caller.post("/v1/runs", "{"), 400, "invalid_request"],
    [caller.post("/v1/runs", ""), 400, "invalid_request"],
    [caller.post("/v1/runs", Buffer.from([0x22, 0xff, 0x22])), 400, "invalid_request"],
    [caller.post("/v1/runs", `${"[".repeat(5_000)}${"]".repeat(5_000)}`), 413, "too_large"],
    [caller.post("/v1/runs", { ...run, inptu: 1 }), 400, "invalid_request"],
    [caller.post("/v1/runs", { definition: "nobody" }), 404, "not_found"],
    [caller.post("/v1/runs", { definition: "greet", input: { name: 7 } }), 422, "invalid_input"],
    [caller.post("/v1/runs", run, { "content-type": "text/plain" }), 400, "invalid_request"],
    [caller.post("/v1/runs", run, { "idempotency-key": "x".repeat(600) }), 400, "invalid_request"],
    [caller.post("/v1/runs/abcd/cancel", { reason: "x".repeat(70_000) }), 413, "too_large"],
    [caller.post("/v1/runs", { ...run, input: { name: "x".repeat(2_000_000) } }), 413, "too_large"],
    [caller.post("/v1/runs", { ...run, expiresAfterMs: Number.MAX_SAFE_INTEGER }), 400, "invalid_request"],
    [caller.post("/v1/definitions", { manifests: [] }), 400, "invalid_request"],
  ];
  for (const [index, [answer, status, code]] of cases.entries()) {
    const failure = failureOf(await answer);
    assert.deepEqual([failure.status, failure.code], [status, code], `case ${index}: ${failure.message}`);
    assert.notEqual(failure.request_id, "");
    assert.doesNotMatch(failure.message, /NaN/);
  }
  const nul = failureOf(await caller.post("/v1/runs", { ...run, input: { name: "a\u0000" } }));
  assert.deepEqual(
    [nul.code, nul.message],
    ["invalid_request", "The text at input.name has a NUL, which cannot be stored."],
  );
  const other = await caller.api.inject({ method: "DELETE", url: "/v1/runs/zz", headers: { host: "localhost" } });
  assert.deepEqual([other.statusCode, other.headers.allow], [405, "GET"]);
});

test("names that point at loopback and pages of elsewhere are refused", async () => {
  const caller = new Caller();
  assert.equal(failureOf(await caller.get("/v1/server", { host: "evil.example:4400" })).code, "forbidden_host");
  assert.equal(failureOf(await caller.get("/v1/server", { host: "10.0.0.1" })).code, "forbidden_host");
  const foreign = { host: "localhost:4400", origin: "http://evil.example" };
  assert.equal(failureOf(await caller.get("/v1/server", foreign)).code, "forbidden_host");
  assert.equal(failureOf(await caller.get("/v1/server", { origin: "null" })).code, "forbidden_host");
  for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1:4400", "[::1]:4400"]) {
    assert.equal((await caller.get("/v1/server", { host })).status, 200, host);
  }
  const own = { host: "localhost:4400", origin: "http://localhost:4400" };
  assert.equal((await caller.get("/v1/server", own)).status, 200);
});

test("off loopback a token is needed, and only the probes answer without it", async () => {
  assert.throws(() => new Caller({ host: "0.0.0.0" }), { code: "invalid_request" });
  assert.throws(() => new Caller({ host: "0.0.0.0", token: "short" }), { code: "invalid_request" });
  const token = "0123456789abcdef0123";
  const caller = new Caller({ host: "0.0.0.0", token, allowedHosts: ["holdfast.internal"] });
  const to = (authorization: string, host = "10.0.0.1") => caller.get("/v1/server", { host, authorization });
  assert.equal(failureOf(await caller.get("/v1/server")).code, "unauthorized");
  assert.equal(failureOf(await to("Bearer 0123456789abcdef0124")).code, "unauthorized");
  assert.equal((await to(`Bearer ${token}`)).status, 200);
  assert.equal((await to(`Bearer ${token}`, "holdfast.internal:80")).status, 200);
  assert.equal(failureOf(await to(`Bearer ${token}`, "evil.example")).code, "forbidden_host");
  assert.equal((await caller.get("/healthz")).status, 200);
  assert.equal((await caller.get("/readyz")).status, 200);
  assert.equal(failureOf(await caller.get("/v1/nothing")).code, "unauthorized");
});

test("the OpenAPI document names every route, and each of its references leads somewhere", async () => {
  const { json } = await new Caller().get("/v1/openapi.json");
  assert.equal(json.openapi, "3.1.0");
  assert.ok(Object.keys(json.paths as object).includes("/v1/runs/{id}/result"));
  const references = [...JSON.stringify(json).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] ?? "");
  assert.ok(references.length > 20);
  const schemas = Object.keys((json.components as { schemas: object }).schemas);
  const missing = references.filter((target) => !schemas.includes(target.replace("#/components/schemas/", "")));
  assert.deepEqual(missing, []);
});

test("every moment that is answered is RFC 3339, wherever it stands", async () => {
  const { json } = await new Caller().get("/v1/openapi.json");
  const moments: [name: string, type: unknown][] = [];
  const look = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if ("properties" in value && typeof value.properties === "object")
      for (const [name, said] of Object.entries(value.properties ?? {}))
        if (/^(at|since|until|notBefore)$|[a-z]At$/.test(name)) moments.push([name, said]);
    for (const one of Object.values(value)) look(one);
  };
  look(json.components);
  assert.ok(moments.length > 20);
  const numbers = moments.filter(([, said]) => /"(number|integer)"/.test(JSON.stringify(said)));
  assert.deepEqual(numbers, []);
});

test("the metrics count what was answered", async () => {
  const caller = new Caller();
  await caller.get("/v1/server");
  const answer = await caller.api.inject({ method: "GET", url: "/metrics", headers: { host: "localhost" } });
  assert.match(answer.body, /holdfast_http_requests_total\{method="GET",route="\/v1\/server",status="200"\} 1/);
});

test("closing answers those who wait, and what is no HTTP is refused in words", async () => {
  const caller = await withGreet();
  const base = await caller.api.listen();
  const started = await caller.post("/v1/runs", { definition: "greet", input: { name: "Ada" } });
  const id = String(field(started, "run", "id"));
  const garbage = connect(Number(new URL(base).port), "127.0.0.1");
  let said = "";
  garbage.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = new Promise((resolve) => garbage.once("close", resolve));
  garbage.write("what is this\r\n\r\n");
  await ended;
  assert.match(said, /^HTTP\/1\.1 400 .*invalid_request/s);
  const waiting = fetch(`${base}/v1/runs/${id}/result?waitMs=30000`);
  // The server has taken the request up once a second one on another connection was answered.
  await fetch(`${base}/v1/server`);
  await caller.api.close();
  const answer = (await (await waiting).json()) as { status: string };
  assert.equal(answer.status, "ready");
});

test("a queue is paused and resumed over HTTP, listed meanwhile, and a repeat says that it was so", async () => {
  const caller = new Caller();
  const paused = await caller.post("/v1/queues/etl/pause", { reason: "a repair" });
  assert.equal(paused.status, 200);
  const { since } = paused.json as { since: string };
  const pause = { kind: "queue", name: "etl", since, reason: "a repair" };
  const note = "No definition, limit or run here has the queue etl. There is default.";
  assert.deepEqual(paused.json, { kind: "queue", name: "etl", paused: true, changed: true, since, others: [], note });
  assert.deepEqual((await caller.post("/v1/queues/etl/pause", {})).json, {
    ...(paused.json as object),
    changed: false,
  });
  assert.deepEqual((await caller.get("/v1/pauses?kind=queue&limit=1")).json, {
    pauses: [pause],
    cursor: "~default/queue/etl",
  });
  assert.deepEqual((await caller.get("/v1/pauses?cursor=~default/queue/etl")).json, { pauses: [], cursor: null });
  const resumed = await caller.post("/v1/queues/etl/resume", {});
  assert.deepEqual(resumed.json, { kind: "queue", name: "etl", paused: false, changed: true, since, others: [], note });
  const unknown = await caller.post("/v1/runs/00000000000000000000/pause", {});
  assert.deepEqual([unknown.status, (unknown.json as { error: { code: string } }).error.code], [404, "not_found"]);
});

test("a signal is sent once under its Idempotency-Key, and not to a run that is not there or has ended", async () => {
  const caller = await withGreet();
  const started = await caller.post("/v1/runs", { definition: "greet", input: { name: "Ada" } });
  const { id } = started.json.run as { readonly id: string };
  const url = `/v1/runs/${id}/signals`;
  const key = { "idempotency-key": "one" };
  const first = await caller.post(url, { name: "go", payload: { n: 1 } }, key);
  assert.deepEqual([first.status, first.json], [200, { runId: id, outcome: "kept" }]);
  assert.equal((await caller.post(url, { name: "go", payload: { n: 1 } }, key)).json.outcome, "repeated");
  assert.equal((await caller.post(url, { name: "go", payload: { n: 2 } }, key)).status, 409);
  assert.equal((await caller.post(url, { name: "" })).status, 400);
  assert.equal((await caller.post("/v1/runs/00000000000000000000/signals", { name: "go" })).status, 404);
  await caller.post(`/v1/runs/${id}/cancel`, {});
  const late = await caller.post(url, { name: "go" });
  assert.deepEqual([late.status, (late.json as unknown as ErrorBody).error.code], [409, "run_ended"]);
});
