import type {
  CancelAnswer,
  EndedJobStatus,
  JobLink,
  JobProgress,
  JobStatus,
  JobSubmission,
  Json,
  RunError,
  TrackedJob,
  UnknownAnswer,
} from "@holdfast/protocol";
import type { RunRow } from "./run.ts";
import type { WaitName } from "./wait-name.ts";

// What stores keep of external jobs, and what they are asked and answer about them (core/jobs.ts decides).

/** What is settled about a job before its service is called. */
export interface NewJob {
  /** Follows from run, generation, key and number: `jobIdentity`. */
  readonly id: string;
  /** 1 for the first under its key in a generation; each further submission has the next one. */
  readonly number: number;
  /** What the service is told, so that it knows the submission again: `jobTokenIdentity`. */
  readonly token: string;
  readonly service: string;
  readonly connection: string | null;
  readonly submission: JobSubmission;
  /** As it was prepared; null where nobody but the body knows it. */
  readonly spec: Json;
  /** Its name, where it is known beforehand, or for `adopted`. */
  readonly job: TrackedJob | null;
  /** For `listed`: how long after a call a listing shows it at the latest. */
  readonly settleMs: number;
  readonly onUnknown: UnknownAnswer;
  /** Of the secret in its one-time address; null: it has none. */
  readonly callbackHash: string | null;
}

