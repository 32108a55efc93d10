import { limits, type TrackedJob, type TrackingFailure } from "@holdfast/protocol";
import {
  type JobRow,
  type OpenSubmission,
  type SubmissionStep,
  submissionStep,
  submissionWindowMs,
  verdictOnListing,
  verdictOnSubmission,
} from "../../core/index.ts";
import { type Acted, type DeskContext, failureIn, outcomeOf } from "./desk-context.ts";
import { type HeldJob, lineOf, refTextOf, type Submitting } from "./held-job.ts";
import type { JobEnder } from "./job-ender.ts";
import { backOffMs } from "./pace.ts";
import { errorOf } from "./teller.ts";

/** After it is known to be there, a job is looked at first: it may be a quick one. */
const firstLookMs = 300;
/** While the lease is at risk nothing is started. */
const atRiskMs = 500;

/**
 * Brings jobs about (P5; core/submissions.ts says what is to be done when). Before each call that may start one it is noted that there
 * will be one; what the service answers is said to the store before anything else is done about the job.
 */
export class Submitter {
  readonly #context: DeskContext;
  readonly #ender: JobEnder;

  constructor(context: DeskContext, ender: JobEnder) {
    this.#context = context;
    this.#ender = ender;
  }

  async act(job: HeldJob, submitting: Submitting): Promise<Acted> {
    const step = submissionStep(openSubmission(job, submitting, this.#context.clock.monotonicMs()));
    switch (step.do) {
      case "submit":
        return await this.#submit(job, submitting);
      case "find":
        return await this.#find(job, submitting, step);
      case "cancel":
        return await this.#ender.act(job);
      case "wait":
        return { nextInMs: step.ms };
      case "doubt":
        return await this.#doubt(job, submitting);
      case "end":
        return await this.#end(job);
    }
  }

  /** Tells of a job that is there. */
  async sayThere(job: HeldJob): Promise<Acted> {
    const { unsaid } = job;
    if (unsaid === null) return { nextInMs: 0 };
    const said = await this.#context.say(job, unsaid);
    if (said === "over") return { nextInMs: 0 };
    job.unsaid = null;
    job.notedMs = this.#context.clock.monotonicMs();
    job.desk.watch(job);
    return { nextInMs: job.isOrdered ? 0 : firstLookMs };
  }

  async #submit(job: HeldJob, submitting: Submitting): Promise<Acted> {
    const { clock, tracking, address, say } = this.#context;
    const begunMs = clock.monotonicMs();
    const memberId = this.#context.memberId();
    if (memberId === undefined) return { nextInMs: atRiskMs };
    // Listings have shown that an earlier call started nothing; of one to a service that knows the token that is not known.
    const earlierMs = submitting.row.submission === "token" ? submitting.calledMs : null;
    // One that is to end is called for again only where the call that was noted is found by its token.
    if (!job.isOrdered) {
      const said = await say(job, { is: "calling", memberId });
      if (said !== "noted") return { nextInMs: 0 };
      Object.assign(submitting, { calledMs: begunMs, isListed: false, misses: 0 });
    }
    const { spec, token } = submitting.row;
    let there: TrackedJob;
    try {
      there = await tracking.submit({ ...address, spec, token, notAfterMs: begunMs + submissionWindowMs });
    } catch (error) {
      const failure = failureIn(error);
      if (failure.undecided !== true) submitting.calledMs = earlierMs;
      const acted = await this.#failed(job, submitting, { failure, isEarlier: earlierMs !== null });
      return { ...acted, outcome: outcomeOf(failure) };
    }
    return await this.#found(job, there);
  }

  /** From here on nothing else happens to the job until the store knows its name. */
  async #found(job: HeldJob, there: TrackedJob): Promise<Acted> {
    const { ref, group, externalId } = there;
    Object.assign(job, {
      refText: refTextOf(ref),
      group,
      line: lineOf(externalId),
      submitting: null,
      tries: 0,
      errorCode: null,
    });
    job.unsaid = { is: "submitted", job: there };
    return { ...(await this.sayThere(job)), outcome: { reached: true } };
  }

