import { isTrackable, type JobOrder, type JobRow, type WaitName } from "../../core/index.ts";
import { jobCursor, jobPlace } from "../job-cursor.ts";
import type { JobFilter } from "../store.ts";
import type { Change, Note } from "./changes.ts";
import { Heap } from "./heap.ts";

/** External jobs, as long as their runs are there. */
export class JobTable {
  readonly #note: Note;
  readonly #jobs = new Map<string, JobRow>();
  readonly #byRun = new Map<string, Set<string>>();
  /** Ids of open jobs that somebody tracks, by member, and of those that nobody tracks. */
  readonly #tracked = new Map<string, Set<string>>();
  readonly #free = new Set<string>();
  readonly #lines = new Map<string, Heap<FreeEntry>>();

  constructor(note?: Note) {
    this.#note = note;
  }

  find(id: string): JobRow | undefined {
    return this.#jobs.get(id);
  }

  put(job: JobRow): void {
    this.#note?.({ is: "job", job });
    this.#leave(job.id);
    this.#jobs.set(job.id, Object.freeze(job));
    this.#byRun.set(job.runId, (this.#byRun.get(job.runId) ?? new Set<string>()).add(job.id));
    if (job.memberId !== null) {
      this.#tracked.set(job.memberId, (this.#tracked.get(job.memberId) ?? new Set<string>()).add(job.id));
    }
    if (isTrackable(job)) this.#addFree(job);
  }

  /** The highest number under a key; 0: there is none. */
  lastNumber({ runId, generation, key }: WaitName): number {
    const of = this.#of(runId).filter((job) => job.generation === generation && job.key === key);
    return of.reduce((last, { number }) => Math.max(last, number), 0);
  }

  /** What an order is for and has not ended, by id. */
  openOf({ runId, jobId }: Pick<JobOrder, "runId" | "jobId">): JobRow[] {
    return this.#of(runId)
      .filter(({ id, endedAt }) => endedAt === null && (jobId === null || id === jobId))
      .sort(byId);
  }

  /** What nobody tracks, the oldest first, as far as `isOne` says so. */
  free(namespace: string, limitRows: number, isOne: (job: JobRow) => boolean): JobRow[] {
    const line = this.#lines.get(namespace);
    const passed = new Map<string, FreeEntry>();
    const found: JobRow[] = [];
    while (found.length < limitRows) {
      const entry = line?.pop();
      if (entry === undefined) break;
      const job = this.#free.has(entry.id) && !passed.has(entry.id) ? this.#jobs.get(entry.id) : undefined;
      if (job === undefined) continue;
      passed.set(entry.id, entry);
      if (isOne(job)) found.push(job);
    }
    // They stand there until somebody claims them.
    for (const entry of passed.values()) line?.push(entry);
    return found;
  }

  tracked(args: { memberId: string; orderedOnly: boolean; after?: string; limitRows: number }): JobRow[] {
    const { memberId, orderedOnly, after = "", limitRows } = args;
    return this.#rows(this.#tracked.get(memberId) ?? [])
      .filter(({ id, status }) => id > after && (!orderedOnly || status === "cancelling"))
      .sort(byId)
      .slice(0, limitRows)
      .map(lean);
  }

  /** Those of certain members. */
  trackedBy(isOne: (memberId: string) => boolean, limitRows: number): JobRow[] {
    const ids = [...this.#tracked].flatMap(([memberId, of]) => (isOne(memberId) ? [...of] : []));
    return this.#rows(ids.sort().slice(0, limitRows));
  }

  isTracking(memberId: string): boolean {
    return this.#tracked.has(memberId);
  }

  list(filter: JobFilter): { jobs: JobRow[]; cursor: string | null } {
    const { namespace, runId, key, statuses, service, cursor, limitRows } = filter;
    const after = cursor === undefined ? undefined : jobPlace(cursor);
    const found = (runId === undefined ? [...this.#jobs.values()] : this.#of(runId))
      .filter((job) => job.namespace === namespace && (key === undefined || job.key === key))
      .filter((job) => service === undefined || job.service === service)
      .filter((job) => statuses === undefined || statuses.includes(job.status))
      .sort((a, b) => b.openedAt - a.openedAt || byId(b, a))
      .filter((job) => after === undefined || isBefore(job, after));
    const jobs = found.slice(0, limitRows).map(lean);
    return { jobs, cursor: jobCursor(jobs.at(-1), found.length > limitRows) };
  }

  forgetRuns(ids: readonly string[]): void {
    for (const runId of ids) {
      for (const id of this.#byRun.get(runId) ?? []) {
        this.#leave(id);
        this.#jobs.delete(id);
      }
      this.#byRun.delete(runId);
    }
  }

  /** Everything that is here now. */
  content(): Change[] {
    return [...this.#jobs.values()].map((job) => ({ is: "job", job }));
  }

  #addFree({ id, namespace, openedAt }: JobRow): void {
    const line = this.#lines.get(namespace) ?? new Heap<FreeEntry>((a, b) => cameBefore(a, b));
    this.#lines.set(namespace, line);
    this.#free.add(id);
    line.push({ id, openedAt });
  }

  #leave(id: string): void {
    const memberId = this.#jobs.get(id)?.memberId ?? null;
    this.#free.delete(id);
    const tracked = memberId === null ? undefined : this.#tracked.get(memberId);
    if (memberId !== null && tracked?.delete(id) === true && tracked.size === 0) this.#tracked.delete(memberId);
  }

  #of(runId: string): JobRow[] {
    return this.#rows(this.#byRun.get(runId) ?? []);
  }

  #rows(ids: Iterable<string>): JobRow[] {
    return [...ids].flatMap((id) => this.#jobs.get(id) ?? []);
  }
}

/** The place of a job that nobody tracks. One that has left the line since is dropped when it comes to the top. */
interface FreeEntry {
  readonly id: string;
  readonly openedAt: number;
}

function cameBefore(a: FreeEntry, b: FreeEntry): boolean {
  return a.openedAt < b.openedAt || (a.openedAt === b.openedAt && a.id < b.id);
}

/** As lists show it. */
function lean(job: JobRow): JobRow {
  return { ...job, ref: null, spec: null, result: null };
}

function byId(a: JobRow, b: JobRow): number {
  return a.id < b.id ? -1 : Number(a.id > b.id);
}

function isBefore(job: JobRow, after: { readonly openedAt: number; readonly id: string }): boolean {
  return job.openedAt < after.openedAt || (job.openedAt === after.openedAt && job.id < after.id);
}