/** A job as the store keeps it. Times are milliseconds on the store's clock, those of a service left as they are. */
export interface JobRow extends WaitName {
  readonly id: string;
  readonly rootId: string;
  readonly namespace: string;
  readonly number: number;
  readonly service: string;
  readonly connection: string | null;
  readonly submission: JobSubmission;
  readonly spec: Json;
  readonly token: string;
  readonly settleMs: number;
  readonly onUnknown: UnknownAnswer;
  readonly callbackHash: string | null;
  readonly status: JobStatus;
  /** Its name in its service, known or chosen beforehand: whether it is there, `status` says. */
  readonly ref: Json;
  readonly externalId: string | null;
  readonly links: readonly JobLink[];
  readonly group: string | null;
  readonly rawStatus: string | null;
  readonly progress: JobProgress | null;
  readonly warning: string | null;
  /** Why the last look failed, why it is `unknown`, or why it ended so. */
  readonly error: RunError | null;
  readonly result: Json;
  /** Who tracks it; null: nobody. */
  readonly memberId: string | null;
  /** Rises at each claim and whenever it is given back; fences what trackers say (P2). */
  readonly epoch: number;
  /** Calls that may have started it, noted before each; the last one's moment and caller. */
  readonly calls: number;
  readonly calledAt: number | null;
  readonly calledBy: string | null;
  readonly lookedAt: number | null;
  readonly nextLookAt: number | null;
  /** Failed looks in a row. */
  readonly tries: number;
  /** Events that told how it goes on. */
  readonly told: number;
  /** Why it is to end; null: nobody has ordered it. */
  readonly reason: string | null;
  /** Its own time was over: that ordered its end. */
  readonly timedOut: boolean;
  readonly cancelAskedAt: number | null;
  readonly cancelAnswer: CancelAnswer | null;
  readonly openedAt: number;
  /** By its service, where that says so. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

/**
 * What somebody says of a job. `calling`: a call that may start it is about to be made. `submitted`: it is there, under this name.
 * `observed`: a look. `tried`: a look, or a call that surely started nothing (`undecided`: or may have), failed. `cancel_asked`: what its service answered to that.
 * `unknown`: nobody can say whether it began. `replaced`: it is given up as unknown, and submitted once more.
 */
export type JobNews =
  | { readonly is: "calling"; readonly memberId: string }
  | { readonly is: "submitted"; readonly job: TrackedJob }
  | {
      readonly is: "observed";
      readonly rawStatus: string;
      readonly progress?: JobProgress | null;
      readonly warning?: string | null;
      readonly links?: readonly JobLink[];
      readonly startedAt?: number | null;
      readonly nextLookInMs: number;
    }
  | { readonly is: "tried"; readonly error: RunError; readonly nextLookInMs: number; readonly undecided?: true }
  | { readonly is: "cancel_asked"; readonly answer: CancelAnswer; readonly nextLookInMs: number }
  | {
      readonly is: "ended";
      readonly status: EndedJobStatus;
      readonly rawStatus?: string;
      readonly result?: Json;
      /** Of one that succeeded: why its result is not kept. */
      readonly error?: RunError | null;
      readonly warning?: string | null;
    }
  | { readonly is: "unknown"; readonly error: RunError }
  | { readonly is: "replaced"; readonly error: RunError; readonly next: NewJob };

/**
 * `epoch`: of the claim, or as it was read, which must be the row's still. `activation`: said by a body, whose activation of this
 * epoch must be its run's last. `callbackHash`: said by whoever knows the job's one-time address, which only ends it.
 */
export type JobSpeaker = { readonly epoch: number; readonly activation?: number } | { readonly callbackHash: string };

export interface JobNote {
  readonly jobId: string;
  readonly by: JobSpeaker;
  readonly news: JobNews;
}

/**
 * `noted`: it stands so from now on, `cancelling` where its end is ordered. `cancelling`: nothing was changed, for what is to end is
 * neither started nor replaced. `stale`: it had ended, or others speak for it, or what is said does not fit where it stands.
 * `ended`: runs that the whole call ended, with the first result that is noted.
 */
export type JobNoteResult =
  | { readonly outcome: "noted"; readonly status: JobStatus; readonly ended?: readonly RunRow[] }
  | { readonly outcome: "cancelling"; readonly reason: string | null }
  | { readonly outcome: "stale"; readonly status: JobStatus }
  | { readonly outcome: "not_found" };

/** The end of jobs that are open is ordered: of one, or of all of a run. */
export interface JobOrder {
  readonly runId: string;
  readonly rootId: string;
  readonly namespace: string;
  /** Null: all that are open. */
  readonly jobId: string | null;
  readonly reason: string;
  readonly timedOut: boolean;
  /** Nobody waits for their end. */
  readonly forced: boolean;
}

/** What a ledger asks a store to write of jobs, in this order. */
export interface JobChanges {
  readonly opened: readonly JobRow[];
  readonly updated: readonly JobRow[];
  readonly ordered: readonly JobOrder[];
}

/** What a store has found for a ledger, under the locks of the runs. */
export interface JobLoad {
  readonly jobs?: readonly JobRow[];
  /** The highest number under each key that a new job is opened for; absent: none. */
  readonly numbers?: readonly (WaitName & { readonly number: number })[];
}

export function noJobChanges(): JobChanges {
  return { opened: [], updated: [], ordered: [] };
}

/** True where there is nothing to be written. */
export function isWithoutJobs({ opened, updated, ordered }: JobChanges): boolean {
  return opened.length + updated.length + ordered.length === 0;
}

/** Whether a member may claim a job that nobody tracks. One that its body starts is the body's, until it has a name or is to end. */
export function isTrackable({ status, submission, memberId, endedAt }: JobRow): boolean {
  if (memberId !== null || endedAt !== null || status === "unknown") return false;
  return status !== "submitting" || submission !== "own";
}

/** A job's row at the moment it is opened. */
export function openingJob(
  { job, ...made }: NewJob,
  { runId, generation, key }: WaitName,
  { rootId, namespace, now }: Pick<RunRow, "rootId" | "namespace"> & { readonly now: number },
): JobRow {
  return {
    ...made,
    ...{ runId, generation, key, rootId, namespace },
    status: made.submission === "adopted" ? "running" : "submitting",
    ref: job?.ref ?? null,
    externalId: job?.externalId ?? null,
    links: job?.links ?? [],
    group: job?.group ?? null,
    ...{ rawStatus: null, progress: null, warning: null, error: null, result: null },
    ...{ memberId: null, epoch: 0, calls: 0, calledAt: null, calledBy: null },
    ...{ lookedAt: null, nextLookAt: null, tries: 0, told: 0 },
    ...{ reason: null, timedOut: false, cancelAskedAt: null, cancelAnswer: null },
    ...{ openedAt: now, startedAt: null, endedAt: null },
  };
}

/** As it is once its end is ordered. One that has ended stays as it is. */
export function orderedJob(job: JobRow, { reason, timedOut }: Pick<JobOrder, "reason" | "timedOut">): JobRow {
  if (job.endedAt !== null) return job;
  const first = job.status !== "cancelling";
  return {
    ...job,
    status: "cancelling",
    reason: first ? reason : job.reason,
    timedOut: job.timedOut || (first && timedOut),
  };
}
