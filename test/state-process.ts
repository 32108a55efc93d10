/**
 * A process that writes state, for tests that kill it and for several beside each other: `state-process.ts ADDRESS PLAN`. It tells its
 * parent, over IPC, each step that the store has acknowledged.
 */
import { isAppError } from "@holdfast/protocol";
import { openPostgresStore } from "../server/src/store/postgres/postgres-store.ts";
import type { Store } from "../server/src/store/store.ts";
import { openOwned } from "./owned-store.ts";
import { stepOps } from "./state-work.ts";

/** What a process does: so many steps of a run's activation, from number `from` on, and as many updates by version under `updates`. */
export interface StatePlan {
  readonly namespace: string;
  readonly runId: string;
  readonly epoch: number;
  readonly from: number;
  readonly steps: number;
  readonly updates: number;
}

const [address = "", planText = ""] = process.argv.slice(2);
const plan = JSON.parse(planText) as StatePlan;
const { namespace, runId, epoch } = plan;

async function step(store: Store, number: number): Promise<void> {
  const writer = { runId, epoch, generation: 1, key: `step ${number}` };
  const [result] = await store.transactState({ rows: [{ namespace, ops: stepOps(runId, number), writer }] });
  if (result?.outcome !== "applied" && result?.outcome !== "existing") throw new Error(JSON.stringify(result));
}

/** Adds to a number as a body's `update` does: by the version that it has seen, as often as it takes. */
async function update(store: Store, number: number): Promise<void> {
  const scope = { kind: "asset", id: "updated" } as const;
  for (let round = 0; ; round++) {
    const [reading] = await store.readState({ rows: [{ namespace, scope, keys: ["n"] }] });
    const seen = reading?.outcome === "read" ? reading.values[0] : undefined;
    const op = {
      op: "set",
      scope,
      key: "n",
      value: Number(seen?.value ?? 0) + 1,
      ifVersion: seen?.version ?? 0,
    } as const;
    const writer = { runId, epoch, generation: 1, key: `update ${number}/${round}` };
    const [result] = await store.transactState({ rows: [{ namespace, ops: [op], writer }] });
    if (result?.outcome === "applied") return;
    if (result?.outcome !== "conflict") throw new Error(JSON.stringify(result));
  }
}

const store = address.startsWith("postgres")
  ? await openPostgresStore({ url: address, maxSessions: 2 })
  : await openOwned(address, { role: "either", patienceMs: 60_000 });
try {
  for (let number = plan.from; number < plan.from + plan.steps; number++) {
    await step(store, number);
    process.send?.({ step: number });
  }
  await Promise.all(Array.from({ length: plan.updates }, (_, number) => update(store, number)));
} catch (error) {
  // The server has been killed.
  if (isAppError(error, "store_unavailable")) process.exit(3);
  throw error;
}
await store.close();
process.disconnect?.();
