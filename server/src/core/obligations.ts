import { isCleaningUp, type RunRow } from "./run.ts";

// P6: what an order has to bring to an end outside of the store is a row of its own. It stands from the order until whoever has to
// meet it says so, or is proved to be gone; that its run has ended meanwhile, by force, takes nothing from it.

/**
 * What has to be ended: an `activation`, by the member that holds it; its subject is the epoch. An `external_job`, by whoever tracks
 * it; its subject is the job's id. What has to be done: the `clean_up` of the run, by any node; its subject says which of several.
 */
export type ObligationKind = "activation" | "external_job" | "clean_up";

/** Times are milliseconds on the store's clock. A run's `kind` and `subject` name one. */
export interface ObligationRow {
  readonly kind: ObligationKind;
  readonly runId: string;
  readonly rootId: string;
  readonly namespace: string;
  readonly subject: string;
  /** Whose it is to meet; null: any node's. */
  readonly memberId: string | null;
  /** Why it is to end, as it is told. */
  readonly reason: string;
  readonly orderedAt: number;
  /** When its run ended without waiting for it; null: it waits. */
  readonly forcedAt: number | null;
  /** How often it was tried to meet it, as far as that was written down, when last, and why that was not enough. */
  readonly tries: number;
  readonly lastTryAt: number | null;
  readonly error: string | null;
  /** Null while it is open. */
  readonly metAt: number | null;
}

/** `owed`: it is new. `forced`: its run has ended without it; it is new where its run was not ordered to end before. */
export interface ObligationChange {
  readonly became: "owed" | "forced" | "met";
  readonly row: ObligationRow;
}

/**
 * What the change of a run means for its activation and for its clean-up. `forced`: the run ended over the head of whoever is at work on
 * it. A takeover has proved that its member is gone: that meets it. A clean-up is met when it is over, given up or passed over.
 */
export function obligationChanges(
  before: RunRow,
  run: RunRow,
  { now, forced }: { now: number; forced: boolean },
): ObligationChange[] {
  const changes: ObligationChange[] = [];
  if (isCleaningUp(before) && !isCleaningUp(run)) {
    changes.push({ became: "met", row: { ...cleanUpOf(before, now), metAt: now } });
  } else if (!isCleaningUp(before) && isCleaningUp(run)) changes.push({ became: "owed", row: cleanUpOf(run, now) });
  if (forced && before.claimedBy !== null) {
    changes.push({ became: "forced", row: { ...owed(before, now), forcedAt: now } });
  } else if (owes(run) && !owes(before)) changes.push({ became: "owed", row: owed(run, now) });
  else if (owes(before) && !owes(run)) changes.push({ became: "met", row: { ...owed(before, now), metAt: now } });
  return changes;
}

/** Whoever carries out a clean-up is not to be ended. */
function owes(run: RunRow): boolean {
  return run.status === "cancelling" && run.claimedBy !== null && !isCleaningUp(run);
}

function cleanUpOf(run: RunRow, now: number): ObligationRow {
  return { ...owed(run, now), kind: "clean_up", subject: String(run.ending?.cleanUp?.since), memberId: null };
}

function owed({ id, rootId, namespace, epoch, claimedBy, ending }: RunRow, now: number): ObligationRow {
  return {
    kind: "activation",
    runId: id,
    rootId,
    namespace,
    subject: String(epoch),
    memberId: claimedBy,
    reason: ending?.error.message ?? "Somebody decided how its run ended.",
    orderedAt: now,
    forcedAt: null,
    tries: 0,
    lastTryAt: null,
    error: null,
    metAt: null,
  };
}
