import { isEndedJob, type JobStatus, limits, type RunError } from "@holdfast/protocol";
import { brief } from "./answers.ts";
import {
  type JobChanges,
  type JobLoad,
  type JobNews,
  type JobNote,
  type JobNoteResult,
  type JobOrder,
  type JobRow,
  type NewJob,
  openingJob,
  orderedJob,
} from "./job-rows.ts";
import type { LedgerRows } from "./ledger-rows.ts";
import type { ObligationChange } from "./obligations.ts";
import type { RunRow } from "./run.ts";
import { isEnded } from "./transitions.ts";
import type { WaitName } from "./wait-name.ts";

// External jobs, as a part of the ledger. A job belongs to a wait of its run; the wait ends with its last submission.
//
// J1  The end of a job, of its wait, the wake of its run and their events come out of one ledger (P3).
// J2  A submission has a number of its own: the next one exists only where the one before has ended, or its end is ordered.
// J3  What trackers say is fenced by the job's epoch (P2): nothing that a node does by stopping ends a job.
// J4  Who has ended stays as it is. A job whose run has gone on without it changes nothing but its own row.
// J5  A call that may start a job is noted before, and refused once its end is ordered.

/** What a note does: its answer, and the job whose end it is. */
interface Noted {
  readonly result: JobNoteResult;
  readonly ended?: JobRow;
}

/** The waits for jobs. */
interface JobWaits {
  /** Whether a run waits for this very submission. */
  isFor(job: JobRow): boolean;
  jobEnded(job: JobRow): void;
  /** From now on its run waits for `next` instead. */
  turnTo(next: JobRow, before: JobRow): void;
}

export class Jobs {
  readonly #rows: LedgerRows;
  readonly #jobs = new Map<string, JobRow>();
  readonly #before = new Map<string, JobRow>();
  readonly #numbers = new Map<string, number>();
  readonly #ordered: JobOrder[] = [];

  constructor(rows: LedgerRows) {
    this.#rows = rows;
  }

