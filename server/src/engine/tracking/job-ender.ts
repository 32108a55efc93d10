import type { CancelAnswer, RunError, TrackingFailure } from "@holdfast/protocol";
import { missingVerdict } from "../../core/index.ts";
import { type Acted, type DeskContext, failureIn, outcomeOf } from "./desk-context.ts";
import { type HeldJob, refOf } from "./held-job.ts";
import { backOffMs } from "./pace.ts";
import { errorOf } from "./teller.ts";

/** After an order was taken, the job is looked at so soon. */
const soonMs = 500;
/** One that should be there by its name and is not is asked for again after so long. */
const mayComeMs = 5_000;
/** A service that took an order and has not ended the job after so long is told again. */
const repeatMs = 300_000;

const notStarted = { code: "not_started", message: "It was not started." };
const mayComeYet = {
  code: "submission_unknown",
  message: "A call that may start it was made, and its service does not know it: should it begin yet, nobody ends it.",
};

/** Ends jobs whose end is ordered. Nothing but their end, or a service that ends none, ends the tries (P6). */
export class JobEnder {
  readonly #context: DeskContext;

  constructor(context: DeskContext) {
    this.#context = context;
  }

  async act(job: HeldJob): Promise<Acted> {
    const { tracking, address } = this.#context;
    let answer: CancelAnswer;
    try {
      answer = await tracking.cancel({ ...address, ref: refOf(job) });
    } catch (error) {
      return await this.#failed(job, failureIn(error));
    }
    job.cancelTries = 0;
    return { nextInMs: await this.#answered(job, answer), outcome: { reached: true } };
  }

  /**
   * One whose end nobody will see is ended at its service before it is given up: what a retry starts is not to run beside it. Where that
   * cannot be tried at present, it is looked at again.
   */
  async giveUp(job: HeldJob, why: RunError): Promise<Acted> {
    const { tracking, address, random, say } = this.#context;
    job.givenUp = null;
    let isTaken = job.cancelledMs !== null;
    let said = "";
    try {
      if (!isTaken) isTaken = /^(accepted|already_ended)$/.test(await tracking.cancel({ ...address, ref: refOf(job) }));
    } catch (error) {
      const failure = failureIn(error);
      job.tries += 1;
      if (failure.fault !== "permanent") {
        return { nextInMs: backOffMs(job.tries, failure, random), outcome: outcomeOf(failure) };
      }
      said = ` ${failure.message}`;
    }
    const end = isTaken ? "It was told to end." : `It could not be told to end: it may go on.${said}`;
    const message = `Nobody can look at it any more: ${why.message} ${end}`;
    await say(job, { is: "ended", status: isTaken ? "failed" : "lost", error: { ...why, message } });
    return { nextInMs: 0, outcome: { reached: true } };
  }

  /** It is looked at before it is told again: its end may come by itself. */
  async #failed(job: HeldJob, failure: TrackingFailure): Promise<Acted> {
    const { clock, random, say } = this.#context;
    job.cancelTries += 1;
    const nextInMs = backOffMs(job.cancelTries, failure, random);
    job.cancelAtMs = clock.monotonicMs() + (job.submitting === null ? 2 * nextInMs : nextInMs);
    const isNews = job.errorCode !== failure.code;
    job.errorCode = failure.code;
    if (isNews) await say(job, { is: "tried", error: errorOf(failure), nextLookInMs: nextInMs, undecided: true });
    return { nextInMs, outcome: outcomeOf(failure) };
  }

  async #answered(job: HeldJob, answer: CancelAnswer): Promise<number> {
    const { clock, address, say } = this.#context;
    const nowMs = clock.monotonicMs();
    switch (answer) {
      case "accepted":
        Object.assign(job, { cancelledMs: nowMs, goneMs: null, submitting: null, cancelAtMs: nowMs + repeatMs });
        break;
      case "already_ended":
        Object.assign(job, { submitting: null, cancelAtMs: nowMs + mayComeMs });
        break;
      case "not_found":
        return await this.#notFound(job, nowMs);
      case "unsupported": {
        const message = `${address.service} cannot end this job: it may go on.`;
        await say(job, { is: "ended", status: "lost", error: { code: "cancel_unsupported", message } });
        return 0;
      }
    }
    await say(job, { is: "cancel_asked", answer, nextLookInMs: soonMs });
    return answer === "already_ended" ? 0 : soonMs;
  }

  async #notFound(job: HeldJob, nowMs: number): Promise<number> {
    const { say } = this.#context;
    const { submitting } = job;
    job.cancelAtMs = nowMs + mayComeMs;
    if (submitting !== null) {
      const sinceCallMs = submitting.calledMs === null ? null : nowMs - submitting.calledMs;
      switch (missingVerdict({ sinceCallMs, settleMs: submitting.row.settleMs })) {
        case "not_started":
          await say(job, { is: "ended", status: "cancelled", error: notStarted });
          return 0;
        case "lost":
          await say(job, { is: "ended", status: "lost", error: mayComeYet });
          return 0;
        case "may_come": {
          const waitMs = Math.max(mayComeMs, (sinceCallMs ?? 0) / 10);
          job.cancelAtMs = nowMs + waitMs;
          await say(job, { is: "cancel_asked", answer: "not_found", nextLookInMs: waitMs });
          return waitMs;
        }
      }
    }
    await say(job, { is: "cancel_asked", answer: "not_found", nextLookInMs: soonMs });
    return soonMs;
  }
}
