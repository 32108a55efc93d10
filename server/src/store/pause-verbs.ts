import type { PauseRow, PauseTarget } from "../core/index.ts";

// The part of the store that keeps what is paused (core/pauses.ts).

/**
 * `done`: it is so now and was not before. `unchanged`: it was so already. `since`: when it was paused; null where nothing is.
 * `ended`: a run that has ended can be neither.
 */
export type PauseResult =
  | { readonly outcome: "done" | "unchanged"; readonly since: number | null }
  | { readonly outcome: "ended" }
  | { readonly outcome: "not_found" };

export interface PauseVerbs {
  /**
   * Pauses a run with all below it, a definition or a queue, whether or not they have runs. Nothing that it holds is claimed from
   * then on; what is under way goes on. A run's pause writes `run.paused` and ends with its run.
   */
  pauseRuns(args: { target: PauseTarget; reason: string | null }): Promise<PauseResult>;
  /** Ends a pause. At most `limitRows` of those that stand at its gate are let go at once, the rest by `wakeRuns`. */
  resumeRuns(args: { target: PauseTarget; limitRows: number }): Promise<PauseResult>;
  /** What is paused, in the order of ids (core's `pauseId`), those of `kind` alone where it is given, from after the one of id `after`. */
  listPauses(args: {
    namespace: string;
    kind?: PauseRow["kind"];
    after?: string;
    limitRows: number;
  }): Promise<PauseRow[]>;
  /** The pauses that stand over a live run: of its queue, its own, its definition's, then those of the runs above it. */
  findPauses(args: { runId: string }): Promise<PauseRow[]>;
}
