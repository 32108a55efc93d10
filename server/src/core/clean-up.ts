import type { EventType, Json, RunStatus } from "@holdfast/protocol";
import { brief } from "./answers.ts";
import type { Next } from "./next.ts";
import { type Ending, isCleaningUp, type RunRow, tryOf } from "./run.ts";

// The clean-up of a run that was cut off: a function of its definition (`onCancel`), carried out once everything that the run had under
// way has ended, and before the run itself ends.
//
// P2  It is an activation of its run with an epoch of its own; what it writes is fenced as what the body wrote.
// P6  From the commit that makes it due it is an obligation of the run. It is tried at least once, a bounded number of times; then, or by
//     force, the run ends as it was ordered to. Whatever it says, it changes nothing of that end.

/** Whether somebody may claim its clean-up now. */
export function isCleanUpDue(run: RunRow, now: number): boolean {
  return isCleaningUp(run) && run.claimedBy === null && (run.wakeAt === null || run.wakeAt <= now);
}

/**
 * Whether a run that would end now as it was ordered to has to be cleaned up first: it was cut off after its body had begun. What
 * fails by itself has seen its own end.
 */
export function owesCleanUp({ cleansUp, startedAt, ending }: RunRow): boolean {
  if (!cleansUp || startedAt === null || ending === null || ending.cleanUp !== undefined) return false;
  return ending.status === "cancelled" || ending.error.code === "expired";
}

/** A change of a run with what is told of it. */
export interface CleanUpStep {
  readonly row: RunRow;
  readonly type: EventType;
  readonly data: Json;
}

/** The run when its clean-up has become due. */
export function cleanUpDue(run: RunRow, ending: Ending, status: RunStatus): CleanUpStep {
  const free = { claimedBy: null, claimedAt: null, wakeAt: null, gate: null, losses: 0, takeovers: 0 };
  const row: RunRow = { ...run, ...free, status, ending: { ...ending, cleanUp: { since: run.lastEvent, try: 1 } } };
  return { row, type: "run.clean_up_due", data: { try: 1, reason: ending.error.message } };
}

/** A run that is forced, without its clean-up where that is due, at work or would follow; and what is told of that. */
export function passingOver(run: RunRow): { readonly row: RunRow; readonly data: Json } {
  const data = { epoch: run.epoch, member: run.claimedBy };
  const { ending } = run;
  if (!run.cleansUp || ending === null || ending.cleanUp === null) return { row: run, data };
  return { row: { ...run, ending: { ...ending, cleanUp: null } }, data: { ...data, cleanUp: "passed_over" } };
}

/** The run once a member has claimed its clean-up. */
export function claimedCleanUp(run: RunRow, memberId: string, now: number): CleanUpStep {
  const epoch = run.epoch + 1;
  const row: RunRow = {
    ...run,
    epoch,
    claimedBy: memberId,
    claimedAt: now,
    wakeAt: null,
    lastEvent: run.lastEvent + 1,
  };
  return { row, type: "run.clean_up_started", data: { try: tryOf(run), epoch, member: memberId } };
}

/** What follows from what an activation says that cleans up. `isOver`: the run ends now, as it was ordered to. */
export function afterCleanUp(
  run: RunRow,
  next: Next,
  { now, takenFrom }: { readonly now: number; readonly takenFrom: RunRow | undefined },
): CleanUpStep & { readonly isOver: boolean } {
  const released: RunRow = { ...run, claimedBy: null, claimedAt: null };
  const tried = tryOf(run);
  if (next.to === "ended") {
    const { row } = passingOver(released);
    if (next.status === "failed") return { ...failed(row, tried, next), isOver: true };
    return { row, type: "run.cleaned_up", data: { try: tried }, isOver: true };
  }
  if (next.to === "line" || next.outcome === "released") {
    const wakeAt = next.to === "ready" && next.delayMs > 0 ? now + next.delayMs : null;
    return { row: { ...released, wakeAt }, type: "run.clean_up_due", data: { try: tried }, isOver: false };
  }
  if (next.outcome === "lost") {
    const losses = takenFrom?.losses ?? released.losses + 1;
    const data = { try: tried, error: brief(next.error) };
    return { row: { ...released, losses }, type: "run.clean_up_due", data, isOver: false };
  }
  const { ending } = released;
  const again = ending?.cleanUp == null ? ending : { ...ending, cleanUp: { ...ending.cleanUp, try: tried + 1 } };
  const row = { ...released, ending: again, wakeAt: now + next.delayMs, losses: 0, takeovers: 0 };
  const data = { try: tried, error: brief(next.error), delayMs: next.delayMs };
  return { row, type: "run.clean_up_failed", data, isOver: false };
}

/** It is given up: the run's own error says so, beside why it was ended. */
function failed(run: RunRow, tried: number, { error }: Extract<Next, { status: "failed" }>): CleanUpStep {
  const { ending } = run;
  const times = tried === 1 ? "" : ` ${tried} times`;
  const why = `${ending?.error.message ?? ""} Its clean-up (onCancel) failed${times}: ${error.message}`.trim();
  const told = ending === null ? null : { ...ending, error: { ...ending.error, message: why } };
  return { row: { ...run, ending: told }, type: "run.clean_up_failed", data: { try: tried, error: brief(error) } };
}