  async #failed(
    job: HeldJob,
    submitting: Submitting,
    { failure, isEarlier }: { readonly failure: TrackingFailure; readonly isEarlier: boolean },
  ): Promise<Acted> {
    const { submission } = submitting.row;
    const { fault, undecided: isUndecided = false } = failure;
    const refusedForMs = this.#refusedForMs(submitting, failure);
    switch (verdictOnSubmission({ submission, fault, isUndecided, isEarlier, refusedForMs })) {
      case "doubt":
        return await this.#doubt(job, submitting, failure);
      case "refused":
        await this.#context.say(job, { is: "ended", status: "failed", error: errorOf(failure) });
        return { nextInMs: 0 };
      case "again":
        // It was not this call that its service kept from being made.
        if (failure.code === "too_late" && !isUndecided) return { nextInMs: 0 };
        return await this.#again(job, submitting, failure);
    }
  }

  #refusedForMs(submitting: Submitting, { fault }: TrackingFailure): number {
    if (fault !== "permanent") return 0;
    const nowMs = this.#context.clock.monotonicMs();
    submitting.refusedMs ??= nowMs;
    return nowMs - submitting.refusedMs;
  }

  async #find(
    job: HeldJob,
    submitting: Submitting,
    { counts }: Extract<SubmissionStep, { do: "find" }>,
  ): Promise<Acted> {
    const { tracking, address, clock } = this.#context;
    const { spec, token } = submitting.row;
    let there: TrackedJob | null;
    try {
      there = await tracking.find({ ...address, spec, token });
    } catch (error) {
      const failure = failureIn(error);
      const refusedForMs = this.#refusedForMs(submitting, failure);
      const isInDoubt = verdictOnListing({ fault: failure.fault, refusedForMs }) === "doubt";
      const acted = isInDoubt ? this.#doubt(job, submitting, failure) : this.#again(job, submitting, failure);
      return { ...(await acted), outcome: outcomeOf(failure) };
    }
    if (there !== null) return await this.#found(job, there);
    submitting.isListed = true;
    if (counts) Object.assign(submitting, { misses: submitting.misses + 1, missedMs: clock.monotonicMs() });
    return { nextInMs: 0, outcome: { reached: true } };
  }

  /** It is tried again later. Whether the call may have started something stands with the job. */
  async #again(job: HeldJob, { calledMs }: Submitting, failure: TrackingFailure): Promise<Acted> {
    const { say, random } = this.#context;
    job.tries += 1;
    const nextInMs = backOffMs(job.tries, failure, random);
    const doubt = calledMs === null ? {} : ({ undecided: true } as const);
    await say(job, { is: "tried", error: errorOf(failure), nextLookInMs: nextInMs, ...doubt });
    return { nextInMs };
  }

  /** Nobody can say whether it began. */
  async #doubt(job: HeldJob, { row }: Submitting, failure?: TrackingFailure): Promise<Acted> {
    const { say, successorOf } = this.#context;
    const said = failure === undefined ? "" : ` ${failure.message}`;
    const error = {
      code: "submission_unknown",
      message: `It may have been started, or not: nobody can ask ${row.service} for it.${said}`,
      hint: `Look whether it runs there, then: holdfast external-jobs resolve ${row.id} …`,
    };
    if (!job.isOrdered && mayResubmit(row)) {
      const next = await successorOf(row);
      await say(job, { is: "replaced", error, next });
    } else await say(job, { is: "unknown", error });
    return { nextInMs: 0 };
  }

  async #end(job: HeldJob): Promise<Acted> {
    await this.#context.say(job, {
      is: "ended",
      status: "cancelled",
      error: { code: "not_started", message: "It was not started." },
    });
    return { nextInMs: 0 };
  }
}

/** Of a service that knows tokens, or lists, there is never a second job by a decision beforehand (P5). */
function mayResubmit({ submission, onUnknown, number }: JobRow): boolean {
  return submission === "blind" && onUnknown === "resubmit" && number < limits.submissionsPerKey;
}

function openSubmission(
  job: HeldJob,
  { row, calledMs, isListed, misses, missedMs }: Submitting,
  nowMs: number,
): OpenSubmission {
  return {
    submission: row.submission,
    settleMs: row.settleMs,
    isOrdered: job.isOrdered,
    isNamed: job.refText !== null,
    mayResubmit: mayResubmit(row),
    sinceCallMs: calledMs === null ? null : nowMs - calledMs,
    ...{ isListed, misses, sinceMissMs: nowMs - missedMs },
  };
}
