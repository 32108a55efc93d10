import type { KeptSignal, SignalOrder, SignalResult, WaitRow, WaitsOrder, WaitsResult } from "../core/index.ts";
import type { Uniqueness } from "./enqueue-rows.ts";

// What `Store` promises about waits (core/waits.ts has the rules).

/** A signal, and the request that asked for it: the same one again changes nothing. */
export interface SignalRequest extends SignalOrder {
  readonly request: Uniqueness | null;
}

/** `repeated`: this request was carried out before. `request_conflict`: it was one for something else. */
export type SignalledResult =
  | SignalResult
  | { readonly outcome: "repeated" }
  | { readonly outcome: "request_conflict" };

/** The verbs of waits. Waits that are due are ended by `wakeRuns`. */
export interface WaitVerbs {
  /**
   * Opens waits of live activations, puts the runs that they call in place, and lets their runs wait, if that was asked for.
   * Nothing happens twice under one key. Hot: merged by `mergeCalls`.
   */
  openWaits(args: { rows: readonly WaitsOrder[] }): Promise<WaitsResult[]>;
  /** Hands a signal to the oldest wait of its name that the run has open, or keeps it for the next one. */
  signalRun(args: SignalRequest): Promise<SignalledResult>;
  /** What a run's body has open, the oldest first. */
  listWaits(args: { runId: string; limitRows: number }): Promise<WaitRow[]>;
  /** Signals that nobody has waited for yet, the oldest first. */
  listSignals(args: { runId: string; limitRows: number }): Promise<KeptSignal[]>;
}
