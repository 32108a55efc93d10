import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { systemClock } from "../server/src/clock.ts";
import type { Limit, NewRun } from "../server/src/core/index.ts";
import { openStore } from "../server/src/store/open.ts";
import type { Store } from "../server/src/store/store.ts";
import { createDatabase, dropDatabase } from "../test/postgres.ts";
import { makeFolder, removeFolder } from "./leftovers.ts";
import { quantile } from "./quantile.ts";
import { rootRun } from "./root-run.ts";

// Claims of one key beside 100,000 runs that are blocked on another: node --conditions=@holdfast/source bench/blocked.ts
// Two stores of a kind are open in this process, one empty, one with the blocked runs; both make the same calls in turn.

const blockedRuns = 100_000;
const rounds = 400;
const warmUpRounds = 20;
const batchRows = 5_000;
const namespace = "bench";
const memberId = "claimer";

const limitOf = (key: string): Limit => ({ id: `${namespace}/key/sync:${key}`, slots: 1, hold: "run" });

function runOf(key: string): NewRun {
  return rootRun(randomBytes(9), { namespace, definition: "sync", limits: [limitOf(key)], input: {} });
}

async function enqueue(store: Store, runs: readonly NewRun[]): Promise<void> {
  await store.enqueueRuns({ rows: runs.map((run) => ({ run, key: null, request: null, claimFor: null })) });
}

async function open(address: string): Promise<Store> {
  const store = await openStore(address, { role: "owner", clock: systemClock, migrate: true });
  await store.joinMember({
    ...{ id: memberId, kind: "node", name: memberId, namespace, leaseMs: 3_600_000 },
    serves: { slots: 1, queues: null },
  });
  return store;
}

async function block(store: Store): Promise<void> {
  for (let made = 0; made < blockedRuns; made += batchRows)
    await enqueue(
      store,
      Array.from({ length: batchRows }, () => runOf("busy")),
    );
  // The one that holds the slot is at work; all the others stand in line.
  await store.claimRuns({ memberId, namespace, queues: null, limitRows: 1 });
}

/** One run of the other key, from its enqueueing to its end. */
async function goThrough(store: Store, tell: (operation: string, ms: number) => void): Promise<void> {
  const timed = async <T>(operation: string, act: () => Promise<T>): Promise<T> => {
    const startedMs = performance.now();
    const value = await act();
    tell(operation, performance.now() - startedMs);
    return value;
  };
  await timed("enqueue", () => enqueue(store, [runOf("calm")]));
  const claim = () => store.claimRuns({ memberId, namespace, queues: null, limitRows: 8 });
  const [run] = await timed("claim", claim);
  if (run === undefined) throw new Error("the run of the other key was not claimed");
  const next = { to: "ended", status: "succeeded", outcome: "succeeded", output: null } as const;
  await timed("finish", () => store.finishActivations({ rows: [{ runId: run.id, epoch: run.epoch, ranMs: 1, next }] }));
  await timed("timer", () => store.wakeRuns({ limitRows: 1_000 }));
}

async function measure(kind: string, addresses: readonly [string, string]): Promise<void> {
  const [alone, beside] = await Promise.all(addresses.map(open));
  if (alone === undefined || beside === undefined) throw new Error("two stores are compared");
  await block(beside);
  const lengths = new Map<string, [number[], number[]]>();
  for (let round = -warmUpRounds; round < rounds; round++) {
    for (const which of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      await goThrough(which === 0 ? alone : beside, (operation, ms) => {
        const both = lengths.get(operation) ?? [[], []];
        lengths.set(operation, both);
        if (round >= 0) both[which].push(ms);
      });
    }
  }
  for (const [operation, [without, blocked]] of lengths) {
    const [a, b] = [quantile(without, 0.5), quantile(blocked, 0.5)];
    const [a95, b95] = [quantile(without, 0.95), quantile(blocked, 0.95)];
    const text = `p50 ${a.toFixed(2)} → ${b.toFixed(2)} ms, p95 ${a95.toFixed(2)} → ${b95.toFixed(2)} ms`;
    process.stdout.write(`${kind}, ${operation}: ${text}, ratio ${(b / a).toFixed(2)}\n`);
  }
  await Promise.all([alone.close(), beside.close()]);
}

const folder = makeFolder("holdfast-blocked-");
await measure("SQLite", [`sqlite:${join(folder, "alone.db")}`, `sqlite:${join(folder, "beside.db")}`]);
removeFolder(folder);
const databases = [await createDatabase(), await createDatabase()] as const;
await measure("PostgreSQL", databases);
for (const database of databases) await dropDatabase(database);
process.exit(0);
