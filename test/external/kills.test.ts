// Real nodes that die by SIGKILL while a service is called, and others that take over. Faults to catch: a job that is started twice, or not at
// all; a doubt that dies with the node that has it (P1, P5).
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { defaultRetry, type Json, type Manifest } from "@holdfast/protocol";
import { openServices, type Services } from "../../server/src/main.ts";
import { openPostgresStore } from "../../server/src/store/postgres/postgres-store.ts";
import { HeldClock } from "../clouds/clock.ts";
import { type Clouds, openClouds } from "../clouds/clouds.ts";
import { createDatabase } from "../postgres.ts";
import { signInAtFakes } from "../trackers/sign-in.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-external-"));
after(() => rmSync(folder, { recursive: true }));
const program = join(import.meta.dirname, "node.ts");

const poll = {
  url: "/jobs/{id}",
  statuses: {
    queued: ["queued"],
    running: ["running"],
    succeeded: ["completed"],
    failed: ["failed"],
    cancelled: ["cancelled"],
  },
  result: "/result",
  cancel: { url: "/jobs/{id}/cancel" },
};
const idempotent = { submit: { url: "/jobs", headers: { "idempotency-key": "{token}" }, body: { kind: "report" } } };
const jobs = {
  token: {
    service: "http",
    fake: "http",
    submits: "jobs.create",
    job: { ...idempotent, capture: { id: "/id" }, poll },
  },
  blind: {
    service: "http",
    fake: "http",
    submits: "jobs.create",
    job: { submit: { url: "/jobs", body: { kind: "report" } }, capture: { id: "/id" }, poll },
  },
  bigquery: { service: "bigquery", fake: "bigquery", submits: "jobs.insert", job: { sql: "SELECT 1" } },
} as const;
type Kind = keyof typeof jobs;

function manifestOf(id: Kind): Manifest {
  const { service, job } = jobs[id];
  const source = { service, how: "submit", job: job as unknown as Json };
  const task = {
    ...{ kind: "task", id, executor: "external", source, queue: "default", priority: 0, retry: defaultRetry },
    ...{ placement: "process", isolation: "pool", reads: [], writes: [] },
  };
  return { format: 1, root: id, definitions: { [id]: task }, assets: {} } as unknown as Manifest;
}

/** A fleet on one store, and the fakes. */
class Fleet {
  readonly address: string;
  readonly clouds: Clouds;
  readonly services: Services;
  readonly #nodes: ChildProcess[] = [];

  private constructor(address: string, clouds: Clouds, services: Services) {
    this.address = address;
    this.clouds = clouds;
    this.services = services;
  }

  static async open(address: string): Promise<Fleet> {
    const clouds = await openClouds({ clock: new HeldClock() });
    signInAtFakes(clouds.url);
    if (address.startsWith("postgres")) await (await openPostgresStore({ url: address, migrate: true })).close();
    const services = await openServices({ address, role: "either" });
    await services.definitions.apply((Object.keys(jobs) as Kind[]).map(manifestOf));
    return new Fleet(address, clouds, services);
  }

  async startNode(): Promise<ChildProcess> {
    const node = fork(program, [this.address, this.clouds.url], {
      execArgv: ["--conditions=@holdfast/source", "--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#nodes.push(node);
    await once(node, "message");
    return node;
  }

  async status(runId: string): Promise<string> {
    return (await this.services.runs.get(runId)).status;
  }

  async until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await pause(20);
  }

  async close(): Promise<void> {
    for (const node of this.#nodes) {
      if (node.exitCode !== null || node.signalCode !== null) continue;
      node.kill("SIGKILL");
      await once(node, "exit");
    }
    await this.services.close();
    await this.clouds.close();
  }
}

/** The node that calls the service is killed in its call, before the service has done it or after; another one has to find its way. */
async function killedInCall(address: string, kind: Kind, when: "before" | "after") {
  const fleet = await Fleet.open(address);
  try {
    const { fake, submits } = jobs[kind];
    const { server } = fleet.clouds;
    const match = { service: fake, operation: submits };
    const held = server.faults.add({ match, fault: { kind: "hold", when }, times: 1 });
    const first = await fleet.startNode();
    const { run } = await fleet.services.runs.start({ definition: kind });
    const gone = new AbortController().signal;
    await server.calls.until({ match, count: 1, sinceSeq: 0, ended: false, gone });
    first.kill("SIGKILL");
    await once(first, "exit");
    server.faults.release(held.id);
    server.faults.remove(held.id);
    await fleet.startNode();
    const statusOf = async () => (await fleet.services.externalJobs.list({ run: run.id })).jobs[0]?.status;
    await fleet.until(async () => ["running", "unknown"].includes((await statusOf()) ?? ""));
    const status = await statusOf();
    for (const job of server.world.list(fake)) server.world.turn(job, { phase: "succeeded" });
    if (status === "running") await fleet.until(async () => (await fleet.status(run.id)) === "succeeded");
    return { status, run: await fleet.status(run.id), made: server.world.list(fake).length };
  } finally {
    await fleet.close();
  }
}

/** Each store has its part of the cases: what they are about is the same code. */
const cases = [
  { store: "SQLite", kind: "token", when: "before" },
  { store: "SQLite", kind: "bigquery", when: "after" },
  { store: "PostgreSQL", kind: "bigquery", when: "before" },
  { store: "PostgreSQL", kind: "token", when: "after" },
] as const;

function addressOf(store: "SQLite" | "PostgreSQL", name: string): string | Promise<string> {
  return store === "SQLite" ? `sqlite:${join(folder, `${name}.db`)}` : createDatabase();
}

describe("a node that is killed", { timeout: 120_000 }, () => {
  for (const { store, kind, when } of cases) {
    test(`in a submission to ${kind}, ${when} that is done, leaves one job, whose end is heard, on ${store}`, async () => {
      const found = await killedInCall(await addressOf(store, `${kind}-${when}`), kind, when);
      assert.deepEqual(found, { status: "running", run: "succeeded", made: 1 });
    });
  }
  test("in a submission that nobody can ask for leaves a doubt, and no second job", async () => {
    const found = await killedInCall(await addressOf("SQLite", "blind"), "blind", "after");
    assert.deepEqual(found, { status: "unknown", run: "waiting", made: 1 });
  });
});
