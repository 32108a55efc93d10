import type { Json, RunStatus } from "@holdfast/protocol";
import {
  belowOf,
  type Ending,
  expiryData,
  expiryEnding,
  firstGate,
  type GateChange,
  gateChange,
  handOut,
  type Ledger,
  leastDueMs,
} from "../../core/index.ts";
import type { Memory } from "./memory.ts";
import { letGoSome } from "./pausing.ts";
import { endDueWaits } from "./waiting.ts";

export function orderEnd(
  memory: Memory,
  { runId, ending, data, limitRows }: { runId: string; ending: Ending; data: Json; limitRows: number },
): { requested: number; status: RunStatus } | undefined {
  const run = memory.runs.find(runId);
  if (run === undefined) return undefined;
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load([run]);
  if (ledger.order(runId, ending, data)) spreadBelow(memory, ledger, [runId], limitRows);
  memory.commit(ledger);
  return { requested: ledger.reached, status: memory.runs.find(runId)?.status ?? run.status };
}

/** Hands on orders that have not reached everything below. */
export function spreadOrders(memory: Memory, limitRows: number): { reached: number; more: boolean } {
  const parents = memory.runs.takeSpreading(limitRows);
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(parents);
  const ids = parents.map(({ id }) => id);
  spreadBelow(memory, ledger, ids, limitRows);
  memory.commit(ledger);
  memory.runs.putBackSpreading(ids);
  const more = memory.runs.isSpreading;
  // What lies beside a run that was ordered may be claimed again.
  if (parents.length > 0 && !more) memory.bell.ring(["ready"]);
  return { reached: ledger.reached, more };
}

function spreadBelow(memory: Memory, ledger: Ledger, ids: readonly string[], limitRows: number): void {
  let parents = ids.filter((id) => ledger.row(id)?.spreading === true);
  for (let left = limitRows; parents.length > 0 && left > 0; ) {
    const found = memory.runs.unreachedBelow(parents, left);
    ledger.load(found);
    parents = ledger.spread(belowOf(parents, found, left));
    left -= found.length;
  }
}

/** Makes claimable what was due. */
export function wakeRuns(memory: Memory, limitRows: number): { woken: number; nextInMs: number | null } {
  const now = memory.now();
  const changes: GateChange[] = [];
  let woken = 0;
  while (woken < limitRows) {
    const run = memory.runs.find(memory.runs.wakes.take(now) ?? "");
    if (run === undefined) break;
    const awake = { ...run, wakeAt: null, gate: firstGate(run) };
    memory.runs.put(awake);
    const change = gateChange(run, awake);
    if (change !== undefined) changes.push(change);
    woken += 1;
  }
  memory.passGates(changes);
  // After them, as in every store: who comes to a gate first may be let in first.
  woken += endDueWaits(memory, limitRows);
  memory.slots.freeDue(now);
  const { admitted, more } = handOut(memory.slots, memory.slots.passable(), now);
  if (woken + admitted > 0) memory.bell.ring(["ready"]);
  const held = letGoSome(memory, limitRows);
  if (more.length > 0 || held.more) return { woken, nextInMs: 0 };
  const start = memory.slots.nextInMs(now);
  const due = sooner(memory.runs.wakes.nextInMs(now), memory.waits.nextInMs(now));
  return { woken, nextInMs: sooner(due, start === null ? null : Math.max(start, leastDueMs)) };
}

function sooner(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.min(one, other);
}

/** Orders the end of runs whose time is over. */
export function expireRuns(memory: Memory, limitRows: number): { expired: number; nextInMs: number | null } {
  const now = memory.now();
  const ledger = memory.decisions.newLedger(now);
  const due: string[] = [];
  while (due.length < limitRows) {
    const run = memory.runs.find(memory.runs.expiries.take(now) ?? "");
    if (run === undefined) break;
    ledger.load([run]);
    ledger.order(run.id, expiryEnding(run), expiryData);
    due.push(run.id);
  }
  spreadBelow(memory, ledger, due, limitRows);
  memory.commit(ledger);
  return { expired: due.length, nextInMs: memory.runs.expiries.nextInMs(now) };
}
