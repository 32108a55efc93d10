import type { JobSubmission } from "@holdfast/protocol";

// What is to be done about an external job of which it is not certain that its service has it (P5). Calls that may start it are noted
// before they are made, so that whoever comes after a crash knows that there may have been one:
//
// S1  No call was noted: there is none.
// S2  Its service knows the token: it is called again, with the same one.
// S3  It can only be listed: what a listing shows is it. That it is not there is believed when nobody who may have called can still
//     send (`submissionWindowMs` after the call was noted, by when a call that was not sent is not sent any more), the service has had its
//     time to settle, and two listings a further settling apart show nothing.
// S4  Neither: nobody knows, and a person decides. Where that was decided beforehand, its successor is submitted when nobody who may have
//     called can still send, and the service has had its time to settle.
// S5  Its end is ordered: what surely was not started is not; what may have been is found, or started under its token, and cancelled.
// S6  One that is to be cancelled by its name, and is not there, may come yet: a call that was sent is carried out when its service gets to
//     it, whoever waits for the answer. It is looked for long (`arrivalMs`), and then it is lost; never is it said not to have begun.

/** Later than this after it was noted, no call that may start a job is sent. */
export const submissionWindowMs = 30_000;

/** So long after it was sent a call may still be carried out: by a queue, a proxy, a service that is slow. */
export const arrivalMs = 10 * 60_000;

/** What is known about the submission. Times are milliseconds from the moment until now. */
export interface OpenSubmission {
  readonly submission: JobSubmission;
  readonly settleMs: number;
  /** The end of the job is ordered. */
  readonly isOrdered: boolean;
  /** Its name was known beforehand. */
  readonly isNamed: boolean;
  /** Where nobody knows, a successor is submitted without asking. */
  readonly mayResubmit: boolean;
  /** Since the last call that may have started it was noted; null: there was none. */
  readonly sinceCallMs: number | null;
  /** Whether a listing was asked for since whoever asks now has it. */
  readonly isListed: boolean;
  /** Listings that could be believed and showed nothing, and since when. */
  readonly misses: number;
  readonly sinceMissMs: number;
}

/**
 * `find`: ask for a listing; `counts`: that it shows nothing can be believed. `cancel`: by its name. `doubt`: nobody can say whether it
 * began. `end`: it surely was not started, and need not be.
 */
export type SubmissionStep =
  | { readonly do: "submit" | "cancel" | "doubt" | "end" }
  | { readonly do: "find"; readonly counts: boolean }
  | { readonly do: "wait"; readonly ms: number };

const missesNeeded = 2;

export function submissionStep(open: OpenSubmission): SubmissionStep {
  const { submission, sinceCallMs, isOrdered } = open;
  // Whether its body has called, and whether one that was adopted is there, was never noted.
  if (submission === "own" || submission === "adopted") return { do: "doubt" };
  if (sinceCallMs === null) return { do: isOrdered ? "end" : "submit" };
  switch (submission) {
    case "token":
      return { do: isOrdered && open.isNamed ? "cancel" : "submit" };
    case "listed":
      return listedStep(open, sinceCallMs);
    case "blind": {
      const leftMs = submissionWindowMs + open.settleMs - sinceCallMs;
      return open.mayResubmit && !isOrdered && leftMs > 0 ? { do: "wait", ms: leftMs } : { do: "doubt" };
    }
  }
}

/** A job that is to be cancelled by its name is not there. `lost`: it is not waited for any longer (S6). */
export function missingVerdict({
  sinceCallMs,
  settleMs,
}: Pick<OpenSubmission, "sinceCallMs" | "settleMs">): "not_started" | "may_come" | "lost" {
  if (sinceCallMs === null) return "not_started";
  return sinceCallMs >= submissionWindowMs + arrivalMs + settleMs ? "lost" : "may_come";
}

function listedStep(open: OpenSubmission, sinceCallMs: number): SubmissionStep {
  const { settleMs, isListed, misses, sinceMissMs, isOrdered } = open;
  if (misses >= missesNeeded) return { do: isOrdered ? "end" : "submit" };
  const leftMs = Math.max(
    submissionWindowMs + settleMs - sinceCallMs,
    misses === 0 ? 0 : Math.max(settleMs, 1) - sinceMissMs,
  );
  if (leftMs <= 0) return { do: "find", counts: true };
  // What shows it may be asked for at any time.
  return isListed ? { do: "wait", ms: leftMs } : { do: "find", counts: false };
}
