import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isEnded } from "@holdfast/protocol";
import { serve } from "../../server/src/main.ts";
import { openPostgresStore } from "../../server/src/store/postgres/postgres-store.ts";
import type { Store } from "../../server/src/store/store.ts";
import { openOwned } from "../owned-store.ts";
import { startPostgres } from "../postgres.ts";
import { assetManifests, faultsOf, namespace, pointsOn } from "./assets-work.ts";
import { until } from "./processes.ts";

// Faults to catch: a mark that stands without its event, or an event without its mark, when their process is killed between any two steps of
// telling; an event that a consumer never has, or has twice, when a node is killed between any two steps of taking, one and three nodes
// being at it. At each point a process dies; a point that none comes to fails the test.

const program = join(import.meta.dirname, "assets-node.ts");
const server = await startPostgres();
after(() => server.stop());

interface Told {
  readonly diesAt?: string;
  readonly told?: number;
  readonly over?: true;
}

/** A writer whose process dies at one point after another, each time followed by the next, and in the end stays. */
class Writer {
  readonly hits: string[] = [];
  /** The last number that it heard of. */
  told = 0;
  #process: ChildProcess | undefined;
  #isOver = false;

  /** Resolves once its last process has told what it has to tell. `points`: shared with the other writers. */
  async run(address: string, name: string, points: string[]): Promise<void> {
    for (;;) {
      const fatal = points.shift() ?? "";
      const child = fork(program, [address, name, fatal], {
        execArgv: ["--conditions=@holdfast/source", "--disable-warning=ExperimentalWarning"],
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      });
      this.#process = child;
      const over = new Promise<boolean>((resolve) => {
        child.on("message", ({ diesAt, told, over: isDone }: Told) => {
          if (diesAt !== undefined) this.hits.push(diesAt);
          if (told !== undefined) this.told = told;
          if (isDone === true) resolve(true);
        });
        void once(child, "exit").then(() => resolve(false));
      });
      if ((await over) || this.#isOver) return;
      assert.notEqual(fatal, "", `${name} ended by itself`);
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}

async function strikeAll(args: {
  readonly address: string;
  /** An owned store opens once it has an owner. */
  readonly open: () => Promise<Store>;
  readonly count: number;
  readonly points: readonly string[];
}): Promise<string> {
  const writers = Array.from({ length: args.count }, () => new Writer());
  const points = [...args.points];
  let store: Store | undefined;
  try {
    const running = writers.map((writer, index) => writer.run(args.address, `w${index}`, points));
    const failed = Promise.all(running);
    failed.catch(() => undefined);
    store = await args.open();
    const asked = store;
    await serve(asked, {}).definitions.apply(assetManifests);
    await failed;
    await until("every event is taken and every run has ended", async () => {
      const due = await asked.dueConsumers({ namespace, limitRows: 10 });
      const { runs } = await asked.listRuns({ namespace, rootsOnly: true, limitRows: 1_000 });
      return due.length === 0 && runs.length > 0 && runs.every(({ status }) => isEnded(status)) ? runs : undefined;
    });
    const least = new Map(writers.map(({ told }, index) => [`w${index}`, told]));
    assert.deepEqual(await faultsOf(asked, least), []);
    // What runs beside each other in one process may come to its point together.
    const hits = [...new Set(writers.flatMap((writer) => writer.hits))];
    assert.deepEqual(hits.toSorted(), args.points.toSorted(), "each point was come to");
    const { runs } = await asked.listRuns({ namespace, rootsOnly: true, limitRows: 1_000 });
    return `${[...least.values()].reduce((sum, n) => sum + n, 0)} events in ${runs.length} runs, deaths at ${hits.join(", ")}`;
  } finally {
    await Promise.all(writers.map((writer) => writer.end()));
    await store?.close();
  }
}

test("three nodes on PostgreSQL that die at each step of telling and taking lose and double no event", async (t) => {
  const url = await server.createDatabase();
  await (await openPostgresStore({ url, migrate: true })).close();
  const open = () => openPostgresStore({ url, answerMs: 180_000 });
  t.diagnostic(await strikeAll({ address: url, open, count: 3, points: pointsOn.postgres }));
});

test("the owner of a SQLite file that dies at each step of telling and taking loses and doubles no event", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-assets-"));
  try {
    const address = `sqlite:${join(folder, "store.db")}`;
    const open = () => openOwned(address, { role: "client", patienceMs: 120_000 });
    t.diagnostic(await strikeAll({ address, open, count: 1, points: pointsOn.owned }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
