import type { EventType, Json, RunError } from "@holdfast/protocol";
import type { Finish, FinishResult, Next } from "./next.ts";
import { isCleaningUp, type RunRow } from "./run.ts";
import { mayBeActive, type RunInput, transition } from "./transitions.ts";
import type { WaitsOrder, WaitsResult } from "./wait-rows.ts";
import { externalsOf } from "./waiting.ts";

/** Why an activation has nothing to say; undefined when it has. */
export function refuseActivation(run: RunRow | undefined, epoch: number): FinishResult | undefined {
  if (run === undefined) return { outcome: "not_found" };
  if (run.epoch !== epoch) return { outcome: "stale_epoch" };
  if (!mayBeActive(run.status) || run.claimedBy === null) return { outcome: "repeated", status: run.status };
  return undefined;
}

/** Why an activation opens no waits; undefined when it does. Below a run that is being ended nothing begins any more. */
export function refuseWaits(run: RunRow | undefined, order: WaitsOrder): WaitsResult | undefined {
  const refusal = refuseActivation(run, order.epoch);
  if (run === undefined || refusal?.outcome === "not_found") return { outcome: "not_found" };
  if (refusal?.outcome === "repeated") return refusal;
  if (refusal !== undefined || run.generation !== order.generation) return { outcome: "stale_epoch" };
  // What cleans up has nothing to wait for.
  if (isCleaningUp(run)) return { outcome: "repeated", status: run.status };
  const isOver = order.suspend === null && transition(run.status, "suspend") === "ordered";
  return isOver ? { outcome: "repeated", status: run.status } : undefined;
}

/** What an activation's end is to its run. */
export function inputOf(next: Next): RunInput {
  if (next.to === "ended") {
    const inputs = { succeeded: "succeed", failed: "fail", skipped: "skip" } as const;
    return inputs[next.status];
  }
  if (next.outcome === "lost") return "lose";
  return next.outcome === "released" ? "give_back" : "retry";
}

/** An error as events and records of waits carry it. */
export function brief(error: RunError | null): Json {
  if (error === null) return null;
  const { code, message, hint } = error;
  const said = { code, message: message.slice(0, 1_000).toWellFormed() };
  return hint === undefined ? said : { ...said, hint: hint.slice(0, 500).toWellFormed() };
}

/** Whether a body says its success while runs that it called, or external jobs, are under way. */
export function leavesCalls(run: RunRow, { next }: Finish): boolean {
  const open = (run.waiting?.calls ?? 0) + externalsOf(run);
  return next.to === "ended" && next.status !== "failed" && run.status === "running" && open > 0;
}

/** How a run stands after an activation that another one follows, and what is told of that. `takenFrom`: as it was before a takeover. */
export function startingAgain(
  released: RunRow,
  next: Extract<Next, { to: "ready" }>,
  { now, takenFrom }: { now: number; takenFrom: RunRow | undefined },
): { readonly row: RunRow; readonly type: EventType; readonly data: Json } {
  const wakeAt = next.delayMs > 0 ? now + next.delayMs : null;
  if (next.outcome === "released") return { row: { ...released, wakeAt }, type: "run.given_back", data: {} };
  if (next.outcome === "lost") {
    const losses = takenFrom?.losses ?? released.losses + 1;
    const data = { epoch: takenFrom?.epoch ?? released.epoch, error: brief(next.error) };
    return { row: { ...released, wakeAt, losses, error: next.error }, type: "run.lost", data };
  }
  const attempt = released.attempt + 1;
  const data = { attempt, delayMs: next.delayMs, error: brief(next.error) };
  const anew = { wakeAt, attempt, ranMs: 0, losses: 0, takeovers: 0, error: next.error };
  return { row: { ...released, ...anew }, type: "run.retry_scheduled", data };
}
