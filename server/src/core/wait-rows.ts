import type { Json, RunStatus, StepRecord, WaitKind } from "@holdfast/protocol";
import type { NewJob } from "./job-rows.ts";
import type { NewRun } from "./run.ts";
import type { WaitName } from "./wait-name.ts";

// What stores keep of waits, and what they are asked and answer about them.

/** An open wait of a run's body. Times are milliseconds on the store's clock. */
export interface WaitRow extends WaitName {
  readonly kind: WaitKind;
  /** Of what it was asked with; null: not known any more. */
  readonly hash: string | null;
  /** The end of a sleep, until when a signal is waited for, or when a job's end is ordered; null: for ever. */
  readonly dueAt: number | null;
  /** The name of the signal. */
  readonly signal: string | null;
  /** The run that was called. */
  readonly childId: string | null;
  /** The external job: its last submission. */
  readonly jobId: string | null;
  /** Its places in the run's `awaits`, as long as the run waits by the word of the activation `epoch`. */
  readonly groups: readonly number[];
  readonly epoch: number;
  readonly openedAt: number;
}

/** A signal that nobody has waited for yet. `number`: of the event that tells of it. */
export interface SignalRow {
  readonly runId: string;
  readonly number: number;
  readonly name: string;
  readonly payload: Json;
  readonly at: number;
}

/** A signal that a run keeps, without what was said with it. */
export type KeptSignal = Pick<SignalRow, "number" | "name" | "at">;

/** A wait to be opened. */
export interface NewWait {
  readonly key: string;
  readonly kind: WaitKind;
  readonly hash: string;
  /** From now; null: it is never over by itself. */
  readonly delayMs: number | null;
  readonly signal: string | null;
  /** The called run, whose name is the key. */
  readonly child: NewRun | null;
  /** Of an external wait. */
  readonly job?: NewJob;
}

/** What an activation waits for from now on. */
export interface WaitsOrder {
  readonly runId: string;
  readonly epoch: number;
  readonly generation: number;
  readonly opens: readonly NewWait[];
  /** Races that are decided: the step that says how, and the keys of the waits that are dropped with it. */
  readonly settles: readonly { readonly key: string; readonly value: Json; readonly drops: readonly string[] }[];
  /**
   * Null: it goes on. Else its activation ends and its run waits, until every wait of any one group has ended. `ranMs`: as of a
   * finish.
   */
  readonly suspend: { readonly groups: readonly (readonly string[])[]; readonly ranMs: number } | null;
}

/**
 * `suspended`: the activation is over; the run waits, or ends as it was ordered to. `open`: it goes on, and this is what is
 * recorded of the keys that it named; a suspension of which a group is answered already is answered so. `repeated`: it had
 * been ended before. `not_open`: it waits for a key that is neither open nor recorded; nothing was changed, as with a limit.
 * `other_number`: a job under this key would have this number; nothing was changed.
 */
export type WaitsResult =
  | { readonly outcome: "suspended"; readonly status: RunStatus }
  | { readonly outcome: "open"; readonly records: readonly StepRecord[] }
  | { readonly outcome: "repeated"; readonly status: RunStatus }
  | { readonly outcome: "not_open"; readonly key: string }
  | { readonly outcome: "other_number"; readonly key: string; readonly number: number }
  | { readonly outcome: "limit_exceeded"; readonly limit: "openWaitsPerRun" | "stepsPerRun" | "stepBytesPerRun" }
  | { readonly outcome: "stale_epoch" }
  | { readonly outcome: "not_found" };

export interface SignalOrder {
  readonly runId: string;
  readonly name: string;
  readonly payload: Json;
}

/** `delivered`: to a wait that was open. `kept`: for the next wait of its name. */
export type SignalResult =
  | { readonly outcome: "delivered" | "kept" }
  | { readonly outcome: "ended"; readonly status: RunStatus }
  | { readonly outcome: "limit_exceeded" }
  | { readonly outcome: "not_found" };

/** What a store has found for a ledger. */
export interface WaitLoad {
  readonly waits?: readonly WaitRow[];
  readonly records?: readonly (WaitName & { readonly value: Json })[];
  /** Kept signals of runs that open waits for signals or are sent one, the oldest first. */
  readonly signals?: readonly SignalRow[];
  /** How many records a run has, and their bytes. */
  readonly used?: readonly { readonly runId: string; readonly count: number; readonly bytes: number }[];
}

/** A record to be written, over one that is there. */
export interface NewRecord extends WaitName {
  readonly value: Json;
  readonly epoch: number;
}

/** What a ledger asks a store to write of waits. */
export interface WaitChanges {
  readonly opened: WaitRow[];
  /** Whose groups, job or moment are others now. */
  readonly regrouped: WaitRow[];
  readonly ended: WaitRow[];
  /** Runs that wait for nothing any more: every wait of theirs goes, whether it was loaded or not. Write this first. */
  readonly cleared: string[];
  readonly records: NewRecord[];
  readonly keptSignals: SignalRow[];
  readonly takenSignals: SignalRow[];
}

export function noWaitChanges(): WaitChanges {
  return { opened: [], regrouped: [], ended: [], cleared: [], records: [], keptSignals: [], takenSignals: [] };
}

/** True where there is nothing to be written. */
export function isWithoutWaits(changes: WaitChanges): boolean {
  return Object.values(changes).every((rows: readonly unknown[]) => rows.length === 0);
}
