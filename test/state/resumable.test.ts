// The lines of scenarios about jobs that outlive their workers (RJ), and about clears beside them (CL-05, CL-06) × TypeScript and Python: one
// table, each cell on a whole node with real processes and services of the test. Faults to catch: a cell that is empty; a second job where
// one runs or has succeeded; none where the last one failed; a fresh start beside a job that goes on; a decision that nobody can see.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import type { Json } from "@holdfast/protocol";
import { until } from "../../server/src/store/contract/world.contract.ts";
import type { CrashPoint } from "../../server/src/testing/crashing-placement.ts";
import type { FakeEnd } from "../../server/src/testing/fake-services.ts";
import { PythonNode } from "../python-node.fixture.ts";

const longMs = 60_000;
const sides = ["TypeScript", "Python"] as const;
type Side = (typeof sides)[number];
const text = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8");

let node: PythonNode;

/** One run of a side's task, as a test drives it. */
class Case {
  readonly side: Side;
  #id = "";
  #before = 0;

  constructor(side: Side) {
    this.side = side;
  }

  async start(how: string, more: { key?: string; crash?: CrashPoint } = {}): Promise<this> {
    const { key, crash } = more;
    if (crash !== undefined) node.plan.add(crash, 1, this.side);
    this.#before = node.fake.submissionsOf("bigquery");
    const input = { how, ...(key === undefined ? {} : { key }) };
    this.#id = (await node.services.runs.start({ definition: this.side, input })).run.id;
    return this;
  }

  get id(): string {
    return this.#id;
  }

  /** How often its service was called to start a job. */
  get submissions(): number {
    return node.fake.submissionsOf("bigquery") - this.#before;
  }

