import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "@holdfast/protocol";
import { planRestart } from "./restart.ts";
import { newRun } from "./run.fixture.ts";
import { type RunRow, startingRun } from "./run.ts";

// What restarts mean is kept by every store (store/contract/restarts.contract.ts). Fault to catch here: one that sets back more runs than a
// step may write.

const order = { runId: "a", fresh: false, ifAttempt: null, data: {} } as const;
const skipped = { code: "upstream_failed", message: "An upstream did not succeed." };

/** A run that has failed, and so many that were skipped because of it. */
function planOf(dependents: number) {
  const failed: RunRow = { ...startingRun(newRun({ id: "a" }), 0), status: "failed", endedAt: 1 };
  const row: RunRow = {
    ...failed,
    status: "skipped",
    error: skipped,
    upstream: { succeeded: 0, failed: 1, skipped: 0 },
  };
  const ids = Array.from({ length: dependents }, (_, place) => `b${place}`);
  const rows = new Map([["a", failed], ...ids.map((id): [string, RunRow] => [id, { ...row, id }])]);
  const edges = ids.map((downstream) => ({ upstream: "a", downstream }));
  const flippedFrom = (id: string) => (id === "a" ? edges : []);
  return planRestart({ now: 2, row: (id) => rows.get(id), flippedFrom, openJobs: () => [] }, order);
}

test("a restart sets back as many runs as one step writes, and refuses more with the way out", () => {
  const [most, more] = [planOf(limits.batchRows - 1), planOf(limits.batchRows)];
  assert.equal(most.outcome === "planned" && most.changes.length, limits.batchRows);
  const refusal = { reason: "too_many", runId: "a", name: "a", status: "failed" };
  assert.deepEqual("refusal" in more && more.refusal, refusal);
});
