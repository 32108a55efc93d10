import { AppError, type LogLine } from "@holdfast/protocol";
import {
  changesOf,
  claimed,
  claimRounds,
  type Expansion,
  type Finish,
  type FinishResult,
  handOut,
  mayBeActive,
  type PauseRow,
  type RunRow,
  withAftermath,
} from "../../core/index.ts";
import type { LogResult, StepResult, StepRow } from "../store.ts";
import type { Memory } from "./memory.ts";
import { putAside } from "./pausing.ts";

export function claimRuns(
  memory: Memory,
  args: { memberId: string; namespace: string; queues: readonly string[] | null; limitRows: number },
): RunRow[] {
  if (!memory.isMember(args.memberId)) throw memberGoneError(args.memberId);
  const now = memory.now();
  const rows: RunRow[] = [];
  for (let round = 0; round < claimRounds.most; round++) {
    const missing = args.limitRows - rows.length;
    const found = takeReady(memory, args, round === 0 ? missing : missing + claimRounds.moreRows);
    const free: RunRow[] = [];
    const paused: { run: RunRow; pause: PauseRow }[] = [];
    for (const run of found) {
      const [pause] = memory.pauses.over(memory.runs.chain(run.id));
      if (pause === undefined) free.push(run);
      else paused.push({ run, pause });
    }
    for (const run of free.slice(missing)) memory.runs.ready.push(run, memory.runs.place(run.id));
    for (const run of free.slice(0, missing)) rows.push(claimOne(memory, run, args.memberId, now));
    putAside(memory, paused);
    if (paused.length === 0 || rows.length === args.limitRows) {
      handOnFairSlots(memory, rows, now);
      return rows;
    }
  }
  handOnFairSlots(memory, rows, now);
  memory.bell.ring(["ready"]);
  return rows;
}

/** What the claimed held of fair lines is the next ones'. */
function handOnFairSlots(memory: Memory, claims: readonly RunRow[], now: number): void {
  if (!claims.some(({ limits }) => limits.some(({ ageingMs }) => ageingMs !== undefined))) return;
  if (handOut(memory.slots, memory.slots.freeDue(now), now).admitted > 0) memory.bell.ring(["ready"]);
}

function takeReady(
  memory: Memory,
  { namespace, queues }: { namespace: string; queues: readonly string[] | null },
  limitRows: number,
): RunRow[] {
  // A run that came to the line twice has two places in it.
  const found = new Map<string, RunRow>();
  while (found.size < limitRows) {
    const run = memory.runs.ready.take(namespace, queues);
    if (run === undefined) break;
    found.set(run.id, run);
  }
  return [...found.values()];
}

function claimOne(memory: Memory, run: RunRow, memberId: string, now: number): RunRow {
  const { row, data } = claimed(run, memberId, now);
  const event = { run: row, number: row.lastEvent, type: "run.started", at: now, data } as const;
  memory.apply(changesOf({ updated: [row], events: [event] }));
  memory.slots.start(row, now);
  return row;
}

export function finishActivations(memory: Memory, rows: readonly Finish[]): FinishResult[] {
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(known(memory, rows));
  const results = rows.map((row) => ledger.finish(row));
  memory.commit(ledger);
  return withAftermath(results, rows, ledger);
}

export function expandRuns(memory: Memory, rows: readonly Expansion[]): FinishResult[] {
  const ledger = memory.decisions.newLedger(memory.now());
  ledger.load(known(memory, rows));
  const results = rows.map((row) => ledger.expand(row));
  memory.commit(ledger);
  return withAftermath(results, rows, ledger);
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
