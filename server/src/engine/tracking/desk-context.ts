import { isTrackingError, type JobAddress, type Tracking, type TrackingFailure } from "@holdfast/protocol";
import type { Clock } from "../../clock.ts";
import type { JobNews, JobRow, NewJob } from "../../core/index.ts";
import type { Random } from "../../random.ts";
import type { HeldJob } from "./held-job.ts";
import type { CallOutcome } from "./lane.ts";

/** What became of what was said: it stands; the end of the job is ordered, and it was refused for that; or the job is nobody's here any more. */
export type Said = "noted" | "ordered" | "over";

/** What acts about jobs of one connection are done with. */
export interface DeskContext {
  readonly address: JobAddress;
  readonly tracking: Tracking;
  readonly clock: Clock;
  readonly random: Random;
  /** In whose name it is called; undefined: the lease is at risk, and nothing is to be started. */
  readonly memberId: () => string | undefined;
  /** Tells the store of a job. Rejects when that does not answer. */
  readonly say: (job: HeldJob, news: JobNews) => Promise<Said>;
  /** What is submitted in place of a job of which nobody knows whether it began. Rejects with TrackingError. */
  readonly successorOf: (row: JobRow) => Promise<NewJob>;
}

/** What an act came to. `nextInMs`: until something is to be done about the job again; it is not looked at where the job is over. */
export interface Acted {
  readonly nextInMs: number;
  /** Absent: it tells nothing about the service. */
  readonly outcome?: CallOutcome;
}

/** Any failure of a call. What is no TrackingError is a mistake of ours, and says nothing about the service. */
export function failureIn(error: unknown): TrackingFailure {
  if (isTrackingError(error)) return error.failure;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { fault: "transient", code: "tracker_fault", message: message.slice(0, 2_000), undecided: true };
}

/** What a failed call tells of its service: one that refuses something has answered. */
export function outcomeOf({ fault, retryAfterMs }: TrackingFailure): CallOutcome {
  return { reached: fault === "permanent", waitMs: retryAfterMs };
}
