import {
  AppError,
  type CalledBack,
  isEnded,
  isEndedJob,
  isTrackingError,
  type JobCallback,
  type JobPage,
  type JobStatus,
  type JobView,
  type Json,
  jobStatuses,
  limits,
  type ResolvedJob,
  type ResolveJob,
  type RunError,
  type SweepJobs,
  type SweptJobs,
  type TrackedJob,
  type Tracking,
} from "@holdfast/protocol";
import type { JobNews, JobNoteResult, JobRow, NewJob } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import { callbackHash } from "./job-names.ts";
import { successorFacts } from "./job-successor.ts";
import { jobView } from "./job-views.ts";
import { type Control, plainControl } from "./requests.ts";
import type { Runs } from "./runs.ts";

export interface JobQuery {
  readonly run?: string | undefined;
  readonly service?: string | undefined;
  readonly status?: readonly JobStatus[] | undefined;
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}

const open = jobStatuses.filter((status) => !isEndedJob(status));
/** So many jobs are looked at by one sweep: they are few that nobody waits for. */
const sweptPages = 20;

/** External jobs as people see them, and what they decide about those that nobody else can decide (P5). */
export class ExternalJobs {
  readonly #store: Store;
  readonly #runs: Runs;
  readonly #namespace: string;
  #tracking: Tracking | undefined;

  constructor({ store, runs, namespace }: { store: Store; runs: Runs; namespace: string }) {
    this.#store = store;
    this.#runs = runs;
    this.#namespace = namespace;
  }

  /** Who knows what names a job of a service. Without, what a person says is taken as it is. */
  useTracking(tracking: Tracking): void {
    this.#tracking = tracking;
  }

