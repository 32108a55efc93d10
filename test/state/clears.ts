// Every way to let a run start again, or to say how it ended × every status × whether an external job of it is open: one answer each, the
// same over HTTP and from the command line (clears.test.ts).

export const paths = [
  "retry",
  "retry --from-failed",
  "clear",
  "clear --resume",
  "bulk retry",
  "bulk clear",
  "bulk clear --resume",
  "mark succeeded",
  "mark failed",
  "skip",
] as const;
export type Path = (typeof paths)[number];

export const statuses = [
  "pending",
  "ready",
  "running",
  "waiting",
  "cancelling",
  "succeeded",
  "failed",
  "cancelled",
  "skipped",
] as const;
export type Status = (typeof statuses)[number];

/** Where a run's job stands: there is none; it is open, which after the end of its run means that it is still being ended. */
export const jobs = ["no job", "an open job"] as const;
export type Job = (typeof jobs)[number];

/** What comes of it, as a person would say it. */
export type Answer =
  /** It starts again in a new generation: neither steps nor state of before are there. */
  | "afresh"
  /** The same, once what it had under way has ended. */
  | "ended first, then afresh"
  /** The same, once its job is acknowledged to have ended. */
  | "job ended first, then afresh"
  /** It starts again with its steps and state. */
  | "resumed"
  /** The same, and its job is the one that it had. */
  | "resumed with its job"
  /** The same, once its job is acknowledged to have ended. */
  | "job ended first, then resumed"
  /** Nothing has changed, and the answer says so. */
  | "as it is"
  /** It has ended so; nobody waits for its job, whose end is owed. */
  | "ended"
  | "ended, the job is owed"
  /** Refused, with this code. */
  | "run_live"
  | "run_ended"
  | "not_found"
  /** There is no such run. */
  | "cannot be";

type Row = Readonly<Record<Status, readonly [withoutJob: Answer, withJob: Answer]>>;

const never = "cannot be";
const live: Row = {
  pending: ["run_live", never],
  ready: ["run_live", "run_live"],
  running: ["run_live", "run_live"],
  waiting: ["run_live", "run_live"],
  cancelling: ["run_live", "run_live"],
  succeeded: ["run_ended", "run_ended"],
  failed: ["resumed", "job ended first, then resumed"],
  cancelled: ["resumed", "job ended first, then resumed"],
  skipped: ["resumed", "job ended first, then resumed"],
};
const clear: Row = {
  pending: ["as it is", never],
  ready: ["afresh", "job ended first, then afresh"],
  running: ["ended first, then afresh", "ended first, then afresh"],
  waiting: ["afresh", "job ended first, then afresh"],
  cancelling: ["run_live", "run_live"],
  succeeded: ["afresh", "job ended first, then afresh"],
  failed: ["afresh", "job ended first, then afresh"],
  cancelled: ["afresh", "job ended first, then afresh"],
  skipped: ["afresh", "job ended first, then afresh"],
};
const resume: Row = {
  pending: ["as it is", never],
  ready: ["resumed", "resumed with its job"],
  running: ["run_live", "run_live"],
  waiting: ["resumed", "resumed with its job"],
  cancelling: ["run_live", "run_live"],
  succeeded: ["resumed", "job ended first, then resumed"],
  failed: ["resumed", "job ended first, then resumed"],
  cancelled: ["resumed", "job ended first, then resumed"],
  skipped: ["resumed", "job ended first, then resumed"],
};
/** What has failed of itself in a tree: what has not, or was skipped, is not found. */
const fromFailed: Row = {
  pending: ["not_found", never],
  ready: ["not_found", "not_found"],
  running: ["not_found", "not_found"],
  waiting: ["not_found", "not_found"],
  cancelling: ["not_found", "not_found"],
  succeeded: ["not_found", "not_found"],
  failed: ["resumed", "job ended first, then resumed"],
  cancelled: ["resumed", "job ended first, then resumed"],
  skipped: ["not_found", "not_found"],
};
/** Of many, one that has nothing to be tried again is no mistake. */
const bulkRetry: Row = { ...live, succeeded: ["as it is", "as it is"] };

const marked = (as: Status): Row => ({
  pending: ["ended", never],
  ready: ["ended", "ended, the job is owed"],
  running: ["ended", "ended, the job is owed"],
  waiting: ["ended", "ended, the job is owed"],
  cancelling: ["run_live", "run_live"],
  succeeded: ["ended", "ended, the job is owed"],
  failed: ["ended", "ended, the job is owed"],
  cancelled: ["ended", "ended, the job is owed"],
  skipped: ["ended", "ended, the job is owed"],
  [as]: ["as it is", "as it is"],
});

export const clears: Readonly<Record<Path, Row>> = {
  retry: live,
  "retry --from-failed": fromFailed,
  clear,
  "clear --resume": resume,
  "bulk retry": bulkRetry,
  "bulk clear": clear,
  "bulk clear --resume": resume,
  "mark succeeded": marked("succeeded"),
  "mark failed": marked("failed"),
  skip: marked("skipped"),
};
