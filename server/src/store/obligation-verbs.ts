import type { Aftermath, ObligationKind, ObligationRow, RunRow } from "../core/index.ts";

// The part of the store that keeps what orders have to bring to an end (core/obligations.ts): the verbs that change runs open and
// meet obligations in their own commits (P3); here they are read, tried, and met by those who have to (P6).

/** Names an obligation. */
export type ObligationName = Pick<ObligationRow, "kind" | "runId" | "subject">;

/** What a member says of one: that it has tried, and why it is open still; or that it is met. */
export type ObligationNote = ObligationName &
  ({ readonly outcome: "tried"; readonly error: string | null } | { readonly outcome: "met" });

/** `forced`: ids of runs that ended as ordered without waiting. `more`: others are left. */
export interface Forced extends Aftermath {
  readonly forced: readonly string[];
  readonly more: boolean;
}

export interface ClaimedCleanUps {
  readonly runs: readonly RunRow[];
  readonly nextInMs: number | null;
}

export interface ObligationVerbs {
  /**
   * Claims clean-ups of runs that are to end which are due (core/clean-up.ts), the longest owed first: with it the run's epoch rises, and its status
   * stays. Neither limits of queues nor pauses hold one back. Throws `member_gone`. `queues`: null: every queue. `nextInMs`: until one
   * that is put off is due; null: none is.
   */
  claimCleanUps(args: {
    memberId: string;
    namespace: string;
    queues: readonly string[] | null;
    limitRows: number;
  }): Promise<ClaimedCleanUps>;
  /** What a member has to meet and has not, the longest ordered first; null: what is any node's. */
  listOwed(args: { memberId: string | null; kind: ObligationKind; limitRows: number }): Promise<ObligationRow[]>;
  /**
   * Writes down tries, and what is met. What is met already or not there is left alone; one whose run waits for it is met by the
   * end of its activation alone, and that of an external job by the job's end. `noted`: how many rows changed.
   */
  noteObligations(args: { rows: readonly ObligationNote[] }): Promise<{ noted: number }>;
  /** The longest ordered first: those of a tree, of which some may be met; without `rootId` all in the namespace that are open. */
  listObligations(args: { namespace: string; rootId?: string; limitRows: number }): Promise<ObligationRow[]>;
  /**
   * Ends as ordered those of a run and of all below it that are `cancelling` and whose activation or external jobs have not ended; what
   * that activation still says is stale, and what is owed stays open. Clean-ups are passed over.
   */
  forceEnds(args: { runId: string; limitRows: number }): Promise<Forced>;
  /**
   * As `forceEnds`, whatever waits longer than `afterMs` for an activation or an external job to end, the longest first. A run that
   * goes on, and waits for a job whose time was over, waits for it no more.
   */
  forceOverdue(args: { afterMs: number; limitRows: number }): Promise<Forced>;
}