  /** The newest first. Throws `not_found` and `ambiguous_id` for a run. */
  async list({ run, service, status, cursor, limit = limits.pageRows }: JobQuery): Promise<JobPage> {
    const page = await this.#store.listJobs({
      namespace: this.#namespace,
      limitRows: limit,
      ...(run === undefined ? {} : { runId: (await this.#runs.row(run)).id }),
      ...(service === undefined ? {} : { service }),
      ...(status === undefined || status.length === 0 ? {} : { statuses: status }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    const names = await this.#names(page.jobs);
    return { jobs: page.jobs.map((row) => jobView(row, names)), cursor: page.cursor };
  }

  /** Throws `not_found`. */
  async get(id: string): Promise<JobView> {
    const row = await this.#row(id);
    return jobView(row, await this.#names([row]), { isWhole: true });
  }

  /**
   * Says what became of a job. Throws `not_found`, `run_ended` for one that has ended, `request_conflict` for what does not fit it,
   * `invalid_request` for a ref that names no job of its service.
   */
  async resolve(id: string, asked: ResolveJob, control: Control = plainControl(this.#store)): Promise<ResolvedJob> {
    const row = await this.#row(id);
    const news = await this.#decided(row, asked);
    const [result] = await control.noteJobs({ rows: [{ jobId: id, by: { epoch: row.epoch }, news }] });
    refuse(result, row);
    return { job: await this.get(news.is === "replaced" ? news.next.id : id) };
  }

  /** Ends as lost what is open and nobody waits for: jobs that may go on after their run has ended, each tried until now. */
  async sweep({ preview = false, limit = limits.pageRows }: SweepJobs): Promise<SweptJobs> {
    const { orphans, more } = await this.#orphans(limit);
    const error = {
      code: "given_up",
      message: "Nobody waited for it any more, and somebody gave it up: it may go on.",
    };
    const rows = orphans.map(({ id, epoch }) => ({ jobId: id, by: { epoch }, news: ended("lost", error) }));
    if (!preview && rows.length > 0) await this.#store.noteJobs({ rows });
    const names = await this.#names(orphans);
    const shown = preview ? orphans : await Promise.all(orphans.map(({ id }) => this.#row(id)));
    return { jobs: shown.map((row) => jobView(row, names)), more };
  }

  /** What a service says by a one-time address. Throws `not_found` for a wrong one, `run_ended` for one that was used. */
  async callBack(id: string, secret: string, said: JobCallback): Promise<CalledBack> {
    const unknown = new AppError("not_found", "There is no such address.");
    const row = await this.#store.findJob({ id });
    const hash = callbackHash(secret);
    if (row === undefined || row.callbackHash !== hash) throw unknown;
    const { status, result = null, error } = said;
    const why = {
      code: error?.code ?? `external_${status}`,
      message: error?.message ?? `Its service says: ${status}.`,
    };
    const news = status === "succeeded" ? ended(status, null, result) : ended(status, why);
    const [noted] = await this.#store.noteJobs({ rows: [{ jobId: id, by: { callbackHash: hash }, news }] });
    refuse(noted, row);
    return { status };
  }

  async #row(id: string): Promise<JobRow> {
    const row = await this.#store.findJob({ id });
    if (row !== undefined && row.namespace === this.#namespace) return row;
    throw new AppError("not_found", `There is no external job ${id}.`, {
      hint: "holdfast external-jobs list names them.",
    });
  }

  async #decided(row: JobRow, asked: ResolveJob): Promise<JobNews> {
    if (asked.as === "resubmit") return this.#replacing(row);
    if (asked.as === "running") return { is: "submitted", job: await this.#named(row, asked.ref) };
    return decided(row, asked);
  }

  /** A slip of the hand is told here: else the next look would end the job, and its run. */
  async #named({ service, connection }: JobRow, ref: Json): Promise<TrackedJob> {
    const hint = "Write what its service calls a job by, as JSON: the guide of external jobs says it.";
    if (ref === null) throw new AppError("invalid_request", `null names no job of ${service}.`, { hint });
    const externalId = typeof ref === "string" ? ref : JSON.stringify(ref).slice(0, 2_000);
    if (this.#tracking === undefined) return { ref, externalId, links: [], group: externalId };
    try {
      return await this.#tracking.adopt({ service, connection, ref });
    } catch (error) {
      if (!isTrackingError(error)) throw error;
      const { message, hint: said = hint, fault } = error.failure;
      const again = fault === "permanent" ? said : "Say it again in a moment.";
      throw new AppError("invalid_request", message, { hint: again, cause: error });
    }
  }

  /** The same job under the next number, as it was prepared. */
  async #replacing(row: JobRow): Promise<JobNews> {
    const { submission, settleMs } = row;
    if (submission === "own" || submission === "adopted") {
      throw new AppError("request_conflict", "Its task starts this job by itself: nobody else can submit it again.", {
        hint: "Give it up (--as lost): its task decides then, and a retry of the run starts another.",
      });
    }
    const { incarnation } = await this.#store.describe();
    const next: NewJob = { ...successorFacts(row, incarnation), submission, settleMs, job: null };
    const error = {
      code: "submitted_again",
      message: "Somebody said that it never began; it was submitted once more.",
    };
    return { is: "replaced", error, next };
  }

  async #orphans(limit: number): Promise<{ orphans: JobRow[]; more: boolean }> {
    const orphans: JobRow[] = [];
    let cursor: string | null = null;
    for (let pages = 0; pages < sweptPages; pages++) {
      const place: { cursor?: string } = cursor === null ? {} : { cursor };
      const filter = { namespace: this.#namespace, statuses: open, limitRows: limits.pageRows, ...place };
      const page = await this.#store.listJobs(filter);
      const runs = await Promise.all(page.jobs.map(({ runId }) => this.#store.findRun({ id: runId })));
      for (const [index, job] of page.jobs.entries()) {
        const run = runs[index];
        if (run !== undefined && run.generation === job.generation && !isEnded(run.status)) continue;
        if (orphans.length === limit) return { orphans, more: true };
        orphans.push(job);
      }
      cursor = page.cursor;
      if (cursor === null) return { orphans, more: false };
    }
    return { orphans, more: true };
  }

  async #names(rows: readonly JobRow[]): Promise<Map<string, string>> {
    if (rows.every(({ memberId }) => memberId === null)) return new Map();
    const members = await this.#store.listMembers({ namespace: this.#namespace });
    return new Map(members.map(({ id, name }) => [id, name]));
  }
}

function decided({ service }: JobRow, asked: Exclude<ResolveJob, { as: "resubmit" | "running" }>): JobNews {
  switch (asked.as) {
    case "succeeded":
      return ended("succeeded", null, asked.result ?? null);
    case "failed":
    case "lost": {
      const code = asked.as === "failed" ? "external_failed" : "given_up";
      return ended(asked.as, {
        code,
        message: asked.message ?? `Somebody said of this job of ${service}: ${asked.as}.`,
      });
    }
  }
}

function ended(
  status: "succeeded" | "failed" | "cancelled" | "lost",
  error: RunError | null,
  result: Json = null,
): JobNews {
  return { is: "ended", status, error, result };
}

function refuse(result: JobNoteResult | undefined, { id }: JobRow): void {
  if (result === undefined || result.outcome === "noted") return;
  if (result.outcome === "not_found") throw new AppError("not_found", `There is no external job ${id}.`);
  if (result.outcome === "cancelling") {
    throw new AppError("request_conflict", `The external job ${id} is to be ended, and is not submitted again.`);
  }
  if (isEndedJob(result.status)) throw new AppError("run_ended", `The external job ${id} has ended: ${result.status}.`);
  throw new AppError("request_conflict", `The external job ${id} is ${result.status}, and that does not fit it.`, {
    hint: "Look at it again: holdfast external-jobs show.",
  });
}
