// A node under a flood of values for which a pattern and an expression never come to an end. Faults to catch: the node's
// thread kept by them, so that it answers nobody, carries nothing else out and renews its lease too late; each of them given as
// much time as the first; a run that is lost by it; a value for which the pattern is quick refused with those for which it is not.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type DefinitionSpec, defaultRetry, type Manifest, type TaskSpec } from "@holdfast/protocol";
import { buildApi } from "../server/src/api/server.ts";
import { systemClock } from "../server/src/clock.ts";
import { silentLog } from "../server/src/log.ts";
import { type RunningNode, type Services, serve, startNode } from "../server/src/main.ts";
import { openMemoryStore } from "../server/src/store/memory/memory-store.ts";
import type { Store } from "../server/src/store/store.ts";

const leaseMs = 15_000;
const longMs = 600_000;
const hostile = `${"a".repeat(44)}!`;

const input = { type: "object", properties: { v: { type: "string", pattern: "^(a+)+$" } } };
const common = { queue: "default", priority: 0, retry: defaultRetry, reads: [], writes: [] };

function command(id: string, more: Partial<TaskSpec> = {}): TaskSpec {
  const kind = { kind: "task", executor: "process", placement: "process", isolation: "pool" } as const;
  return { ...common, ...kind, id, source: { command: "true" }, ...more } as TaskSpec;
}

const source = { module: "w.yaml", export: "w" };
const output = { cel: `params.v.matches("^(a+)+$")` };

function alone(spec: DefinitionSpec): Manifest {
  return { format: 1, root: spec.id, definitions: { [spec.id]: spec }, assets: {} };
}

const manifests = [
  alone(command("evil", { input })),
  alone(command("good")),
  alone({ kind: "workflow", id: "endless", source, priority: 0, nodes: [], output }),
];

let root = "";
let services: Services;
let node: RunningNode;
let gapMs = 0;
before(async () => {
  root = mkdtempSync(join(tmpdir(), "hf-flood-"));
  services = serve(withGaps(openMemoryStore({ clock: systemClock })), {});
  await services.definitions.apply(manifests);
  node = await startNode(services, { root, concurrency: 8, leaseMs });
});
after(async () => {
  await node.stop({ graceMs: 0 });
  await services.close();
  rmSync(root, { recursive: true, force: true });
});

/** The store, with the longest time between two renewals of the node's lease. */
function withGaps(store: Store): Store {
  let last = performance.now();
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name === "renewMember") {
        gapMs = Math.max(gapMs, performance.now() - last);
        last = performance.now();
      }
      return value.bind(target) as unknown;
    },
  });
}

test("beside a flood of hostile values a node answers, renews its lease and carries others' runs out", async () => {
  const api = buildApi(services, { host: "127.0.0.1", port: 0, version: "0", log: silentLog });
  const headers = { host: "localhost", "content-type": "application/json" };
  const post = (definition: string, text: string) =>
    api.inject({ method: "POST", url: "/v1/runs", headers, payload: { definition, input: { v: text } } });
  let isOver = false;
  const started = await Promise.all(
    Array.from({ length: 20 }, () => services.runs.start({ definition: "endless", input: { v: hostile } })),
  );
  const flood = Array.from({ length: 200 }, (_, n) => post("evil", `${hostile}${n}`));
  const ends = Promise.all(started.map(({ run }) => services.history.result(run.id, longMs)));
  const all = Promise.all([Promise.all(flood), ends]).finally(() => {
    isOver = true;
  });
  let [healthy, carriedOut, longestTurnMs] = [0, 0, 0];
  const turns = (async () => {
    for (let before = cpuMs(); !isOver; before = cpuMs()) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      longestTurnMs = Math.max(longestTurnMs, cpuMs() - before);
    }
  })();
  while (!isOver) {
    assert.equal((await api.inject({ method: "GET", url: "/healthz", headers })).statusCode, 200);
    const { run } = await services.runs.start({ definition: "good" });
    assert.equal((await services.history.result(run.id, longMs)).status, "succeeded");
    if (!isOver) [healthy, carriedOut] = [healthy + 1, carriedOut + 1];
  }
  const [answers, runs] = await all;
  await turns;
  const codes = answers.map(
    (answer) => `${answer.statusCode} ${(answer.json() as { error: { code: string } }).error.code}`,
  );
  assert.deepEqual([...new Set(codes)].sort(), ["422 invalid_input", "429 limit_exceeded"]);
  assert.deepEqual([...new Set(runs.map(({ status, error }) => `${status} ${error?.code}`))], ["failed invalid_input"]);
  assert.ok(carriedOut >= 3 && healthy >= 3, `${carriedOut} others' runs and ${healthy} answers beside the flood`);
  assert.ok(longestTurnMs < 500, `one turn of the event loop took ${longestTurnMs} ms`);
  assert.ok(gapMs <= (2 * leaseMs) / 3, `${gapMs} ms between two renewals`);
  // What is quick passes all the same.
  assert.equal((await post("evil", "aaaa")).statusCode, 200);
});

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
