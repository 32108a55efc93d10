// Jobs of other systems in Python bodies, on a whole node with real processes and services of the test. Faults to catch: a message
// that the control plane does not take; a job that is started twice because a body began again or died; a body that runs again for
// jobs that it has returned; Ork's form that parks nobody.
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

const longMs = 60_000;

const module = `import asyncio
from holdfast_sdk import BigQueryJob, CustomHttp, ExternalJobError, deferred, mock_job

def note(text):
    with open("log", "a") as log:
        log.write(f"{text}\\n")

def start(token):
    note(f"own {token}")
    return BigQueryJob("p", token, "US")

def plain(ctx):
    note(f"plain {ctx.epoch}")
    return ctx.external("scan", BigQueryJob.query("SELECT 1", rows=1), timeout="1h")

async def asynchronous(ctx):
    jobs = [ctx.external("scan", BigQueryJob.query("SELECT 1")), ctx.external("own", BigQueryJob.own(start))]
    scan, own, _ = await asyncio.gather(*jobs, ctx.sleep("nap", "1ms"))
    return [scan, own]

def failing(ctx):
    try:
        ctx.external("bad", mock_job("failed"))
    except ExternalJobError as error:
        return [error.status, error.service]

def returned(ctx):
    note(f"returned {ctx.epoch}")
    return deferred({"rows": 2, "jobs": [mock_job("success", "a"), mock_job("success", "b")]})

def alone():
    return CustomHttp("mock://success/alone")

def ork():
    return {"deferred": [CustomHttp("mock://success/ork", completion_value="success", failure_value="failed").to_dict()]}
`;

const names = ["plain", "asynchronous", "failing", "returned", "alone", "ork"];

function task(id: string): TaskSpec {
  return {
    ...{ kind: "task", id, executor: "python", source: { module: "tasks/jobs.py", export: id } },
    ...{ queue: "default", priority: 0, retry: defaultRetry, placement: "process", isolation: "pool" },
    ...{ reads: [], writes: [] },
  };
}

describe("external jobs of Python bodies", { timeout: 120_000 }, () => {
  const plan = new CrashPlan();
  const fake = new FakeServices();
  let root = "";
  let services: Services;
  let node: RunningNode;
  before(async () => {
    root = mkdtempSync(join(tmpdir(), "hf-python-external-"));
    mkdirSync(join(root, "tasks"));
    writeFileSync(join(root, "tasks/jobs.py"), module);
    services = await openServices({ address: "memory:" });
    const placement = new CrashingPlacement(new ProcessPlacement({ projectRoot: root, concurrency: 2 }), plan);
    node = await startNode(services, { root, concurrency: 2, placement, tracking: fake });
    const definitions = Object.fromEntries(names.map((id) => [id, task(id)]));
    await services.definitions.apply(names.map((id): Manifest => ({ format: 1, root: id, definitions, assets: {} })));
  });
  after(async () => {
    assert.deepEqual(plan.unreached, []);
    await node.stop({ graceMs: 0 });
    await services.close();
    rmSync(root, { recursive: true, force: true });
  });

  const lines = (of: string) =>
    readFileSync(join(root, "log"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith(of));

  /** Runs it, and lets the jobs that it waits for end well. */
  async function run(definition: string): Promise<Json> {
    const { id } = (await services.runs.start({ definition, input: {} })).run;
    const told = new Set<string>();
    let isOver = false;
    const result = services.history.result(id, longMs).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const { jobs } = await services.store.listJobs({ namespace: services.namespace, runId: id, limitRows: 10 });
      for (const { id: jobId, ref, externalId, status, key } of jobs) {
        if (status !== "running" || ref === null || told.has(jobId) || isPretended(ref)) continue;
        told.add(jobId);
        fake.end({ ref, externalId: externalId ?? "", links: [], group: "" }, { phase: "succeeded", result: { key } });
      }
      await pause(5);
    }
    const { status, error, output } = await result;
    assert.deepEqual([status, error], ["succeeded", null]);
    return output;
  }

  it("are started by the control plane, once, and answer when the body begins again", async () => {
    plan.add("waiting:scan", 1, "plain");
    assert.deepEqual(await run("plain"), { key: "scan" });
    assert.equal(fake.submissionsOf("bigquery"), 1);
    assert.ok(lines("plain").length >= 2);
  });

  it("are started by an asynchronous body itself under one token, though its process dies before the name is recorded", async () => {
    plan.add("step:own", 1, "asynchronous");
    assert.deepEqual(await run("asynchronous"), [{ key: "scan" }, { key: "own" }]);
    assert.equal(lines("own").length, 2);
    assert.equal(new Set(lines("own")).size, 1);
  });

  it("raise what their service says, and are waited for where a body returns them", async () => {
    assert.deepEqual(await run("failing"), ["failed", "http"]);
    const jobs = ["a", "b"].map((name) => ({ url: `mock://success/${name}` }));
    assert.deepEqual(await run("returned"), { rows: 2, jobs });
    assert.equal(lines("returned").length, 1, "the body does not run again");
    assert.deepEqual(await run("alone"), { url: "mock://success/alone" });
    const ork = (await run("ork")) as unknown as { readonly deferred: readonly { readonly result: Json }[] };
    assert.deepEqual(ork.deferred[0]?.result, { url: "mock://success/ork" });
  });
});

/** Ends by itself. */
function isPretended(ref: Json): boolean {
  return JSON.stringify(ref).includes("mock://");
}
