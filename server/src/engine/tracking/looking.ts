import type { Observation, PollResult, TrackingFailure } from "@holdfast/protocol";
import { type JobNews, verdictOnLook } from "../../core/index.ts";
import type { Random } from "../../random.ts";
import type { HeldJob } from "./held-job.ts";
import { backOffMs, lookAfterMs } from "./pace.ts";
import { errorOf, unkeptResult } from "./teller.ts";

// What a look at a job means. Only what a service says of an end ends a job, or that it does not know the job, twice and a while apart;
// a look that fails never does. Where looks are refused for good, and for a while, the job is given up (core/verdicts.ts, V3).

/** A job that its service does not know is looked for again after so long: listings and copies lag behind. */
const confirmMs = 60_000;
/** One that it was told to end may be removed by that. */
const confirmRemovedMs = 5_000;
/** Progress is noted so many times as often as looks that show nothing new. */
const progressNotes = 6;

export interface Looking {
  readonly nowMs: number;
  readonly random: Random;
  /** A look that shows nothing new is noted when the last note is so old. */
  readonly noteEveryMs: number;
}

/** What is to be told of a look, null: nothing; and when something is to be done next. The job is brought up to date. */
export interface Verdict {
  readonly news: JobNews | null;
  readonly nextInMs: number;
}

export function judgeLook(job: HeldJob, result: PollResult, looking: Looking): Verdict {
  return "failure" in result ? failedLook(job, result.failure, looking) : seen(job, result.observation, looking);
}

/** A call about a job failed, and that says nothing about the job. */
export function failedLook(job: HeldJob, failure: TrackingFailure, { nowMs, random, noteEveryMs }: Looking): Verdict {
  const { fault } = failure;
  if (fault === "permanent") job.refusedMs ??= nowMs;
  const refusedForMs = job.refusedMs === null ? 0 : nowMs - job.refusedMs;
  const isTaken = job.cancelledMs !== null;
  if (verdictOnLook({ fault, refusedForMs, isOrdered: job.isOrdered, isTaken }) === "give_up") {
    job.givenUp = errorOf(failure);
    return { news: null, nextInMs: 0 };
  }
  job.tries += 1;
  const nextInMs = backOffMs(job.tries, failure, random);
  const isNews = job.errorCode !== failure.code || nowMs - job.notedMs >= noteEveryMs;
  job.errorCode = failure.code;
  if (!isNews) return { news: null, nextInMs };
  job.notedMs = nowMs;
  return { news: { is: "tried", error: errorOf(failure), nextLookInMs: nextInMs }, nextInMs };
}

function seen(job: HeldJob, observation: Observation, looking: Looking): Verdict {
  const { phase, rawStatus, message, code, hint } = observation;
  job.refusedMs = null;
  switch (phase) {
    case "gone":
      return gone(job, observation, looking);
    case "succeeded":
      return { news: succeeded(observation), nextInMs: 0 };
    case "failed":
    case "cancelled": {
      const said = message ?? `Its service says: ${rawStatus}.`;
      const advice = hint === undefined ? {} : { hint };
      const error = { code: (code ?? `external_${phase}`).slice(0, 100), message: said, ...advice };
      return { news: { is: "ended", status: phase, rawStatus, error }, nextInMs: 0 };
    }
    case "queued":
    case "running":
      job.goneMs = null;
      return alive(job, observation, looking);
  }
}

/** Never with another value: a result that cannot be kept is an error of the wait. */
function succeeded({ rawStatus, result = null, unkept, warning }: Observation): JobNews {
  const told = { is: "ended", status: "succeeded", rawStatus, ...(warning !== undefined && { warning }) } as const;
  return unkept === undefined ? { ...told, result } : { ...told, error: unkeptResult(unkept) };
}

function gone(job: HeldJob, { rawStatus, message }: Observation, { nowMs }: Looking): Verdict {
  const isRemoved = job.cancelledMs !== null;
  const neededMs = isRemoved ? confirmRemovedMs : confirmMs;
  job.goneMs ??= nowMs;
  const leftMs = job.goneMs + neededMs - nowMs;
  if (leftMs <= 0) {
    const status = job.isOrdered ? "cancelled" : "lost";
    const error = { code: "job_gone", message: message ?? "Its service does not know it any more." };
    return { news: { is: "ended", status, rawStatus, error }, nextInMs: 0 };
  }
  const warning = "Its service does not know it; it is looked for once more.";
  const news: JobNews | null =
    job.warning === warning ? null : { is: "observed", rawStatus, warning, nextLookInMs: leftMs };
  job.warning = warning;
  job.rawStatus = rawStatus;
  return { news, nextInMs: leftMs };
}

function alive(job: HeldJob, observation: Observation, { nowMs, random, noteEveryMs }: Looking): Verdict {
  const { rawStatus, warning = null, links, progress, startedAt, nextPollMs } = observation;
  const ageMs = nowMs - Math.max(job.openedMs, job.cancelledMs ?? Number.NEGATIVE_INFINITY);
  const nextInMs = lookAfterMs({ ageMs, isWatched: job.isWatched, nextPollMs }, random);
  const progressText = progress === undefined ? job.progress : JSON.stringify(progress);
  const sinceMs = nowMs - job.notedMs;
  const isNews =
    rawStatus !== job.rawStatus ||
    warning !== job.warning ||
    job.errorCode !== null ||
    (progressText !== job.progress && sinceMs >= noteEveryMs / progressNotes) ||
    sinceMs >= noteEveryMs;
  job.tries = 0;
  job.errorCode = null;
  if (!isNews) return { news: null, nextInMs };
  Object.assign(job, { rawStatus, warning, progress: progressText, notedMs: nowMs });
  const seen = {
    ...(progress !== undefined && { progress }),
    ...(links !== undefined && { links }),
    ...(startedAt !== undefined && { startedAt }),
  };
  return { news: { is: "observed", rawStatus, warning, ...seen, nextLookInMs: nextInMs }, nextInMs };
}
