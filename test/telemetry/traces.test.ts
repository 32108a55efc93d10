// What a collector gets from real nodes. Faults to catch: a span whose parent nobody sent; a retry that lies in another trace
// or shares a span; a child process that goes on with another span than its activation's; a caller who is forgotten, or is
// forgotten by the children of the run; a step that is sent each time it is answered from its record; a node that traces
// although nobody asked it to, or sends what the sampler leaves out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Project, type Running } from "../cli/command.ts";
import { type ReceivedSpan, type Receiver, receive } from "./receiver.ts";

const tasks = `
import { task, workflow } from "holdfast";
export const flaky = task({ id: "flaky", retry: { attempts: 3, delay: "1ms" } }, async (_, ctx) => {
  await ctx.step("export", () => "done");
  if (ctx.attempt === 1) throw new TypeError("not at once");
  return { context: ctx.traceparent, variable: process.env.TRACEPARENT ?? null };
});
export const plain = task({ id: "plain" }, async (_, ctx) => [ctx.traceparent, process.env.TRACEPARENT ?? null]);
export const nightly = workflow({ id: "nightly" }, (w) => {
  const first = w.call(flaky, {});
  return { first: first.output, second: w.call(plain, {}, { after: [first] }).output };
});
export const broken = task({ id: "broken" }, () => { throw new RangeError("no more"); });
`;
const yaml = `
name: shell
tasks:
  tell:
    executor: process
    command: printf 'HOLDFAST_OUTPUT:"%s"\\n' "$TRACEPARENT"
  python:
    executor: python
    file: tell.py
    function: tell
`;
const tellPy = `
import os
import time

def tell(ctx):
    ctx.step("noted", lambda: time.sleep(0.06))
    return [ctx.traceparent, os.environ.get("TRACEPARENT")]
`;
const callerTrace = "0af7651916cd43dd8448eb211c80319c";
const callerSpan = "b7ad6b7169203331";

async function openProject(t: Parameters<typeof receive>[0], env: Readonly<Record<string, string>>) {
  const files = { "tasks/all.ts": tasks, "workflows/shell.yaml": yaml, "workflows/tell.py": tellPy };
  const project = new Project(t, files);
  const server = project.startWith(env, "server", "--apply", "--port", "0", "--json");
  const [, url = ""] = await server.says(/"url": "([^"]+)"/);
  return { url, server };
}

function otlp(receiver: Receiver): Readonly<Record<string, string>> {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_BSP_SCHEDULE_DELAY: "100",
  };
}

interface Ran {
  readonly id: string;
  readonly status: string;
  readonly output: unknown;
}

async function carryOut(url: string, definition: string, headers: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const started = await fetch(`${url}/v1/runs`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ definition }),
  });
  const { run } = (await started.json()) as { readonly run: Ran };
  const ended = await fetch(`${url}/v1/runs/${run.id}/result?waitMs=30000`);
  return (await ended.json()) as Ran;
}

async function stop(server: Running): Promise<void> {
  server.kill("SIGTERM");
  assert.equal((await server.ended).code, 0);
}

function find(
  spans: readonly ReceivedSpan[],
  name: string,
  attributes: Readonly<Record<string, string | number>> = {},
) {
  const found = spans.filter((span) => {
    return span.name === name && Object.entries(attributes).every(([key, value]) => span.attributes[key] === value);
  });
  assert.equal(found.length, 1, `${found.length} spans ${name} ${JSON.stringify(attributes)}`);
  const [span] = found;
  assert.ok(span !== undefined);
  return span;
}

test("a workflow is one trace below its caller: runs, activations, steps, and what its bodies go on with", async (t) => {
  const receiver = await receive(t);
  const { url, server } = await openProject(t, otlp(receiver));
  const run = await carryOut(url, "nightly", { traceparent: `00-${callerTrace}-${callerSpan}-01` });
  assert.equal(run.status, "succeeded", JSON.stringify(run));
  await stop(server);
  const { spans } = receiver;
  assert.deepEqual(new Set(spans.map(({ traceId }) => traceId)), new Set([callerTrace]));
  const known = new Set(spans.map(({ spanId }) => spanId));
  assert.equal(known.size, spans.length, "no two spans share an id");
  for (const { name, parentSpanId = "" } of spans) {
    if (name !== "run nightly") assert.ok(known.has(parentSpanId), `${name} hangs on a span that was sent`);
  }
  const root = find(spans, "run nightly");
  assert.equal(root.parentSpanId, callerSpan);
  assert.equal(root.attributes["holdfast.run.id"], run.id);
  assert.equal(root.resource["service.name"], "holdfast");
  const outcomes = spans
    .filter(({ name }) => name === "activation nightly")
    .map((span) => span.attributes["holdfast.outcome"]);
  assert.deepEqual(outcomes.sort(), ["succeeded", "suspended"]);
  const flaky = find(spans, "run flaky");
  assert.equal(flaky.parentSpanId, root.spanId);
  assert.equal(flaky.attributes["holdfast.run.attempts"], 2);
  const failed = find(spans, "activation flaky", { "holdfast.attempt": 1 });
  assert.equal(failed.attributes["holdfast.outcome"], "failed");
  assert.deepEqual(failed.status, { code: 2, message: "not at once" });
  assert.equal(failed.events[0]?.attributes["exception.type"], "TypeError");
  const succeeded = find(spans, "activation flaky", { "holdfast.attempt": 2 });
  assert.equal(succeeded.parentSpanId, flaky.spanId);
  assert.equal(find(spans, "step export").parentSpanId, failed.spanId);
  const { first, second } = run.output as { readonly first: Record<string, string>; readonly second: string[] };
  assert.deepEqual(first, { context: `00-${callerTrace}-${succeeded.spanId}-01`, variable: first.context });
  const plain = `00-${callerTrace}-${find(spans, "activation plain").spanId}-01`;
  assert.deepEqual(second, [plain, plain], "the warm process of another activation goes on with its own span");
});