  /** Takes in what the store has found, under the locks of the runs. What is known already keeps its image here. */
  load({ jobs = [], numbers = [] }: JobLoad): void {
    for (const job of jobs) {
      if (this.#before.has(job.id)) continue;
      this.#before.set(job.id, job);
      this.#jobs.set(job.id, job);
    }
    for (const { number, ...name } of numbers) this.#numbers.set(placeOf(name), number);
  }

  /** The number of the next submission under a key. */
  nextNumber(name: WaitName): number {
    return (this.#numbers.get(placeOf(name)) ?? 0) + 1;
  }

  /** Puts a job in place, with its run's wait for it. */
  open(made: NewJob, name: WaitName): JobRow {
    const run = this.#rows.get(name.runId);
    if (run === undefined) throw new Error(`run ${name.runId} opens a job and is not in the ledger`);
    const { rootId, namespace } = run;
    const job = openingJob(made, name, { rootId, namespace, now: this.#rows.now });
    this.#jobs.set(job.id, job);
    this.#numbers.set(placeOf(name), job.number);
    this.#tell(job, "external.submitting", { service: job.service, number: job.number });
    return job;
  }

  /** Orders the end of a job, or of all of a run, whether they are known here or not (P6). */
  order(order: JobOrder): void {
    this.#ordered.push(order);
    for (const job of this.#jobs.values()) {
      if (job.id === order.jobId || (order.jobId === null && job.runId === order.runId))
        this.#put(orderedJob(job, order));
    }
  }

  /** Those that are known here and have not ended. */
  openOnes(): JobRow[] {
    return [...this.#jobs.values()].filter(({ endedAt }) => endedAt === null);
  }

  /** Nobody is to wait for a job any longer that is to end and does not. False: it is none of these. */
  letGo(id: string, waits: JobWaits): boolean {
    const job = this.#jobs.get(id);
    if (job?.status !== "cancelling") return false;
    const { runId, rootId, namespace, reason, timedOut } = job;
    this.order({ runId, rootId, namespace, jobId: id, reason: reason ?? "", timedOut, forced: true });
    waits.jobEnded(job);
    return true;
  }

  /** Takes in what somebody says of a job. */
  note({ jobId, by, news }: JobNote, waits: JobWaits): Noted {
    const job = this.#jobs.get(jobId);
    if (job === undefined) return { result: { outcome: "not_found" } };
    const stale: Noted = { result: { outcome: "stale", status: job.status } };
    if (isEndedJob(job.status) || !this.#maySpeak(job, by, news)) return stale;
    if (news.is === "replaced") return job.status === "running" ? stale : this.#replace(job, news, waits);
    if (news.is === "calling" && job.status === "cancelling") return refused(job);
    const next = this.#follow(job, news);
    if (next === undefined) return stale;
    this.#put(next);
    const result = { outcome: "noted", status: next.status } as const;
    if (next.endedAt === null) return { result };
    waits.jobEnded(next);
    return { result, ended: next };
  }

  /** What the changes mean for obligations: what has ended owes nothing any more. */
  obligations(): ObligationChange[] {
    return [...this.#jobs.values()].flatMap((job) => {
      const before = this.#before.get(job.id);
      return before?.status === "cancelling" && job.endedAt !== null ? metBy(job) : [];
    });
  }

  changes(): JobChanges {
    const opened: JobRow[] = [];
    const updated: JobRow[] = [];
    for (const [id, job] of this.#jobs) {
      const before = this.#before.get(id);
      if (before === undefined) opened.push(job);
      else if (before !== job) updated.push(job);
    }
    return { opened, updated, ordered: this.#ordered };
  }

  #maySpeak(job: JobRow, by: JobNote["by"], news: JobNews): boolean {
    if ("callbackHash" in by) return news.is === "ended" && by.callbackHash === job.callbackHash;
    if (by.epoch !== job.epoch) return false;
    if (by.activation === undefined) return true;
    const run = this.#rows.get(job.runId);
    return run?.epoch === by.activation && run.claimedBy !== null && run.generation === job.generation;
  }

  /** The job as it stands after the news; undefined: they do not fit where it stands. */
  #follow(job: JobRow, news: Exclude<JobNews, { is: "replaced" }>): JobRow | undefined {
    const { now } = this.#rows;
    const { status } = job;
    switch (news.is) {
      case "calling":
        if (status !== "submitting") return undefined;
        return { ...job, calls: job.calls + 1, calledAt: now, calledBy: news.memberId };
      case "submitted":
        return this.#submitted(job, news.job);
      case "observed":
        return status === "running" || status === "cancelling" ? this.#observed(job, news) : undefined;
      case "tried":
        if (status === "unknown") return undefined;
        return this.#tried(job, news);
      case "cancel_asked":
        if (status !== "cancelling") return undefined;
        return { ...job, cancelAskedAt: now, cancelAnswer: news.answer, nextLookAt: now + news.nextLookInMs };
      case "ended":
        return this.#ended(job, news);
      case "unknown":
        return this.#unknown(job, news.error);
    }
  }

  /** A call that surely started nothing is none that may have (P5). */
  #tried(job: JobRow, { error, nextLookInMs, undecided }: Extract<JobNews, { is: "tried" }>): JobRow {
    const calledAt = job.status === "submitting" && undecided !== true ? null : job.calledAt;
    return { ...job, ...look(this.#rows.now, nextLookInMs), tries: job.tries + 1, error, calledAt };
  }

  /** It is in its service under this name. One that is to end stays so, and can be ended by that name now. */
  #submitted(job: JobRow, { ref, externalId, links, group }: NonNullable<NewJob["job"]>): JobRow | undefined {
    if (job.status === "running") return JSON.stringify(job.ref) === JSON.stringify(ref) ? job : undefined;
    const status: JobStatus = job.status === "cancelling" ? "cancelling" : "running";
    const known = { ...job, status, ref, externalId, links, group, error: null, tries: 0 };
    return this.#tell(known, "external.submitted", { externalId });
  }

  #observed(job: JobRow, news: Extract<JobNews, { is: "observed" }>): JobRow {
    const { rawStatus, progress, warning = null, links, startedAt, nextLookInMs } = news;
    const isNews = rawStatus !== job.rawStatus && job.told < limits.eventsPerJob;
    const seen: JobRow = {
      ...{ ...job, ...look(this.#rows.now, nextLookInMs), rawStatus, warning, tries: 0, error: null },
      progress: progress === undefined ? job.progress : progress,
      links: links ?? job.links,
      startedAt: startedAt ?? job.startedAt,
      told: job.told + (isNews ? 1 : 0),
    };
    return isNews ? this.#tell(seen, "external.observed", { rawStatus }) : seen;
  }

  #ended(job: JobRow, news: Omit<Extract<JobNews, { is: "ended" }>, "is">): JobRow {
    const { status, rawStatus = job.rawStatus, result = null, error = null, warning = job.warning } = news;
    const over = { memberId: null, nextLookAt: null, endedAt: this.#rows.now };
    const kept = status === "succeeded" && error === null ? result : null;
    const ended = { ...job, ...over, status, rawStatus, error, warning, result: kept };
    const why = error === null ? {} : { error: brief(error) };
    return this.#tell(ended, "external.ended", { status, rawStatus, ...why });
  }

  /** Nobody can say whether it began. One that was to end cannot be ended then: it is lost. */
  #unknown(job: JobRow, error: RunError): JobRow | undefined {
    if (job.status === "running") return undefined;
    if (job.status === "cancelling") return this.#ended(job, { status: "lost", error });
    if (job.status === "unknown") return job;
    const waits = { ...job, status: "unknown" as const, memberId: null, nextLookAt: null, error };
    return this.#tell(waits, "external.unknown", { error: brief(error) });
  }

  #replace(job: JobRow, { error, next }: Extract<JobNews, { is: "replaced" }>, waits: JobWaits): Noted {
    if (job.status === "cancelling") return refused(job);
    const isNext = next.number === job.number + 1 && this.#jobs.get(next.id) === undefined;
    if (!isNext || !waits.isFor(job)) return { result: { outcome: "stale", status: job.status } };
    this.#put(this.#ended(job, { status: "lost", error }));
    const { runId, generation, key } = job;
    waits.turnTo(this.open(next, { runId, generation, key }), job);
    return { result: { outcome: "noted", status: "lost" } };
  }

  #put(job: JobRow): void {
    this.#jobs.set(job.id, job);
  }

  /** Writes an event of its run, if that is still at it; answers the job. */
  #tell(
    job: JobRow,
    type: `external.${"submitting" | "submitted" | "observed" | "unknown" | "ended"}`,
    data: object,
  ): JobRow {
    const run = this.#rows.get(job.runId);
    if (run !== undefined && !isEnded(run.status) && run.generation === job.generation) {
      this.#rows.write(run, type, { key: job.key, job: job.id, ...data });
    }
    return job;
  }
}

/** Why nothing is done for a job that is to end. */
function refused({ reason }: JobRow): Noted {
  return { result: { outcome: "cancelling", reason } };
}

function look(now: number, nextLookInMs: number): Pick<JobRow, "lookedAt" | "nextLookAt"> {
  return { lookedAt: now, nextLookAt: now + nextLookInMs };
}

/** What is owed of a job from an order on, whoever tracks it. */
function owedOf({
  id,
  runId,
  rootId,
  namespace,
}: Pick<JobRow, "id" | "runId" | "rootId" | "namespace">): Omit<
  ObligationChange["row"],
  "reason" | "orderedAt" | "forcedAt" | "metAt"
> {
  const untried = { tries: 0, lastTryAt: null, error: null };
  return { kind: "external_job", runId, rootId, namespace, subject: id, memberId: null, ...untried };
}

/** What an order means for a job that has not ended, at the moment of the order. */
export function owedChange(job: JobRow, { reason, forced }: JobOrder, now: number): ObligationChange {
  const row = {
    ...owedOf(job),
    reason: job.reason ?? reason,
    orderedAt: now,
    forcedAt: forced ? now : null,
    metAt: null,
  };
  return { became: forced ? "forced" : "owed", row };
}

function metBy(job: JobRow): ObligationChange {
  const at = job.endedAt ?? 0;
  const row = { ...owedOf(job), reason: job.reason ?? "", orderedAt: at, forcedAt: null, metAt: at };
  return { became: "met", row };
}

function placeOf({ runId, generation, key }: WaitName): string {
  return JSON.stringify([runId, generation, key]);
}

/** The order to end what a run's body waits for outside. */
export function orderOfRun(run: RunRow, forced: boolean): JobOrder {
  const { id: runId, rootId, namespace } = run;
  const reason = run.ending?.error.message ?? "Its run ended without it.";
  return { runId, rootId, namespace, jobId: null, reason, timedOut: false, forced };
}
