import { durationText, type Json, type RunError } from "@holdfast/protocol";
import type { Ending, RunRow } from "./run.ts";

// Why the control plane itself ends or takes back a run, in words that are the same on every store.

/** How a run ends whose time is over (`expiresAt`). */
export function expiryEnding(run: Pick<RunRow, "createdAt" | "expiresAt" | "expiresFrom">): Ending {
  const from = run.expiresFrom ?? run.createdAt;
  const afterMs = (run.expiresAt ?? from) - from;
  return { status: "failed", error: { code: "expired", message: `It did not end within ${durationText(afterMs)}.` } };
}

/** The data of an expiry's `run.cancel_requested`. */
export const expiryData: Json = { reason: "expired" };

/** How a run ends because the one above it was ordered to. */
export function inheritedEnding(parent: Pick<RunRow, "name" | "ending">): Ending {
  const failed = parent.ending?.error.code === "expired" ? "has expired" : "has failed";
  const ended = parent.ending?.again === undefined ? "was cancelled" : "was cleared";
  const why = parent.ending?.status === "failed" ? failed : ended;
  const message = `${parent.name}, to which it belongs, ${why}.`;
  return { status: "cancelled", error: { code: "cancelled", message } };
}

/** Why a run is taken from a member that left or was judged gone. */
export function memberGone(memberId: string): RunError {
  return { code: "member_gone", message: `The member ${memberId}, which held it, is gone.` };
}

/** How a run that was cleared before it had ended gives up what it has under way. `again`: who asked for that. */
export function clearedEnding(again: NonNullable<Ending["again"]>): Ending {
  const message = "It was cleared: it starts again once what it has under way has ended.";
  return { status: "cancelled", error: { code: "cancelled", message }, again };
}

/** How a run ends because a race that it was in is decided. */
export const droppedEnding: Ending = {
  status: "cancelled",
  error: { code: "cancelled", message: "What called it took another result." },
};
