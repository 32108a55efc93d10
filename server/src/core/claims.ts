import type { Json } from "@holdfast/protocol";
import type { RunRow } from "./run.ts";

/** The data of `run.enqueued`. */
export function enqueuedData(run: RunRow): Json {
  return { kind: run.kind, parentId: run.parentId, queue: run.queue };
}

/** The row of a run once a member has claimed it, and the data of its `run.started`. */
export function claimed(run: RunRow, memberId: string, now: number): { readonly row: RunRow; readonly data: Json } {
  const epoch = run.epoch + 1;
  const lastEvent = run.lastEvent + 1;
  const startedAt = run.startedAt ?? now;
  const row: RunRow = { ...run, status: "running", epoch, claimedBy: memberId, claimedAt: now, startedAt, lastEvent };
  return { row, data: { attempt: run.attempt, epoch, member: memberId } };
}
