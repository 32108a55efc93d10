import type { JobSubmission, TrackingFault } from "@holdfast/protocol";

// What follows for an external job from what became of a call to its service (P5, P6). Trackers, and whoever tracks a job, decide by these
// tables and by nothing else.
//
// V1  A call that changes something may have done so from the moment on when its first bytes may have left. Only the service's own answer
//     to that very request takes this back, and only by a status that says that the request was refused: not what a redirect led to,
//     not what came instead of an answer, not an answer that cannot be read.
// V2  That one call was refused says nothing about an earlier one under the same token.
// V3  A look that fails says nothing about the job. One that is refused for good may be refused by a proxy, a quota or an expired grant:
//     it is repeated for a while, and then the job's end is ordered before it is given up.

/** So long is repeated what is refused for good, where a job may run behind the refusal. */
export const refusalMs = 10 * 60_000;

/**
 * How a call ended. `unsent`: not one byte has left. `unanswered`: some may have, and no answer came. A number: the status of the first
 * answer, which is that to the very request; what redirects led to does not count.
 */
export type CallEnd = "unsent" | "unanswered" | number;

/**
 * Statuses by which a service says that it has not done what it was asked. Not among them: 406 and 408, for what was done may be answered
 * in no way that is asked for, or not in time; 5xx; and numbers that no standard knows.
 */
const refusals: ReadonlySet<number> = new Set([
  ...[400, 401, 402, 403, 404, 405, 407, 409, 410, 411, 412, 413, 414, 415, 416, 417],
  ...[421, 422, 423, 424, 425, 426, 428, 429, 431, 451],
]);

/** Whether a call that changes something may have done so (V1). */
export function mayHaveHappened(end: CallEnd): boolean {
  return end === "unanswered" || (typeof end === "number" && !refusals.has(end));
}

/** A call about a submission that failed. */
export interface FailedSubmission {
  readonly submission: JobSubmission;
  readonly fault: TrackingFault;
  /** This call may have started the job. */
  readonly isUndecided: boolean;
  /** An earlier one may have. */
  readonly isEarlier: boolean;
  /** Since the first of the calls in a row that were refused for good. */
  readonly refusedForMs: number;
}

/** `again`: as core/submissions.ts says. `doubt`: nobody can say whether it began. `refused`: it surely did not, and never will. */
export type SubmissionVerdict = "again" | "doubt" | "refused";

export function verdictOnSubmission(failed: FailedSubmission): SubmissionVerdict {
  const { submission, fault, refusedForMs } = failed;
  const mayRun = failed.isUndecided || failed.isEarlier;
  if (!mayRun) return fault === "permanent" ? "refused" : "again";
  switch (submission) {
    case "token":
      // Called again under its token it is still one job, and the answer may be another.
      return fault === "permanent" && refusedForMs >= refusalMs ? "doubt" : "again";
    case "listed":
      return "again";
    case "blind":
    case "own":
    case "adopted":
      return "doubt";
  }
}

/** What follows from a listing that was not to be had: nobody can look whether it began. */
export function verdictOnListing({
  fault,
  refusedForMs,
}: Pick<FailedSubmission, "fault" | "refusedForMs">): Exclude<SubmissionVerdict, "refused"> {
  return fault === "permanent" && refusedForMs >= refusalMs ? "doubt" : "again";
}

/** A look that failed, at a job that is there. */
export interface FailedLook {
  readonly fault: TrackingFault;
  readonly refusedForMs: number;
  /** The job's end is ordered. */
  readonly isOrdered: boolean;
  /** Its service has taken the order. */
  readonly isTaken: boolean;
}

/** `give_up`: nobody will see its end; it is to be ended at its service first, as far as that can be (V3). */
export type LookVerdict = "again" | "give_up";

export function verdictOnLook({ fault, refusedForMs, isOrdered, isTaken }: FailedLook): LookVerdict {
  if (fault !== "permanent" || refusedForMs < refusalMs) return "again";
  // A cancel is tried until it is acknowledged (P6), whatever can be seen meanwhile.
  return isOrdered && !isTaken ? "again" : "give_up";
}
