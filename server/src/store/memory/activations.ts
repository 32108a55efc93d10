import { AppError, type LogLine } from "@holdfast/protocol";
import { claimed, type Expansion, type Finish, type FinishResult, mayBeActive, type RunRow } from "../../core/index.ts";
import type { LogResult, StepResult, StepRow } from "../store.ts";
import type { Memory } from "./memory.ts";

export function claimRuns(
  memory: Memory,
  args: { memberId: string; namespace: string; queues: readonly string[] | null; limitRows: number },
): RunRow[] {
  if (!memory.isMember(args.memberId)) throw memberGoneError(args.memberId);
  const now = memory.now();
  const rows: RunRow[] = [];
  while (rows.length < args.limitRows) {
    const run = memory.runs.ready.take(args.namespace, args.queues);
    if (run === undefined) break;
    const { row, data } = claimed(run, args.memberId, now);
    const event = { run: row, number: row.lastEvent, type: "run.started", at: now, data } as const;
    memory.apply({ inserted: [], updated: [row], newEdges: [], flippedEdges: [], events: [event], gates: [] });
    rows.push(row);
  }
  return rows;
}

export function finishActivations(memory: Memory, rows: readonly Finish[]): FinishResult[] {
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(known(memory, rows));
  const results = rows.map((row) => ledger.finish(row));
  memory.commit(ledger);
  return results;
}

export function expandRuns(memory: Memory, rows: readonly Expansion[]): FinishResult[] {
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(known(memory, rows));
  const results = rows.map((row) => ledger.expand(row));
  memory.commit(ledger);
  return results;
}

export function commitSteps(memory: Memory, rows: readonly StepRow[]): StepResult[] {
  return rows.map((row) => {
    const run = memory.runs.find(row.runId);
    const live = run !== undefined && run.epoch === row.epoch && run.claimedBy !== null && mayBeActive(run.status);
    if (!live || run.generation !== row.generation) return { outcome: "stale_epoch" };
    const result = memory.steps.record(row);
    if (result.outcome === "recorded" && run.losses + run.takeovers > 0) {
      memory.runs.put({ ...run, losses: 0, takeovers: 0 });
    }
    return result;
  });
}

export function appendLogs(memory: Memory, rows: readonly LogLine[]): LogResult[] {
  const now = memory.now();
  return rows.map((line) => {
    if (memory.runs.find(line.runId)?.epoch !== line.epoch) return { outcome: "stale_epoch" };
    memory.logs.append(line, now);
    return { outcome: "kept" };
  });
}

/** Thrown to a caller whose membership has ended. */
export function memberGoneError(memberId: string): AppError {
  return new AppError("member_gone", `The member ${memberId} is gone; its activations are others' now.`, {
    hint: "Join again under a new id.",
  });
}

/** The runs with their parents. */
function known(memory: Memory, rows: readonly { readonly runId: string }[]): RunRow[] {
  return memory.runs.withParents(rows.map(({ runId }) => runId));
}
