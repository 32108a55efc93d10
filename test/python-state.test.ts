// What docs/guides/state.md shows in Python, on a whole node, in real processes that are killed around their writes. Faults to catch: a page
// that is counted twice or not at all; a job that is submitted twice; a checkpoint that does not hold; a page of the guide that does not run.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { defaultRetry, type Json, type Manifest, type TaskSpec } from "@holdfast/protocol";
import { openServices, type RunningNode, type Services, startNode } from "../server/src/main.ts";
import { ProcessPlacement } from "../server/src/placements/process/process-placement.ts";
import { CrashingPlacement, CrashPlan } from "../server/src/testing/crashing-placement.ts";
import { FakeServices } from "../server/src/testing/fake-services.ts";

const guide = readFileSync(new URL("../docs/guides/state.md", import.meta.url), "utf8");
const [, shown = ""] = /^```py file=tasks\/patterns\.py\n([\s\S]*?)^```$/m.exec(guide) ?? [];
const bodies = { "load-orders": "load_orders", measure: "measure", convert: "convert" };

function task(id: string, name: string): TaskSpec {
  return {
    ...{ kind: "task", id, executor: "python", source: { module: "tasks/patterns.py", export: name } },
    ...{ queue: "default", priority: 0, retry: defaultRetry, placement: "process", isolation: "pool" },
    ...{ reads: [], writes: [] },
  };
}

describe("the patterns of the guide in Python", { timeout: 120_000 }, () => {
  const plan = new CrashPlan();
  const fake = new FakeServices();
  let root = "";
  let services: Services;
  let node: RunningNode;
  before(async () => {
    root = mkdtempSync(join(tmpdir(), "hf-python-state-"));
    mkdirSync(join(root, "tasks"));
    writeFileSync(join(root, "tasks/patterns.py"), shown);
    services = await openServices({ address: "memory:" });
    const placement = new CrashingPlacement(new ProcessPlacement({ projectRoot: root, concurrency: 2 }), plan);
    node = await startNode(services, { root, concurrency: 2, placement, tracking: fake });
    const definitions = Object.fromEntries(Object.entries(bodies).map(([id, name]) => [id, task(id, name)]));
    const manifests = Object.keys(bodies).map((id): Manifest => ({ format: 1, root: id, definitions, assets: {} }));
    await services.definitions.apply(manifests);
  });
  after(async () => {
    assert.deepEqual(plan.unreached, []);
    await node.stop({ graceMs: 0 });
    await services.close();
    rmSync(root, { recursive: true, force: true });
  });

  const ran = async (definition: string, input: Json) => {
    const { run } = await services.runs.start({ definition, input });
    const { status, output, error } = await services.history.result(run.id, 60_000);
    assert.deepEqual([status, error], ["succeeded", null]);
    return output;
  };
  const lines = (name: string) => readFileSync(join(root, name), "utf8").trim().split("\n");

  it("loads each page and counts it once, though it is killed before and after its watermark moves", async () => {
    plan.add("state:after ", 1, "load-orders");
    plan.add("recorded:after 2026-01-02", 1, "load-orders");
    assert.equal(await ran("load-orders", {}), 5);
    assert.equal(lines("saved.log").length, 7, "the first page was saved twice");
    assert.equal(await ran("load-orders", {}), 5, "another run finds nothing new");
    const watermark = await services.state.get({ kind: "task", id: "load-orders" }, "watermark");
    assert.deepEqual([watermark.value, watermark.version], ["2026-01-05", 3]);
  });

  it("submits its job once, though its process is killed before and after it waits", async () => {
    plan.add("wait:scan", 1, "measure");
    plan.add("waiting:scan", 1, "measure");
    const { run } = await services.runs.start({ definition: "measure", input: { day: "2026-01-01" } });
    const job = await firstOf(async () =>
      (await services.externalJobs.list({ run: run.id })).jobs.find((each) => each.externalId !== null),
    );
    await services.externalJobs.resolve(job.id, { as: "succeeded", result: { rows: [{ n: 1 }] } });
    assert.equal((await services.history.result(run.id, 60_000)).output, 1);
    assert.equal((await services.externalJobs.list({ run: run.id })).jobs.length, 1);
  });

  it("does a hundred of ten thousand files again after a crash before their checkpoint", async () => {
    plan.add("state:checkpoint 5000", 1, "convert");
    plan.add("recorded:checkpoint 9900", 1, "convert");
    const files = Array.from({ length: 10_000 }, (_, n) => `file-${n}`);
    assert.equal(await ran("convert", { files }), 10_000);
    assert.deepEqual([lines("converted.log").length, new Set(lines("converted.log")).size], [10_100, 10_000]);
  });
});

async function firstOf<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await pause(20);
  }
}
