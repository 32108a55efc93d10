/**
 * A process that works on a store, for tests that kill it: `store-process.ts ADDRESS ROLE NAME`. It enqueues runs, claims and
 * finishes them without end and tells its parent, over IPC, what the store has acknowledged; a message ends it in order.
 */
import { rootId } from "../server/src/core/index.ts";
import { newRun } from "../server/src/core/run.fixture.ts";
import type { EnqueueRow } from "../server/src/store/store.ts";
import { openOwned } from "./owned-store.ts";

/** What is told: the store is open; or a run that was acknowledged as enqueued, or as finished. */
export type Told = { open: true } | { enqueued: string } | { finished: string };

const [address = "", role = "either", name = ""] = process.argv.slice(2);
const tell = (told: Told) => process.send?.(told);

function row(number: number): EnqueueRow {
  const id = rootId(Date.now(), new TextEncoder().encode(`${name}${String(number).padStart(7, "0")}.`));
  const run = newRun({ id, name: "ship", queue: name, input: { number } });
  const key = { key: `${name}-${number}`, hash: "same", retentionMs: 3_600_000 };
  return { run, key, request: null, claimFor: null };
}

const store = await openOwned(address, { role: role as "owner" | "client" | "either", patienceMs: 60_000 });
await store.joinMember({ id: `member-${name}`, kind: "node", name, namespace: "shop", serves: null, leaseMs: 15_000 });
tell({ open: true });
let stopping = false;
process.once("message", () => {
  stopping = true;
});
for (let number = 0; !stopping; number += 2) {
  const rows = [row(number), row(number + 1)];
  await Promise.all(rows.map((one) => store.enqueueRuns({ rows: [one] })));
  for (const { run } of rows) tell({ enqueued: run.id });
  const claims = await store.claimRuns({ memberId: `member-${name}`, namespace: "shop", queues: [name], limitRows: 2 });
  const ends = claims.map(({ id, epoch }) => {
    const next = { to: "ended", status: "succeeded", outcome: "succeeded", output: name } as const;
    return { runId: id, epoch, ranMs: 1, next };
  });
  const results = await store.finishActivations({ rows: ends });
  for (const [index, result] of results.entries()) {
    // A finish whose first answer was lost with the owner is answered as repeated.
    if (result.outcome === "finished" || result.outcome === "repeated") tell({ finished: ends[index]?.runId ?? "" });
  }
}
await store.close();
process.disconnect();
