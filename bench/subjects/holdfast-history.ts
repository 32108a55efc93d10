import { DatabaseSync } from "node:sqlite";
import { type RunningNode, type Services, startNode } from "../../server/src/main.ts";
import { copyInPostgres, copyInSqlite } from "./ended-runs.ts";

// Whether claim, finish, list and show stay as fast beside many ended runs.

const batchRows = 100;
const repeats = 30;

/** Milliseconds, each a median: claim of 100, finish of 100, list of the newest 50, show of one run. */
export async function measureHistory(services: Services): Promise<number[]> {
  const { store, runs, namespace } = services;
  const presence = { kind: "node", name: "bench", namespace, leaseMs: 600_000 } as const;
  const { id: memberId } = await store.joinMember({ id: "bench-member", ...presence });
  const lengthsMs: number[][] = [[], [], [], []];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const started = await Promise.all(Array.from({ length: batchRows }, () => runs.start({ definition: "noop" })));
    const shown = started[0]?.run.id ?? "";
    const claim = () => store.claimRuns({ memberId, namespace, queues: null, limitRows: batchRows });
    const [claimMs, claimed] = await timed(claim);
    const next = { to: "ended", status: "succeeded", outcome: "succeeded", output: null } as const;
    const rows = claimed.map(({ id: runId, epoch }) => ({ runId, epoch, ranMs: 1, next }));
    const [finishMs] = await timed(() => store.finishActivations({ rows }));
    const [listMs] = await timed(() => runs.list({ rootsOnly: true, limit: 50 }));
    const [showMs] = await timed(() => runs.get(shown));
    for (const [index, ms] of [claimMs, finishMs, listMs, showMs].entries()) lengthsMs[index]?.push(ms);
  }
  await store.leaveMember({ id: memberId });
  return lengthsMs.map((all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0);
}

async function timed<T>(act: () => Promise<T>): Promise<[number, T]> {
  const startedMs = performance.now();
  const value = await act();
  return [performance.now() - startedMs, value];
}

/** Carries one run out, to be copied. Its id. */
export async function carryOutOne(services: Services, root: string): Promise<string> {
  const node: RunningNode = await startNode(services, { root, concurrency: 1 });
  const { run } = await services.runs.start({ definition: "noop" });
  await services.history.result(run.id, 60_000);
  let seen = 0;
  while (seen < 3) {
    // Created, started, succeeded: sequenced after their commits.
    seen = (await services.history.topic({ after: seen, limit: 10, waitMs: 60_000 })).last;
  }
  await node.stop();
  return run.id;
}

/** Copies an ended run `count` times while no process has the store open (SQLite). */
export async function fillHistory(address: string, template: string, count: number): Promise<void> {
  if (!address.startsWith("sqlite:")) return copyInPostgres(address, template, count);
  const database = new DatabaseSync(address.slice("sqlite:".length));
  try {
    copyInSqlite(database, template, count);
  } finally {
    database.close();
  }
}
