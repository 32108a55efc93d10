// Ten thousand runs that wait for jobs of another system, on a node with the clock on the wall. Faults to catch: a timer, a process or a
// connection for each of them; an end among many that nobody hears of (P7).
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { defaultRetry, type Manifest, type RunStatus } from "@holdfast/protocol";
import { openServices, startNode } from "../../server/src/main.ts";
import { FakeServices } from "../../server/src/testing/fake-services.ts";

const runs = 10_000;
const callers = 100;
const source = { service: "bigquery", how: "submit", job: { sql: "SELECT 1" } };
const definition = {
  ...{ kind: "task", id: "job", executor: "external", source, queue: "default", priority: 0, retry: defaultRetry },
  ...{ placement: "process", isolation: "pool", reads: [], writes: [] },
};
const manifest = { format: 1, root: "job", definitions: { job: definition }, assets: {} } as unknown as Manifest;

/** What keeps this process going, by its kind. */
function resources(): Record<string, number> {
  const kinds = Object.entries(Object.groupBy(process.getActiveResourcesInfo(), (kind) => kind));
  return Object.fromEntries(kinds.map(([kind, all = []]) => [kind, all.length]));
}

test("ten thousand runs wait for jobs with no process, connection or timer each, and all hear of their ends", {
  timeout: 240_000,
}, async (t) => {
  const fake = new FakeServices();
  const services = await openServices({ address: "memory:" });
  const node = await startNode(services, { root: import.meta.dirname, tracking: fake, concurrency: callers });
  t.after(async () => {
    await node.stop({ graceMs: 0 });
    await services.close();
  });
  await services.definitions.apply([manifest]);
  const count = async (statuses: readonly RunStatus[]) =>
    (await services.runs.list({ statuses, rootsOnly: false, limit: 1 })).runs.length;
  const before = resources();
  let started = 0;
  const start = async () => {
    while (started++ < runs) await services.runs.start({ definition: "job", input: {} });
  };
  await Promise.all(Array.from({ length: callers }, start));
  const live: readonly RunStatus[] = ["pending", "ready", "running"];
  while ((await count(live)) > 0 || fake.submissionsOf("bigquery") < runs) await pause(20);
  const { namespace, store } = services;
  const few = (now: Record<string, number>) =>
    Object.entries(now).every(([kind, number]) => number <= (before[kind] ?? 0) + 10);
  // What is under way for a moment, such as a look, is soon over.
  for (let tries = 0; !few(resources()) && tries < 100; tries++) await pause(20);
  assert.ok(few(resources()), JSON.stringify({ before, waiting: resources() }));

  for (let cursor: string | undefined; ; ) {
    const page = await store.listJobs({ namespace, limitRows: 1_000, ...(cursor !== undefined && { cursor }) });
    const whole = await Promise.all(page.jobs.map(({ id }) => store.findJob({ id })));
    for (const { ref, externalId, links, group } of whole.flatMap((job) => job ?? [])) {
      const tracked = { ref, externalId: externalId ?? "", links: [...links], group: group ?? "" };
      fake.end(tracked, { phase: "succeeded", result: 1 });
    }
    cursor = page.cursor ?? undefined;
    if (cursor === undefined) break;
  }
  while ((await count([...live, "waiting"])) > 0) await pause(20);
  assert.equal(await count(["failed", "cancelled", "skipped"]), 0);
  assert.equal(fake.submissionsOf("bigquery"), runs);
});
