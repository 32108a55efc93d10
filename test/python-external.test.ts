// Jobs of other systems in Python bodies, on a whole node with real processes and services of the test. Faults to catch: a message
// that the control plane does not take; a job that is started twice because a body began again or died; a body that runs again for
// jobs that it has returned; Ork's form that parks nobody.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Json } from "@holdfast/protocol";
import { PythonNode } from "./python-node.fixture.ts";

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

describe("external jobs of Python bodies", { timeout: 120_000 }, () => {
  let node: PythonNode;
  before(async () => {
    node = await PythonNode.start({ module, functions: Object.fromEntries(names.map((name) => [name, name])) });
  });
  after(() => node.stop());

  const lines = (of: string) => node.lines("log").filter((line) => line.startsWith(of));

  /** Runs it, and lets the jobs that it waits for end well. */
  async function run(definition: string): Promise<Json> {
    const { services, fake } = node;
    const { id } = (await services.runs.start({ definition, input: {} })).run;
    const told = new Set<string>();
    let isOver = false;
    const result = services.history.result(id, longMs).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const { jobs } = await services.store.listJobs({ namespace: services.namespace, runId: id, limitRows: 10 });
      const whole = await Promise.all(jobs.map((job) => services.store.findJob({ id: job.id })));
      for (const { id: jobId, ref, externalId, status, key } of whole.flatMap((job) => job ?? [])) {
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
    node.plan.add("waiting:scan", 1, "plain");
    assert.deepEqual(await run("plain"), { key: "scan" });
    assert.equal(node.fake.submissionsOf("bigquery"), 1);
    assert.ok(lines("plain").length >= 2);
  });

  it("are started by an asynchronous body itself under one token, though its process dies before the name is recorded", async () => {
    node.plan.add("step:own", 1, "asynchronous");
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
