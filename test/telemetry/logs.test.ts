// What a log collector reads of a server. Faults to catch: a line that is no JSON; a failure that names no run, or not the
// trace under which it is found; a level that is ignored, or a wrong one that ends in a stack.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "../cli/command.ts";
import { receive } from "./receiver.ts";

const tasks = `
import { task } from "holdfast";
export const broken = task({ id: "broken", retry: { attempts: 2, delay: "1ms" } }, () => { throw new RangeError("no more"); });
`;

test("a server's log is JSON, and what it says of a run names the run, the try and the trace", async (t) => {
  const receiver = await receive(t);
  const project = new Project(t, { "tasks/all.ts": tasks });
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" };
  const server = project.startWith(env, "server", "--apply", "--port", "0", "--json");
  const [, url = ""] = await server.says(/"url": "([^"]+)"/);
  const started = await fetch(`${url}/v1/runs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ definition: "broken" }),
  });
  const { run } = (await started.json()) as { readonly run: { readonly id: string } };
  await fetch(`${url}/v1/runs/${run.id}/result?waitMs=30000`);
  server.kill("SIGTERM");
  const { stderr } = await server.ended;
  const lines = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const told = lines.filter((line) => line.run === run.id);
  const [span] = receiver.spans;
  const shared = { level: "info", definition: "broken", run: run.id, root: run.id, trace_id: span?.traceId };
  const facts = told.map(({ level, definition, run: id, root, trace_id, epoch, attempt, msg, code }) => {
    assert.deepEqual({ level, definition, run: id, root, trace_id }, shared);
    return [epoch, attempt, code, msg];
  });
  assert.deepEqual(facts, [
    [1, 1, "task_failed", "broken: it failed: no more"],
    [2, 2, "task_failed", "broken: it failed: no more"],
    [2, 2, "task_failed", "broken: the run ended failed."],
  ]);
});

test("HOLDFAST_LOG is the level, and one that there is not is refused in words", async (t) => {
  const project = new Project(t, { "tasks/all.ts": tasks });
  const { code, stderr } = await project.startWith({ HOLDFAST_LOG: "loud" }, "server", "--port", "0").ended;
  assert.equal(code, 2, stderr);
  assert.match(stderr, /There is no level "loud" of the log\.[^\n]*\n {2}Write one of trace, debug, info/);
});
