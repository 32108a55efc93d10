import type { Json, RunError, RunStatus } from "@holdfast/protocol";
import { type Ending, expiryData, expiryEnding, type RunRow } from "../../core/index.ts";
import type { Memory } from "./memory.ts";

export function orderEnd(
  memory: Memory,
  { runId, ending, data }: { runId: string; ending: Ending; data: Json },
): { requested: number; status: RunStatus } | undefined {
  if (memory.runs.find(runId) === undefined) return undefined;
  const requested = order(memory, runId, ending, data, memory.now());
  const run = memory.runs.find(runId);
  return run === undefined ? undefined : { requested, status: run.status };
}

export function listCancelling(
  memory: Memory,
  { memberId, limitRows }: { memberId: string; limitRows: number },
): { runId: string; epoch: number; error: RunError }[] {
  const found: { runId: string; epoch: number; error: RunError }[] = [];
  for (const { id, epoch, status, ending } of memory.runs.claimedBy(memberId)) {
    if (status === "cancelling" && ending !== null) found.push({ runId: id, epoch, error: ending.error });
  }
  return found.slice(0, limitRows);
}

/** Makes claimable what was due. */
export function wakeRuns(memory: Memory, limitRows: number): { woken: number; nextInMs: number | null } {
  const now = memory.now();
  let woken = 0;
  while (woken < limitRows) {
    const run = memory.runs.find(memory.runs.wakes.take(now) ?? "");
    if (run === undefined) break;
    memory.runs.put({ ...run, wakeAt: null });
    woken += 1;
  }
  if (woken > 0) memory.bell.ring(["ready"]);
  return { woken, nextInMs: memory.runs.wakes.nextInMs(now) };
}

/** Orders the end of runs whose time is over. */
export function expireRuns(memory: Memory, limitRows: number): { expired: number; nextInMs: number | null } {
  const now = memory.now();
  const due: RunRow[] = [];
  while (due.length < limitRows) {
    const run = memory.runs.find(memory.runs.expiries.take(now) ?? "");
    if (run === undefined) break;
    due.push(run);
  }
  // All of them first and then what follows: a run whose time is over is not skipped for want of another such.
  const ledger = memory.decisions.newLedger(now);
  for (const { id } of due) ledger.load(memory.runs.liveTree(id));
  const expired = due.filter((run) => ledger.order(run.id, expiryEnding(run), expiryData) > 0).length;
  memory.commit(ledger);
  return { expired, nextInMs: memory.runs.expiries.nextInMs(now) };
}

function order(memory: Memory, runId: string, ending: Ending, data: Json, now: number): number {
  const ledger = memory.decisions.newLedger(now);
  ledger.load(memory.runs.liveTree(runId));
  const reached = ledger.order(runId, ending, data);
  memory.commit(ledger);
  return reached;
}
