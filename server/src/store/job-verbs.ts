import type { JobStatus } from "@holdfast/protocol";
import type { JobNote, JobNoteResult, JobRow } from "../core/index.ts";

// The part of the store that keeps external jobs (core/jobs.ts has the rules). `openWaits` opens them, and the verbs that change
// runs order their end; here they are handed to those who track them, and what these say is written down.

/** Which jobs are listed. */
export interface JobFilter {
  readonly namespace: string;
  readonly runId?: string;
  /** With `runId`: those under one key. */
  readonly key?: string;
  readonly statuses?: readonly JobStatus[];
  readonly service?: string;
  /** Rows that come after this place. */
  readonly cursor?: string;
  readonly limitRows: number;
}

export interface JobVerbs {
  /**
   * Hands a member jobs that have not ended and that nobody tracks, the oldest first, and raises their epochs. None that is `unknown`,
   * and of those that bodies start by themselves none that is `submitting`; nor, as long as an activation of its run is at work, one
   * that is to end and has no name yet. `member_gone` as for `claimRuns`. Never waits for a row that somebody else holds.
   */
  claimJobs(args: { memberId: string; namespace: string; limitRows: number }): Promise<JobRow[]>;
  /**
   * What a member tracks, in the order of ids, from after the id `after`, without names (`ref`), specs and results. `orderedOnly`: what is
   * `cancelling`.
   */
  listTracked(args: { memberId: string; orderedOnly: boolean; after?: string; limitRows: number }): Promise<JobRow[]>;
  /**
   * Writes down what is said of jobs, with all that follows from it in one commit (P3): the end of a job ends its run's wait for it.
   * Hot: merged by `mergeCalls`. Said twice it is done once, but that `calling` and `tried` count each time, what is to end tells of
   * its name each time, and a job that has ended answers `stale`.
   */
  noteJobs(args: { rows: readonly JobNote[] }): Promise<JobNoteResult[]>;
  /** Newest first, without names (`ref`), specs and results. */
  listJobs(args: JobFilter): Promise<{ jobs: JobRow[]; cursor: string | null }>;
  findJob(args: { id: string }): Promise<JobRow | undefined>;
}
