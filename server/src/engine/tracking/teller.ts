import { isAppError, type RunError, type TrackingFailure } from "@holdfast/protocol";
import type { JobNews, JobNoteResult } from "../../core/index.ts";
import type { Store } from "../../store/store.ts";
import type { HeldJob } from "./held-job.ts";

/** What is to be said of a job. */
export interface Word {
  readonly job: HeldJob;
  readonly news: JobNews;
}

/** Tells the store what was heard of jobs. */
export class Teller {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * One result for each, in their order. Rejects when the store does not answer: nothing is known to have been written then, and all may
   * be said again. What the store does not take is said without what is large in it.
   */
  async tell(words: readonly Word[]): Promise<JobNoteResult[]> {
    if (words.length === 0) return [];
    try {
      return await this.#store.noteJobs({ rows: words.map(noteOf) });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (words.length > 1) return (await Promise.all(words.map((word) => this.tell([word])))).flat();
      return await this.#store.noteJobs({ rows: words.map(plainly).map(noteOf) });
    }
  }
}

function noteOf({ job: { id, epoch }, news }: Word) {
  return { jobId: id, by: { epoch }, news };
}

function isRefusal(error: unknown): boolean {
  return isAppError(error, "invalid_request") || isAppError(error, "too_large");
}

/** What a service says may be anything; that it has said so is told in any case. */
function plainly({ job, news }: Word): Word {
  switch (news.is) {
    case "ended": {
      const { status } = news;
      const unkept = { code: "unkept_answer", message: "What its service said of its end cannot be kept." };
      const error = status === "succeeded" ? unkeptResult("the store does not take it") : unkept;
      return { job, news: { is: "ended", status, error } };
    }
    case "observed": {
      const { nextLookInMs } = news;
      return {
        job,
        news: { is: "observed", rawStatus: "?", warning: "What its service says cannot be kept.", nextLookInMs },
      };
    }
    default:
      return { job, news };
  }
}

/** Why whoever waits for a job that has succeeded gets no result. */
export function unkeptResult(why: string): RunError {
  return {
    code: "unkept_result",
    message: `Its result cannot be kept: ${why}. Its service has it.`,
    hint: "Have the job write it to a file or a table, and answer where that is. To submit it again, clear the run.",
  };
}

/** A failure of a service, as it stands with a job. */
export function errorOf({ code, message, hint }: TrackingFailure): RunError {
  return { code: code.slice(0, 100), message, ...(hint !== undefined && { hint }) };
}