test("plain commands and Python bodies go on with their activation's span", async (t) => {
  const receiver = await receive(t);
  const { url, server } = await openProject(t, otlp(receiver));
  const run = await carryOut(url, "shell");
  assert.equal(run.status, "succeeded", JSON.stringify(run));
  const answer = await fetch(`${url}/v1/runs?parent=${run.id}`);
  const { runs } = (await answer.json()) as { readonly runs: readonly { name: string; output: unknown }[] };
  await stop(server);
  const { spans } = receiver;
  const root = find(spans, "run shell");
  assert.equal(root.parentSpanId ?? "", "");
  const traceparent = ({ spanId }: ReceivedSpan) => `00-${root.traceId}-${spanId}-01`;
  const python = find(spans, "activation shell.python");
  const told = Object.fromEntries(runs.map(({ name, output }) => [name, output]));
  assert.deepEqual(told, {
    tell: traceparent(find(spans, "activation shell.tell")),
    python: [traceparent(python), traceparent(python)],
  });
  const step = find(spans, "step noted");
  assert.equal(step.parentSpanId, python.spanId);
  assert.ok(BigInt(step.endTimeUnixNano) - BigInt(step.startTimeUnixNano) >= 50_000_000n, "it took as long as it took");
});

test("a run that fails for good says so in its span, with what was thrown", async (t) => {
  const receiver = await receive(t);
  const { url, server } = await openProject(t, otlp(receiver));
  assert.equal((await carryOut(url, "broken")).status, "failed");
  await stop(server);
  const run = find(receiver.spans, "run broken");
  assert.deepEqual(run.status, { code: 2, message: "no more" });
  assert.equal(run.events[0]?.attributes["exception.type"], "RangeError");
  assert.equal(run.attributes["holdfast.run.status"], "failed");
});

test("by default spans travel as protobuf", async (t) => {
  const receiver = await receive(t);
  const { OTEL_EXPORTER_OTLP_PROTOCOL: _, ...env } = otlp(receiver);
  const { url, server } = await openProject(t, { ...env, OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=blue" });
  await carryOut(url, "broken");
  await stop(server);
  const posted = await receiver.untilPosted();
  assert.equal(posted.path, "/v1/traces");
  assert.equal(posted.contentType, "application/x-protobuf");
  assert.equal(posted.headers["x-tenant"], "blue");
  assert.ok(posted.bytes.includes("run broken"), "the name of a span stands in it as UTF-8");
});

test("what a caller does not record is not sent, and bodies are told so", async (t) => {
  const receiver = await receive(t);
  const { url, server } = await openProject(t, otlp(receiver));
  const run = await carryOut(url, "plain", { traceparent: `00-${callerTrace}-${callerSpan}-00` });
  await carryOut(url, "broken");
  await stop(server);
  assert.match(String((run.output as readonly string[])[0]), new RegExp(`^00-${callerTrace}-[0-9a-f]{16}-00$`));
  assert.deepEqual(receiver.spans.map(({ name }) => name).sort(), ["activation broken", "run broken"]);
});

test("a node without an endpoint hands a caller's context on as it came, and makes up none", async (t) => {
  const { url, server } = await openProject(t, {});
  const caller = `00-${callerTrace}-${callerSpan}-01`;
  assert.deepEqual((await carryOut(url, "plain", { traceparent: caller })).output, [caller, caller]);
  assert.deepEqual((await carryOut(url, "plain", { traceparent: "garbage" })).output, [null, null]);
  await stop(server);
});

test("a run that is cancelled before it has begun has a span that says so", async (t) => {
  const receiver = await receive(t);
  const { url, server } = await openProject(t, otlp(receiver));
  const post = async (path: string, body: object): Promise<{ readonly run: Ran }> => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return (await answer.json()) as { readonly run: Ran };
  };
  const startAfter = new Date(Date.now() + 3_600_000).toISOString();
  const { run } = await post("/v1/runs", { definition: "plain", startAfter });
  await post(`/v1/runs/${run.id}/cancel`, {});
  await post(`/v1/runs/${run.id}/cancel`, {});
  await stop(server);
  const span = find(receiver.spans, "run plain");
  assert.equal(span.attributes["holdfast.run.status"], "cancelled");
  assert.equal(receiver.spans.length, 1, "a repeated cancel ends nothing");
});
