import { isEnded, isEndedJob } from "@holdfast/protocol";
import type { JobNote, JobNoteResult, JobRow, ObligationRow, RunRow } from "../../server/src/core/index.ts";
import type { Store } from "../../server/src/store/store.ts";
import { check } from "./breach.ts";
import type { Outside } from "./outside.ts";

// What is promised of external jobs, looked at after every verb that changes something (P2, P3, P5, P6). What concerns the moment at
// which a job is made stands with the services (outside.ts).

const pageRows = 1_000;

export interface JobChecksOptions {
  readonly store: Store;
  readonly namespace: string;
  readonly outside: () => Pick<Outside, "seen">;
}

export class JobChecks {
  readonly #options: JobChecksOptions;
  #before = new Map<string, JobRow>();
  #byToken = new Map<string, JobRow>();

  constructor(options: JobChecksOptions) {
    this.#options = options;
  }

  /** Every job as it was after the last change, by its token. */
  get byToken(): ReadonlyMap<string, JobRow> {
    return this.#byToken;
  }

  async look(runs: ReadonlyMap<string, RunRow>, owed: readonly ObligationRow[]): Promise<void> {
    const rows = await this.#read();
    const before = this.#before;
    this.#before = new Map(rows.map((job) => [job.id, job]));
    this.#byToken = new Map(rows.map((job) => [job.token, job]));
    if (rows.length === 0 && owed.length === 0) return;
    for (const job of rows) if (!isSame(before.get(job.id), job)) await this.#compare(before.get(job.id), job);
    for (const [id, { token }] of before)
      check(this.#before.has(id), `P5 the job ${id} of token ${token} was forgotten`);
    this.#numbered(rows);
    const debts = new Map(owed.map((row) => [row.subject, row]));
    for (const job of rows) this.#judge(job, runs.get(job.runId), debts.get(job.id));
    for (const id of debts.keys()) {
      const job = this.#before.get(id);
      check(job?.status === "cancelling", `P6 the end of job ${id} is owed, and it is ${job?.status}`);
    }
  }

  /** P2: whoever speaks with an epoch that is not the job's changes nothing. */
  noted(notes: readonly JobNote[], epochs: readonly (number | undefined)[], results: readonly JobNoteResult[]): void {
    for (const [index, { by, jobId, news }] of notes.entries()) {
      if (results[index]?.outcome !== "noted" || !("epoch" in by)) continue;
      check(
        by.epoch === epochs[index],
        `P2 "${news.is}" of epoch ${by.epoch} was noted of ${jobId} in ${epochs[index]}`,
      );
    }
  }

  epochOf(jobId: string): number | undefined {
    return this.#before.get(jobId)?.epoch;
  }

  async #read(): Promise<JobRow[]> {
    const { store, namespace } = this.#options;
    const { jobs } = await store.listJobs({ namespace, limitRows: pageRows });
    return jobs;
  }

  async #compare(before: JobRow | undefined, job: JobRow): Promise<void> {
    if (before !== undefined) {
      check(job.epoch >= before.epoch, `P2 the epoch of job ${job.id} fell`);
      check(job.token === before.token, `P5 the token of job ${job.id} changed`);
      if (isEndedJob(before.status)) check(job.status === before.status, `${job.id} left its end ${before.status}`);
      if (before.status === "cancelling")
        check(job.status === "cancelling" || isEndedJob(job.status), `P6 the order to end job ${job.id} was forgotten`);
    }
    if (isEndedJob(job.status) && (before === undefined || !isEndedJob(before.status))) await this.#ended(job);
  }

  /** What counts as ended does not go on outside. Of a service without token and listing, and of bodies' own calls, nobody can say. */
  async #ended({ id, service, token, status, error }: JobRow): Promise<void> {
    const seen = this.#options.outside().seen(token);
    const how = `${status} (${error?.code})`;
    if (service !== "blind" && service !== "own")
      check(seen?.phase !== "running", `P6 job ${id} of "${service}" counts as ${how} and goes on`);
    if (status === "succeeded") {
      check(
        seen?.phase === "succeeded",
        `P4 job ${id} of "${service}" succeeded, where its service has ${seen?.phase}`,
      );
      const whole = await this.#options.store.findJob({ id });
      const { name } = (whole?.result ?? {}) as { readonly name?: string };
      check(name === seen.name, `P3 job ${id} has the result of ${name} in place of ${seen.name}`);
    }
  }

  /** Numbers go up by one, and all but the last have ended or are to end. */
  #numbered(rows: readonly JobRow[]): void {
    for (const jobs of Map.groupBy(rows, ({ runId, generation, key }) => `${runId}/${generation}/${key}`).values()) {
      const sorted = jobs.toSorted((a, b) => a.number - b.number);
      for (const [index, { id, number, status }] of sorted.entries()) {
        check(number === index + 1, `P5 job ${id} has number ${number} where ${index + 1} is due`);
        const isLast = index === sorted.length - 1;
        check(isLast || isEndedJob(status) || status === "cancelling", `P5 job ${id} is ${status} and has a successor`);
      }
    }
  }

  #judge(job: JobRow, run: RunRow | undefined, debt: ObligationRow | undefined): void {
    if (isEndedJob(job.status)) return;
    const of = `job "${job.key}" of ${run?.name}`;
    if (job.status === "cancelling") check(debt !== undefined, `P6 nobody owes the end of ${of}`);
    if (run === undefined) return;
    const isPast = isEnded(run.status) || run.generation !== job.generation;
    if (isPast) {
      check(job.status === "cancelling", `P6 ${run.name} is ${run.status}, and its ${of} is ${job.status} for ever`);
      check(debt?.forcedAt != null, `P6 ${run.name} is ${run.status} before its ${of} has ended`);
    }
    if (run.status === "cancelling") check(job.status === "cancelling", `P6 the order has not come to ${of}`);
  }
}

function isSame(before: JobRow | undefined, job: JobRow): boolean {
  return before !== undefined && before.epoch === job.epoch && before.status === job.status;
}
