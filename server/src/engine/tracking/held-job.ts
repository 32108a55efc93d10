import { canonicalText, type Json, type RunError } from "@holdfast/protocol";
import type { JobNews, JobRow } from "../../core/index.ts";
import type { LaneItem } from "./lane.ts";

/** What is known of a submission as long as it is not certain that the job is there. Moments are the node's own, monotonic. */
export interface Submitting {
  readonly row: JobRow;
  /** When the last call that may have started it was noted, as far back as it may have been; null: there was none. */
  calledMs: number | null;
  isListed: boolean;
  misses: number;
  missedMs: number;
  /** Since when it is refused for good to be started, or to be listed. */
  refusedMs: number | null;
}

/** Where what concerns the jobs of one connection is done. */
export interface JobDesk {
  /** Does what is due about a job. */
  ask(job: HeldJob): void;
  /** Hears of the job where its service tells by itself. */
  watch(job: HeldJob): void;
  forget(job: HeldJob): void;
}

/**
 * A job that this node tracks. There may be a hundred thousand of them, so nothing is kept that its service or the store can be asked for;
 * its specification only until it is submitted.
 */
export interface HeldJob extends LaneItem {
  readonly id: string;
  readonly desk: JobDesk;
  /** Fences what is said of it (P2). */
  readonly epoch: number;
  /** What names it to its service, as canonical JSON: a text has a third of an object's size. Null: not known yet. */
  refText: string | null;
  line: string;
  group: string;
  /** Its end is ordered. */
  isOrdered: boolean;
  submitting: Submitting | null;
  readonly openedMs: number;
  /** Failures in a row. */
  tries: number;
  errorCode: string | null;
  rawStatus: string | null;
  /** As it was noted last, as JSON. */
  progress: string | null;
  warning: string | null;
  /** When anything was noted last. */
  notedMs: number;
  /** Since when its service does not know it. */
  goneMs: number | null;
  /** Since when looks at it are refused for good. */
  refusedMs: number | null;
  /** Nobody will see its end: why. It is to be ended at its service before that is told. */
  givenUp: RunError | null;
  isWatched: boolean;
  /** When its service took the order to end it. */
  cancelledMs: number | null;
  /** From when on its service is told (again) to end it, and how often that has failed in a row. */
  cancelAtMs: number;
  cancelTries: number;
  /** What its service has said and the store has not been told: nothing else is done before. */
  unsaid: JobNews | null;
}

/** The moment at which jobs were claimed, by the node's own clock and by the store's. */
export interface ClaimMoment {
  readonly nowMs: number;
  readonly storeMs: number;
}

/** A job as it was claimed. */
export function holdJob(row: JobRow, desk: JobDesk, { nowMs, storeMs }: ClaimMoment): HeldJob {
  const ownMs = (at: number): number => Math.min(nowMs, nowMs - storeMs + at);
  const { cancelAskedAt, cancelAnswer } = row;
  return {
    ...{ dueMs: nowMs, place: -1, isAsked: false, isDropped: false, isSick: row.tries > 0 },
    ...{ id: row.id, desk, epoch: row.epoch, refText: refTextOf(row.ref) },
    line: lineOf(row.externalId),
    group: row.group ?? row.id,
    isOrdered: row.status === "cancelling",
    submitting: isUncertain(row) ? submittingOf(row, nowMs, row.calledAt === null ? null : ownMs(row.calledAt)) : null,
    openedMs: ownMs(row.openedAt),
    ...{ tries: row.tries, errorCode: row.error?.code ?? null, rawStatus: row.rawStatus },
    progress: row.progress === null ? null : JSON.stringify(row.progress),
    warning: row.warning,
    ...{ notedMs: nowMs, goneMs: null, refusedMs: null, givenUp: null, isWatched: false, unsaid: null },
    cancelledMs: cancelAnswer === "accepted" && cancelAskedAt !== null ? ownMs(cancelAskedAt) : null,
    // Whoever takes over tells it once more: whether the order arrived is not known.
    ...{ cancelAtMs: nowMs, cancelTries: 0 },
  };
}

export function refTextOf(ref: Json): string | null {
  return ref === null ? null : canonicalText(ref);
}

/** What names the job to its service. */
export function refOf({ refText }: Pick<HeldJob, "refText">): Json {
  return refText === null ? null : (JSON.parse(refText) as Json);
}

/** The server that is called about a job: services with an address have theirs, others are one place. */
export function lineOf(externalId: string | null): string {
  const url = externalId === null ? null : URL.parse(externalId);
  return url === null || url.origin === "null" ? "" : oneText(url.origin);
}

const keptTexts = 10_000;
const texts = new Map<string, string>();

/** The same text for all jobs of a server, of which there may be very many. */
function oneText(text: string): string {
  const kept = texts.get(text);
  if (kept !== undefined) return kept;
  if (texts.size >= keptTexts) texts.clear();
  texts.set(text, text);
  return text;
}

/** What may never have been started. A name that was chosen beforehand says nothing of that. */
function isUncertain({ status, submission, rawStatus, cancelAnswer, ref }: JobRow): boolean {
  if (status !== "cancelling") return status === "submitting";
  if (submission === "token") return rawStatus === null && cancelAnswer !== "accepted";
  return submission !== "adopted" && ref === null;
}

function submittingOf(row: JobRow, nowMs: number, calledMs: number | null): Submitting {
  return { row, calledMs, isListed: false, misses: 0, missedMs: nowMs, refusedMs: null };
}
