import { z } from "zod";
import { type Json, jsonSchema } from "./json.ts";
import { limits } from "./limits.ts";

// What is said about external jobs between whoever watches over them and the tracker process. A service that users bring
// along answers the same JSON by HTTP.

/**
 * What a service lets a submitter promise (P5). `token`: the caller chooses the job's name, or sends a token that the service
 * knows again: said twice it is one job. `listed`: no token, but the job can be found in a listing afterwards. `blind`: neither.
 */
export const submissionClasses = ["token", "listed", "blind"] as const;
export type SubmissionClass = (typeof submissionClasses)[number];

/** Where an external job stands, for every service. `gone`: the service does not know it (any more); that is no success. */
export const jobPhases = ["queued", "running", "succeeded", "failed", "cancelled", "gone"] as const;
export type JobPhase = (typeof jobPhases)[number];

/** True for a phase that the service will not leave. `gone` is none of them: it wants to be seen more than once. */
export function isFinalPhase(phase: JobPhase): boolean {
  return phase === "succeeded" || phase === "failed" || phase === "cancelled";
}

const textSchema = z.string().max(limits.errorTextBytes);

export const jobLinkSchema = z.object({ label: z.string().max(100), url: z.string().max(4_000) });
/** A page about the job for people. */
export type JobLink = z.infer<typeof jobLinkSchema>;

export const jobProgressSchema = z.object({
  done: z.number(),
  total: z.number().optional(),
  text: z.string().max(1_000).optional(),
});
/** How far a job says that it is. */
export type JobProgress = z.infer<typeof jobProgressSchema>;

export const observationSchema = z.object({
  phase: z.enum(jobPhases),
  /** The service's own word for where the job stands. */
  rawStatus: z.string().max(200),
  /** Something about the answer that somebody should look at, such as a status that is not known. */
  warning: textSchema.optional(),
  /** What the service says about it: for a failure, why. */
  message: textSchema.optional(),
  /** The service's own code for the failure. */
  code: z.string().max(200).optional(),
  /** What somebody can do about the failure. */
  hint: textSchema.optional(),
  progress: jobProgressSchema.optional(),
  /** What a finished job is about: where its rows are, how many. Small. */
  result: jsonSchema.optional(),
  /** It has succeeded, and why its result, which the service has, cannot be kept: whoever waits for it gets this as an error. */
  unkept: textSchema.optional(),
  links: z.array(jobLinkSchema).max(20).optional(),
  /** Milliseconds since 1970, by the service's clock. */
  startedAt: z.number().optional(),
  endedAt: z.number().optional(),
  /** The service asks not to be asked again before that many milliseconds. */
  nextPollMs: z.number().nonnegative().optional(),
});
/** One look at a job. */
export type Observation = z.infer<typeof observationSchema>;

export const trackingFaults = ["transient", "auth", "permanent"] as const;
/**
 * `transient`: the network, a busy or broken service, an answer that makes no sense: ask again later. `auth`: the credentials were
 * refused, also new ones: ask again later, somebody may have to mend them. `permanent`: asked again, the answer is the same.
 */
export type TrackingFault = (typeof trackingFaults)[number];

export const trackingFailureSchema = z.object({
  fault: z.enum(trackingFaults),
  /** The service's own code where there is one (`notFound`), else ours (`timeout`). */
  code: z.string().max(200),
  message: textSchema,
  hint: textSchema.optional(),
  retryAfterMs: z.number().nonnegative().optional(),
  /** The service may have done what it was asked: only set for what changes something. Absent: it surely has not. */
  undecided: z.boolean().optional(),
});
export type TrackingFailure = z.infer<typeof trackingFailureSchema>;

export const trackedJobSchema = z.object({
  /** Names the job in its service, and is all that is needed to ask for it, beside the connection. */
  ref: jsonSchema,
  /** The same for people, in one line. */
  externalId: z.string().max(2_000),
  links: z.array(jobLinkSchema).max(20),
  /** Jobs of the same group are best polled together; jobs of different ones would only wait for each other. */
  group: z.string().max(2_000),
});
/** A job that is known to its service, or will be under that very name. */
export type TrackedJob = z.infer<typeof trackedJobSchema>;

