import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { rootId } from "../server/src/core/index.ts";
import { newRun } from "../server/src/core/run.fixture.ts";
import { openPostgresStore } from "../server/src/store/postgres/postgres-store.ts";
import type { Store } from "../server/src/store/store.ts";
import { openOwned } from "./owned-store.ts";
import { createDatabase, dropDatabase, startPostgres } from "./postgres.ts";
import type { StatePlan } from "./state-process.ts";
import { stepOps } from "./state-work.ts";

// Faults to catch: an increment or an update by version that is lost between processes; half of a transaction, or its effect without its
// record, after a SIGKILL of the process or of the server; a step that is done twice when it is told again.

const namespace = "shop";
const program = join(import.meta.dirname, "state-process.ts");

interface Subject {
  readonly address: string;
  open(): Promise<Store>;
  /** Kills what keeps the store, where that is not the process which works on it. */
  killServer?(): Promise<void>;
  done(): Promise<void>;
}

const subjects: Readonly<Record<string, (kill: boolean) => Promise<Subject>>> = {
  sqlite: async () => {
    const folder = mkdtempSync(join(tmpdir(), "hf-state-"));
    const address = `sqlite:${join(folder, "s.db")}`;
    const open = () => openOwned(address, { role: "either", patienceMs: 60_000, migrate: true });
    return { address, open, done: async () => rmSync(folder, { recursive: true, force: true }) };
  },
  postgres: async (kill) => {
    const server = kill ? await startPostgres() : undefined;
    const address = await (server?.createDatabase() ?? createDatabase());
    const open = () => openPostgresStore({ url: address, migrate: true, maxSessions: 2 });
    if (server === undefined) return { address, open, done: () => dropDatabase(address) };
    const killServer = async () => {
      await server.kill();
      await server.restart();
    };
    return { address, open, killServer, done: () => server.stop() };
  },
};

/** Runs that are at work, held by a member that nobody judges. */
async function startRuns(store: Store, count: number): Promise<{ runId: string; epoch: number }[]> {
  const memberId = "m";
  await store.joinMember({ id: memberId, kind: "node", name: "m", namespace, serves: null, leaseMs: 86_400_000 });
  const rows = Array.from({ length: count }, (_, number) => {
    const id = rootId(Date.now(), new TextEncoder().encode(`state ${number}.`.padEnd(9).slice(0, 9)));
    const run = newRun({ id, namespace, definition: "load", name: "load", input: number });
    return { run, key: null, request: null, claimFor: memberId };
  });
  const results = await store.enqueueRuns({ rows });
  return results.map((result) => {
    assert.equal(result.outcome, "created");
    return { runId: result.run.id, epoch: result.run.epoch };
  });
}

function work(address: string, plan: StatePlan): ChildProcess {
  const execArgv = ["--conditions=@holdfast/source", "--disable-warning=ExperimentalWarning"];
  return fork(program, [address, JSON.stringify(plan)], { execArgv });
}

async function countOf(store: Store, kind: "run" | "task" | "asset", id: string): Promise<[number, number]> {
  const [reading] = await store.readState({
    rows: [{ namespace, scope: { kind, id }, keys: [kind === "asset" && id === "updated" ? "n" : "count"] }],
  });
  assert.equal(reading?.outcome, "read");
  const [value] = reading.values;
  return [Number(value?.value ?? 0), value?.version ?? 0];
}

for (const [name, prepare] of Object.entries(subjects)) {
  describe(`state on ${name}`, () => {
    test("of a hundred increments and a hundred updates by version, by four processes at once, none is lost", async () => {
      const subject = await prepare(false);
      const store = await subject.open();
      const runs = await startRuns(store, 4);
      // On a store with one owner this process is it, and the four come through its socket.
      const children = runs.map((run) => work(subject.address, { namespace, ...run, from: 0, steps: 25, updates: 25 }));
      const exits = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0]));
      assert.deepEqual(exits, [0, 0, 0, 0]);
      assert.deepEqual(await countOf(store, "task", "load"), [100, 100]);
      assert.deepEqual(await countOf(store, "asset", "orders"), [100, 100]);
      assert.deepEqual(await countOf(store, "asset", "updated"), [100, 100]);
      for (const { runId } of runs) assert.deepEqual(await countOf(store, "run", runId), [25, 25]);
      const page = await store.listState({ namespace, scope: { kind: "task", id: "load" }, limitRows: 100 });
      // The counter, and what each of them set last.
      assert.equal(page.outcome === "read" && page.use.keys, 5);
      await store.close();
      await subject.done();
    });

    test("a process or server that is killed leaves each transaction whole, with its record, or undone; told again it is done once", async (t) => {
      const subject = await prepare(true);
      const first = await subject.open();
      const [run] = await startRuns(first, 1);
      assert.ok(run);
      const { runId, epoch } = run;
      await first.close();
      let acknowledged = 0;
      let beyond = 0;
      for (const after of [1, 8, 21]) {
        const child = work(subject.address, { namespace, runId, epoch, from: acknowledged, steps: 1_000, updates: 0 });
        const goal = acknowledged + after;
        const ended = once(child, "exit");
        await new Promise<void>((resolve) => {
          child.on("message", ({ step }: { step: number }) => {
            acknowledged = Math.max(acknowledged, step + 1);
            if (acknowledged >= goal) resolve();
          });
        });
        if (subject.killServer !== undefined && after % 2 === 1) await subject.killServer();
        child.kill("SIGKILL");
        await ended;
        const store = await subject.open();
        const [count] = await countOf(store, "run", runId);
        const steps = await store.listSteps({ runId, generation: 1 });
        assert.equal(steps.length, count, "each effect has its record");
        assert.ok(
          count === acknowledged || count === acknowledged + 1,
          `${count} are there, ${acknowledged} are known of`,
        );
        for (const [kind, id] of [
          ["run", runId],
          ["task", "load"],
          ["asset", "orders"],
        ] as const) {
          const page = await store.listState({ namespace, scope: { kind, id }, limitRows: 10 });
          assert.equal(page.outcome, "read");
          assert.deepEqual(
            page.values
              .map(({ key, value, version }) => [key, value, version])
              .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
            [
              ["count", count, count],
              [`step/${runId}/${count - 1}`, count - 1, page.values.at(-1)?.version],
            ],
          );
          assert.equal(page.use.keys, 2);
        }
        // What nobody heard of is told again, and has been done.
        if (count > acknowledged) {
          beyond += 1;
          const writer = { runId, epoch, generation: 1, key: `step ${acknowledged}` };
          const [again] = await store.transactState({
            rows: [{ namespace, ops: stepOps(runId, acknowledged), writer }],
          });
          assert.equal(again?.outcome, "existing");
          assert.deepEqual(await countOf(store, "task", "load"), [count, count]);
        }
        await store.close();
      }
      t.diagnostic(`${beyond} of 3 kills fell between commit and answer`);
      await subject.done();
    });
  });
}
