import { isEnded, type LedgerChanges } from "../../core/index.ts";
import type { StoredLedger } from "./settle.ts";
import type { Turn } from "./turn.ts";

/** Rings for what a ledger has changed. */
export function ringChanges({ ring }: Turn, changes: LedgerChanges, stored: StoredLedger): void {
  if (changes.events.length > 0) ring("events");
  if (stored.readied > 0) ring("ready");
  if (changes.obligations.some(({ became }) => became !== "met")) ring("cancelling");
  const { owed, free } = stored.jobs;
  if (owed > 0) ring("cancelling");
  if (owed > 0 || free) ring("jobs");
  for (const run of changes.updated) {
    if (isEnded(run.status)) ring("ended");
    else if (run.status === "cancelling" && (run.claimedBy !== null || run.spreading)) ring("cancelling");
  }
}
