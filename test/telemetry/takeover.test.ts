// A run that outlives its node, on PostgreSQL. Faults to catch: the run goes on in another trace, or under another span, at the
// node that takes it over; the activation that was killed is told by nobody; the takeover is not counted; a run that is cancelled where it stood has no span.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project } from "../cli/command.ts";
import { createDatabase, dropDatabase } from "../postgres.ts";
import { parseExposition } from "./exposition.ts";
import { receive } from "./receiver.ts";

const tasks = `
import { existsSync, writeFileSync } from "node:fs";
import { task } from "holdfast";
export const long = task({ id: "long" }, async (_, ctx) => {
  await ctx.step("begun", () => 1);
  writeFileSync("begun-" + ctx.epoch, "");
  if (!existsSync("go-on")) await new Promise(() => {});
  return ctx.traceparent;
});
`;
const callerTrace = "0af7651916cd43dd8448eb211c80319c";

test("a run that another node takes over stays one trace", async (t) => {
  const receiver = await receive(t);
  const database = await createDatabase();
  t.after(() => dropDatabase(database));
  const project = new Project(t, { "tasks/all.ts": tasks });
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_BSP_SCHEDULE_DELAY: "50",
    HOLDFAST_STORE: database,
    HOLDFAST_LEASE: "1s",
  };
  const serve = () => project.startWith(env, "server", "--apply", "--migrate", "--port", "0", "--json");
  const first = serve();
  const [, firstUrl = ""] = await first.says(/"url": "([^"]+)"/);
  const started = await fetch(`${firstUrl}/v1/runs`, {
    method: "POST",
    headers: { "content-type": "application/json", traceparent: `00-${callerTrace}-b7ad6b7169203331-01` },
    body: JSON.stringify({ definition: "long" }),
  });
  const { run } = (await started.json()) as { readonly run: { readonly id: string } };
  await receiver.until((spans) => spans.some(({ name }) => name === "step begun"));
  const second = serve();
  const [, url = ""] = await second.says(/"url": "([^"]+)"/);
  writeFileSync(join(project.root, "go-on"), "");
  first.kill("SIGKILL");
  await first.ended;
  const spans = await receiver.until((all) => all.some(({ name }) => name === "run long"));
  const ended = await fetch(`${url}/v1/runs/${run.id}`);
  const { output, epoch } = (await ended.json()) as { readonly output: string; readonly epoch: number };
  const metrics = parseExposition(await (await fetch(`${url}/metrics`)).text());
  assert.equal(metrics.get("holdfast_takeovers_total")?.samples.get("holdfast_takeovers_total{}"), 1);
  const named = (name: string) => spans.filter((span) => span.name === name);
  assert.deepEqual(new Set(spans.map(({ traceId }) => traceId)), new Set([callerTrace]));
  const [whole] = named("run long");
  const byOutcome = (outcome: string) => {
    return named("activation long").find((span) => span.attributes["holdfast.outcome"] === outcome);
  };
  const [lost, last] = [byOutcome("lost"), byOutcome("succeeded")];
  const [step] = named("step begun");
  assert.equal(named("step begun").length, 1, "its record answered the second activation");
  assert.equal(whole?.parentSpanId, "b7ad6b7169203331");
  assert.equal(last?.parentSpanId, whole?.spanId);
  assert.equal(last?.attributes["holdfast.epoch"], epoch);
  assert.equal(output, `00-${callerTrace}-${last?.spanId}-01`);
  assert.equal(step?.parentSpanId, lost?.spanId, "the step belongs to the activation that was killed");
  assert.equal(lost?.attributes["holdfast.epoch"], 1);
  assert.equal(named("activation long").length, 2);
});
