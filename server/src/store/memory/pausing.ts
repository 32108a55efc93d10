import {
  type GateChange,
  letGo,
  limitsAside,
  type PauseRow,
  type PauseTarget,
  pauseId,
  type RunRow,
} from "../../core/index.ts";
import type { PauseResult, Store } from "../store.ts";
import type { Memory } from "./memory.ts";

export function pauseRuns(
  memory: Memory,
  { target, reason }: { target: PauseTarget; reason: string | null },
): PauseResult {
  const refusal = refuse(memory, target);
  if (refusal !== undefined) return refusal;
  const before = memory.pauses.find(pauseId(target));
  if (before !== undefined) return { outcome: "unchanged", since: before.since };
  const { namespace, kind, name } = target;
  const since = memory.now();
  memory.pauses.put({ namespace, kind, name, since, reason, isOver: false });
  remark(memory, target, since, "run.paused", { reason });
  return { outcome: "done", since };
}

export function resumeRuns(
  memory: Memory,
  { target, limitRows }: { target: PauseTarget; limitRows: number },
): PauseResult {
  const refusal = refuse(memory, target);
  if (refusal !== undefined) return refusal;
  const before = memory.pauses.find(pauseId(target));
  if (before === undefined) return { outcome: "unchanged", since: null };
  memory.pauses.put({ ...before, isOver: true });
  remark(memory, target, memory.now(), "run.resumed", { since: before.since });
  letGoSome(memory, limitRows);
  return { outcome: "done", since: before.since };
}

/** Lets go of those who stand at gates of pauses that are over. */
export function letGoSome(memory: Memory, limitRows: number): { more: boolean } {
  let left = limitRows;
  const arrived: GateChange[] = [];
  for (const id of memory.pauses.ended()) {
    let run = memory.runs.gates.first(id);
    for (; run !== undefined && left > 0; run = memory.runs.gates.first(id)) {
      const free = letGo(run);
      memory.runs.put(free);
      if (free.gate !== null) arrived.push({ run: free, frees: [], arrives: true });
      left -= 1;
    }
    if (run !== undefined) break;
    memory.pauses.forget(id);
  }
  memory.passGates(arrived);
  if (left < limitRows) memory.bell.ring(["ready"]);
  return { more: memory.pauses.ended().length > 0 };
}

export function findPauses(memory: Memory, runId: string): PauseRow[] {
  const run = memory.runs.find(runId);
  return run === undefined || run.endedAt !== null ? [] : memory.pauses.over(memory.runs.chain(runId));
}

/** Puts claimable runs at the gates of the pauses that stand over them. */
export function putAside(memory: Memory, paused: readonly { readonly run: RunRow; readonly pause: PauseRow }[]): void {
  const changes = paused.map(({ run, pause }) => {
    memory.runs.put({ ...run, gate: pauseId(pause) });
    return { run, frees: limitsAside(run).map(({ id }) => id), arrives: false };
  });
  memory.passGates(changes.filter(({ frees }) => frees.length > 0));
}

function refuse(memory: Memory, { kind, name, namespace }: PauseTarget): PauseResult | undefined {
  if (kind !== "run") return undefined;
  const run = memory.runs.find(name);
  if (run === undefined || run.namespace !== namespace) return { outcome: "not_found" };
  return run.endedAt === null ? undefined : { outcome: "ended" };
}

function remark(
  memory: Memory,
  { kind, name }: PauseTarget,
  now: number,
  type: "run.paused" | "run.resumed",
  data: { readonly [name: string]: string | number | null },
): void {
  const run = kind === "run" ? memory.runs.find(name) : undefined;
  if (run === undefined) return;
  const ledger = memory.decisions.newLedger(now);
  ledger.load([run]);
  ledger.remark(name, type, data);
  memory.commit(ledger);
}

/** See `Store.listPauses`. */
export function listPauses({ pauses, runs }: Memory, args: Parameters<Store["listPauses"]>[0]): PauseRow[] {
  return pauses.list(args, (runId) => runs.find(runId)?.endedAt === null);
}
