// What Prometheus gets from a real node. Faults to catch: text that it refuses; runs, tries, steps and children that are
// counted twice or not at all; a backlog that is not the store's; a scrape that the store's silence keeps back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Project } from "../cli/command.ts";
import { type Family, parseExposition } from "./exposition.ts";

const tasks = `
import { task, workflow } from "holdfast";
export const flaky = task({ id: "flaky", retry: { attempts: 3, delay: "1ms" } }, async (_, ctx) => {
  await ctx.step("export", () => "done");
  if (ctx.attempt === 1) throw new TypeError("not at once");
});
export const nightly = workflow({ id: "nightly" }, (w) => {
  w.call(flaky, {});
});
export const slow = task({ id: "slow", queue: "slow" }, () => new Promise(() => {}));
`;

async function read(url: string): Promise<Map<string, Family>> {
  const answer = await fetch(`${url}/metrics`);
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return parseExposition(await answer.text());
}

function value(families: Map<string, Family>, series: string): number | undefined {
  const [name = ""] = series.split("{");
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ""));
  return family?.samples.get(series);
}

async function start(url: string, definition: string): Promise<string> {
  const answer = await fetch(`${url}/v1/runs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ definition }),
  });
  const { run } = (await answer.json()) as { readonly run: { readonly id: string } };
  return run.id;
}

test("the metrics say what a node has done, and what waits in the store", async (t) => {
  const project = new Project(t, { "tasks/all.ts": tasks });
  const server = project.start("server", "--apply", "--port", "0", "--json", "--concurrency", "1");
  const [, url = ""] = await server.says(/"url": "([^"]+)"/);
  const id = await start(url, "nightly");
  await fetch(`${url}/v1/runs/${id}/result?waitMs=30000`);
  const first = await read(url);
  const is = (families: Map<string, Family>, series: string, expected: number) =>
    assert.equal(value(families, series), expected, series);
  is(first, 'holdfast_runs_enqueued_total{definition="nightly"}', 1);
  is(first, 'holdfast_runs_enqueued_total{definition="flaky"}', 1);
  is(first, 'holdfast_runs_claimed_total{queue="default"}', 4);
  is(first, 'holdfast_activations_ended_total{definition="nightly",outcome="suspended"}', 1);
  is(first, 'holdfast_activations_ended_total{definition="flaky",outcome="failed"}', 1);
  is(first, 'holdfast_activations_ended_total{definition="flaky",outcome="succeeded"}', 1);
  is(first, 'holdfast_runs_ended_total{definition="flaky",status="succeeded"}', 1);
  is(first, 'holdfast_runs_ended_total{definition="nightly",status="succeeded"}', 1);
  is(first, 'holdfast_activation_seconds_count{definition="flaky"}', 2);
  is(first, 'holdfast_run_start_delay_seconds_count{queue="default"}', 1);
  is(first, 'holdfast_steps_committed_total{definition="flaky"}', 1);
  is(first, 'holdfast_store_call_seconds_count{verb="expandRuns"}', 1);
  is(first, "holdfast_activation_slots{}", 1);
  is(first, "holdfast_activations_running{}", 0);
  is(first, "holdfast_lease_at_risk{}", 0);
  is(first, "holdfast_backlog_read{}", 1);
  is(first, "holdfast_takeovers_total{}", 0);
  assert.ok((value(first, 'holdfast_loop_tick_seconds_count{loop="dispatcher"}') ?? 0) > 0);
  assert.ok((value(first, "process_resident_memory_bytes{}") ?? 0) > 1e7);
});

test("the backlog is the store's, as every node tells it", async (t) => {
  const project = new Project(t, { "tasks/all.ts": tasks });
  const server = project.start("server", "--apply", "--port", "0", "--json", "--concurrency", "1");
  const [, url = ""] = await server.says(/"url": "([^"]+)"/);
  for (let i = 0; i < 4; i++) await start(url, "slow");
  const families = await read(url);
  assert.equal(value(families, 'holdfast_queue_ready_runs{queue="slow"}'), 3);
  assert.ok((value(families, 'holdfast_queue_oldest_ready_seconds{queue="slow"}') ?? -1) >= 0);
  assert.equal(value(families, "holdfast_events_unsequenced{}"), 0);
  assert.equal(value(families, "holdfast_activations_running{}"), 1);
});

test("the dashboard and the guide name metrics that there are", async (t) => {
  const project = new Project(t, { "tasks/all.ts": tasks });
  const server = project.start("server", "--apply", "--port", "0", "--json");
  const [, url = ""] = await server.says(/"url": "([^"]+)"/);
  const known = new Set((await read(url)).keys());
  const dashboard = readFileSync(new URL("../../docs/grafana.json", import.meta.url), "utf8");
  const shown = [...dashboard.matchAll(/\b(?:holdfast|nodejs|process)_\w+/g)].map(([name]) => name);
  const unknown = shown.filter((name) => !known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, "")));
  assert.deepEqual(unknown, []);
  const guide = readFileSync(new URL("../../docs/guides/observability.md", import.meta.url), "utf8");
  const table = guide
    .slice(guide.indexOf("| metric |"), guide.indexOf("## Logs"))
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  const listed = table.flatMap((line) =>
    [...(line.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => `holdfast_${name}`),
  );
  assert.deepEqual(
    listed.toSorted(),
    [...known].filter((name) => name.startsWith("holdfast_") && name !== "holdfast_info").toSorted(),
  );
});
