// What docs/guides/state.md shows in Python, on a whole node, in real processes that are killed around their writes. Faults to catch: a page
// that is counted twice or not at all; a job that is submitted twice; a checkpoint that does not hold; a page of the guide that does not run.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Json } from "@holdfast/protocol";
import { PythonNode } from "./python-node.fixture.ts";

const guide = readFileSync(new URL("../docs/guides/state.md", import.meta.url), "utf8");
const [, shown = ""] = /^```py file=tasks\/patterns\.py\n([\s\S]*?)^```$/m.exec(guide) ?? [];
const functions = { "load-orders": "load_orders", measure: "measure", convert: "convert" };

describe("the patterns of the guide in Python", { timeout: 120_000 }, () => {
  let node: PythonNode;
  before(async () => {
    node = await PythonNode.start({ module: shown, functions });
  });
  after(() => node.stop());

  const ran = async (definition: string, input: Json) => {
    const { run } = await node.services.runs.start({ definition, input });
    const { status, output, error } = await node.services.history.result(run.id, 60_000);
    assert.deepEqual([status, error], ["succeeded", null]);
    return output;
  };

  it("loads each page and counts it once, though it is killed before and after its watermark moves", async () => {
    node.plan.add("state:after ", 1, "load-orders");
    node.plan.add("recorded:after 2026-01-02", 1, "load-orders");
    assert.equal(await ran("load-orders", {}), 5);
    assert.equal(node.lines("saved.log").length, 7, "the first page was saved twice");
    assert.equal(await ran("load-orders", {}), 5, "another run finds nothing new");
    const watermark = await node.services.state.get({ kind: "task", id: "load-orders" }, "watermark");
    assert.deepEqual([watermark.value, watermark.version], ["2026-01-05", 3]);
  });

  it("submits its job once, though its process is killed before and after it waits", async () => {
    node.plan.add("wait:scan", 1, "measure");
    node.plan.add("waiting:scan", 1, "measure");
    const { run } = await node.services.runs.start({ definition: "measure", input: { day: "2026-01-01" } });
    const job = await firstOf(async () =>
      (await node.services.externalJobs.list({ run: run.id })).jobs.find((each) => each.externalId !== null),
    );
    await node.services.externalJobs.resolve(job.id, { as: "succeeded", result: { rows: [{ n: 1 }] } });
    assert.equal((await node.services.history.result(run.id, 60_000)).output, 1);
    assert.equal((await node.services.externalJobs.list({ run: run.id })).jobs.length, 1);
  });

  it("does a hundred of ten thousand files again after a crash before their checkpoint", async () => {
    node.plan.add("state:checkpoint 5000", 1, "convert");
    node.plan.add("recorded:checkpoint 9900", 1, "convert");
    const files = Array.from({ length: 10_000 }, (_, n) => `file-${n}`);
    assert.equal(await ran("convert", { files }), 10_000);
    assert.deepEqual([node.lines("converted.log").length, new Set(node.lines("converted.log")).size], [10_100, 10_000]);
  });
});

async function firstOf<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await pause(20);
  }
}