  /** Its jobs, the first submission first. */
  async jobs() {
    const { jobs } = await node.services.store.listJobs({ namespace: "default", runId: this.#id, limitRows: 10 });
    const whole = await Promise.all(jobs.map(({ id }) => node.services.store.findJob({ id })));
    return whole.flatMap((job) => job ?? []).sort((a, b) => a.generation - b.generation || a.number - b.number);
  }

  /** Its last job, once that has this status and the run waits for it. */
  async job(status: string, count = 1) {
    await until(async () => {
      const [jobs, run] = [await this.jobs(), await node.services.runs.get(this.#id)];
      return jobs.length === count && jobs.at(-1)?.status === status && run.status === "waiting";
    });
    const job = (await this.jobs()).at(-1);
    assert.ok(job);
    return job;
  }

  async end(end: FakeEnd = { phase: "succeeded", result: { rows: 3 } }): Promise<void> {
    const job = (await this.jobs()).at(-1);
    assert.ok(job?.externalId);
    node.fake.end({ ref: job.ref, externalId: job.externalId, links: [], group: "bigquery" }, end);
  }

  async result(status = "succeeded"): Promise<Json> {
    const ended = await node.services.history.result(this.#id, longMs);
    assert.equal(ended.status, status, JSON.stringify(ended.error));
    return ended.output;
  }

  async told(type: string): Promise<Json[]> {
    const events = await node.services.store.listEvents({ runId: this.#id, after: 0, limitRows: 1_000 });
    return events.filter((event) => event.type.startsWith(type)).map(({ type: of, data }) => ({ of, data }) as Json);
  }
}

type Cell = (run: Case) => Promise<void>;
const rows = { rows: 3 };

/** A text: why there is nothing to be run, or where it is shown. */
const table: Readonly<Record<string, readonly [says: string, cell: Cell | string]>> = {
  "RJ-01": [
    "without a prior job it is submitted once, and its name is kept before anybody looks at it",
    async (run) => {
      const { externalId } = await (await run.start("waits")).job("running");
      assert.ok(externalId);
      await run.end();
      assert.deepEqual(await run.result(), rows);
      assert.equal(run.submissions, 1);
      const [first, second] = (await run.told("external.")) as { of: string }[];
      assert.deepEqual([first?.of, second?.of], ["external.submitting", "external.submitted"]);
    },
  ],
  "RJ-02": [
    "a prior job that runs is waited for and not submitted again: after a kill, and where somebody resumes",
    async (run) => {
      const { id } = await (await run.start("waits", { crash: "waiting:scan" })).job("running");
      const { kept } = await node.services.restarts.clear(run.id, { fresh: false });
      assert.deepEqual(kept.jobs, [id]);
      await run.job("running");
      await run.end();
      assert.deepEqual(await run.result(), rows);
      assert.deepEqual([run.submissions, (await run.jobs()).length], [1, 1]);
    },
  ],
  "RJ-03": [
    "a prior job that succeeded is neither submitted nor looked at again: its result answers",
    async (run) => {
      await (await run.start("fails afterwards")).job("running");
      await run.end();
      await run.result("failed");
      const before = await run.told("external.");
      await node.services.restarts.retry(run.id, {});
      assert.deepEqual(await run.result(), rows);
      assert.deepEqual([run.submissions, (await run.told("external.")).length], [1, before.length]);
    },
  ],
  "RJ-04": [
    "a prior job that failed is submitted anew, and the new name is kept",
    async (run) => {
      const first = await (await run.start("waits")).job("running");
      await run.end({ phase: "failed", message: "It was killed.", code: "killed" });
      await run.result("failed");
      await node.services.restarts.retry(run.id, {});
      const second = await run.job("running", 2);
      assert.notEqual(second.externalId, first.externalId);
      await run.end();
      assert.deepEqual(await run.result(), rows);
      assert.equal(run.submissions, 2);
    },
  ],
  "RJ-05": [
    "a start that names no job leaves no name behind, and the next try starts again",
    async (run) => {
      await (await run.start("starts nothing")).result("failed");
      const [first] = await run.jobs();
      assert.equal(first?.externalId ?? null, null);
      await node.services.restarts.retry(run.id, {});
      assert.ok((await run.job("running", (await run.jobs()).length === 0 ? 1 : 2)).externalId);
      await run.end();
      assert.deepEqual(await run.result(), rows);
    },
  ],
  "RJ-06": [
    "the key is the body's own",
    async (run) => {
      assert.equal((await (await run.start("waits", { key: "of mine/1" })).job("running")).key, "of mine/1");
      await run.end();
      assert.deepEqual(await run.result(), rows);
    },
  ],
  "RJ-07": [
    "what was decided can be seen: submitted, adopted, submitted again, answered by what succeeded",
    async (run) => {
      const { id } = await (await run.start("waits")).job("running");
      assert.deepEqual((await node.services.restarts.clear(run.id, { fresh: false })).kept.jobs, [id]);
      await run.job("running");
      await run.end({ phase: "failed", message: "It was killed.", code: "killed" });
      await run.result("failed");
      assert.deepEqual((await node.services.restarts.retry(run.id, {})).kept, { steps: 1, values: 0, jobs: [] });
      await run.job("running", 2);
      await run.end();
      await run.result();
      assert.equal((await node.services.restarts.clear(run.id, { fresh: false })).kept.steps, 1);
      assert.deepEqual(await run.result(), rows);
      const submitted = (await run.told("external.submitting")) as unknown as { data: { number: number } }[];
      assert.deepEqual(
        submitted.map(({ data }) => data.number),
        [1, 2],
      );
    },
  ],
  "RJ-08": ["without a store it is warned", "nothing runs without a store, and each keeps jobs (store/contract/jobs)"],
  "RJ-09": [
    "killed between the start of a job and the keeping of its name, there is one job",
    async (run) => {
      await (await run.start("starts itself", { crash: "step:scan" })).job("running");
      await run.end();
      assert.deepEqual(await run.result(), rows);
      const tokens = node.lines("started").filter((line) => line.startsWith(run.id));
      assert.deepEqual([tokens.length, new Set(tokens).size, (await run.jobs()).length], [2, 1, 1]);
    },
  ],
  "RJ-10": [
    "while its service does not answer, nothing is submitted again, whoever resumes",
    async (run) => {
      await (await run.start("waits")).job("running");
      node.fake.setAway("bigquery", true);
      await node.services.restarts.clear(run.id, { fresh: false });
      await run.job("running");
      node.fake.setAway("bigquery", false);
      await run.end();
      assert.deepEqual(await run.result(), rows);
      assert.deepEqual([run.submissions, (await run.jobs()).length], [1, 1]);
    },
  ],
  "CL-05": [
    "a clear of a run that waits for a job ends that, acknowledged, before the fresh start",
    async (run) => {
      const { id } = await (await run.start("waits")).job("running");
      const { dropped } = await node.services.restarts.clear(run.id, { fresh: true });
      assert.deepEqual(dropped.jobs, [id]);
      const second = await run.job("running", 2);
      const [first] = await run.jobs();
      assert.deepEqual([first?.status, first?.generation, second.generation], ["cancelled", 1, 2]);
      assert.ok((first?.endedAt ?? Number.POSITIVE_INFINITY) <= second.openedAt);
      await run.end();
      assert.deepEqual(await run.result(), rows);
    },
  ],
  "CL-06": [
    "a clear of a run that ended while its job goes on says so, and starts once that has ended",
    async (run) => {
      const { id } = await (await run.start("waits")).job("running");
      node.fake.setAway("bigquery", true);
      await node.services.runs.cancel(run.id, {});
      await node.services.runs.cancel(run.id, { force: true });
      await run.result("cancelled");
      const { dropped, run: cleared } = await node.services.restarts.clear(run.id, { fresh: true });
      assert.deepEqual([dropped.jobs, cleared.status], [[id], "waiting"]);
      const reasons = JSON.stringify(await node.services.reasons.explain(run.id));
      assert.match(reasons, /bigquery/);
      node.fake.setAway("bigquery", false);
      await run.job("running", 2);
      await run.end();
      assert.deepEqual(await run.result(), rows);
    },
  ],
};

it("no cell is empty", () => {
  const lines = Array.from({ length: 10 }, (_, n) => `RJ-${String(n + 1).padStart(2, "0")}`);
  assert.deepEqual(Object.keys(table), [...lines, "CL-05", "CL-06"]);
});

describe("jobs that outlive their workers", { timeout: 300_000 }, () => {
  before(async () => {
    node = await PythonNode.start({
      module: text("resumable.py"),
      functions: { Python: "plain" },
      typescript: { module: text("resumable.ts"), exports: { TypeScript: "typescript" } },
    });
  });
  after(() => node.stop());

  for (const [id, [says, cell]] of Object.entries(table)) {
    for (const side of sides) {
      if (typeof cell !== "string") it(`${id} ${side}: ${says}`, () => cell(new Case(side)));
    }
  }
});
