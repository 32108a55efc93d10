import { changesOf, claimedCleanUp, isCleanUpDue, type RunRow } from "../../core/index.ts";
import type { ClaimedCleanUps } from "../obligation-verbs.ts";
import type { Store } from "../store.ts";
import { memberGoneError } from "./activations.ts";
import type { Memory } from "./memory.ts";

/** See `Store.claimCleanUps`. The open obligations lead to the runs. */
export function claimCleanUps(
  memory: Memory,
  { memberId, namespace, queues, limitRows }: Parameters<Store["claimCleanUps"]>[0],
): ClaimedCleanUps {
  if (!memory.isMember(memberId)) throw memberGoneError(memberId);
  const now = memory.now();
  const owed = memory.obligations.open().filter((row) => row.kind === "clean_up" && row.namespace === namespace);
  const isOurs = (run: RunRow) => run.claimedBy === null && (queues?.includes(run.queue) ?? true);
  const ours = owed.flatMap(({ runId }) => memory.runs.find(runId) ?? []).filter(isOurs);
  const later = ours.flatMap(({ wakeAt }) => (wakeAt !== null && wakeAt > now ? wakeAt - now : []));
  const due = ours.filter((run) => isCleanUpDue(run, now)).slice(0, limitRows);
  const runs = due.map((run) => {
    const { row, type, data } = claimedCleanUp(run, memberId, now);
    memory.apply(changesOf({ updated: [row], events: [{ run: row, number: row.lastEvent, type, at: now, data }] }));
    return row;
  });
  return { runs, nextInMs: later.length === 0 ? null : Math.min(...later) };
}