export const preparedJobSchema = z.object({
  submission: z.enum(submissionClasses),
  /** What is to be submitted, with all that the connection adds: keep it, so that a changed connection changes no name. */
  spec: jsonSchema,
  /** The job's name where the caller chooses it: it can be looked for whatever became of the submission. */
  job: trackedJobSchema.nullable(),
  /** For class `listed`: how long after a submission a listing shows it at the latest. */
  settleMs: z.number().nonnegative(),
});
/** What has to be recorded before a service is called. */
export type PreparedJob = z.infer<typeof preparedJobSchema>;

export const pollResultSchema = z.union([
  z.object({ observation: observationSchema }),
  z.object({ failure: trackingFailureSchema }),
]);
/** What a poll found about one of its jobs. */
export type PollResult = z.infer<typeof pollResultSchema>;

export const cancelAnswers = ["accepted", "already_ended", "not_found", "unsupported"] as const;
/**
 * `accepted`: go on watching, the end comes by a poll (where the service removes what it cancels, as `gone`). `not_found`: there is no
 * such job, now; a submission under way may still make it. `unsupported`: the service cannot end such a job.
 */
export type CancelAnswer = (typeof cancelAnswers)[number];

/** Which service, by which of the configured connections; null: the one of the service's name, or what the place offers. */
export interface JobAddress {
  readonly service: string;
  readonly connection: string | null;
}

/** Whoever is told about jobs as they change, until `close`. */
export interface JobWatch {
  /** From now on; a second time changes nothing. */
  add(refs: readonly Json[]): void;
  remove(refs: readonly Json[]): void;
  close(): void;
}

/**
 * What the control plane asks of services outside. Every method rejects with TrackingError and with nothing else. None repeats by
 * itself what failed, but a call whose credentials had run out.
 */
export interface Tracking {
  /** Checks what is to be submitted, without calling the service. */
  prepare(asked: JobAddress & { readonly spec: Json; readonly token: string }): Promise<PreparedJob>;
  /** Checks the name of a job that somebody else has started, Ork's forms included, without calling the service. */
  adopt(asked: JobAddress & { readonly ref: Json }): Promise<TrackedJob>;
  /**
   * Starts a prepared job, or finds that this very token has started it already. `notAfterMs`, by the caller's monotonic clock: later
   * the service is not called any more, and the failure (`too_late`) is decided.
   */
  submit(
    asked: JobAddress & { readonly spec: Json; readonly token: string; readonly notAfterMs?: number },
  ): Promise<TrackedJob>;
  /** Looks for what this token has started; null: a listing does not show it. */
  find(asked: JobAddress & { readonly spec: Json; readonly token: string }): Promise<TrackedJob | null>;
  /** One result for each ref, in their order. */
  poll(asked: JobAddress & { readonly refs: readonly Json[] }): Promise<readonly PollResult[]>;
  cancel(asked: JobAddress & { readonly ref: Json }): Promise<CancelAnswer>;
  /**
   * Hears of jobs sooner than a poll would, where the service pushes or answers late. Only a help: what it misses, polls find.
   * `onWatched` says whether a ref is being watched at present, so that it need be polled only seldom.
   */
  watch(
    asked: JobAddress & {
      readonly onObservation: (ref: Json, observation: Observation) => void;
      readonly onWatched: (ref: Json, watched: boolean) => void;
    },
  ): JobWatch;
  /** Ends what it has started. */
  close(): Promise<void>;
}

const trackingErrorMark = Symbol.for("holdfast.TrackingError");

/** Why a service did not do what it was asked. Recognised across copies of this package by `isTrackingError`. */
export class TrackingError extends Error {
  override readonly name = "TrackingError";
  readonly failure: TrackingFailure;

  constructor(failure: TrackingFailure, options: { readonly cause?: unknown } = {}) {
    super(failure.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.failure = failure;
    Object.defineProperty(this, trackingErrorMark, { value: true });
  }
}

export function isTrackingError(error: unknown): error is TrackingError {
  return typeof error === "object" && error !== null && trackingErrorMark in error;
}
