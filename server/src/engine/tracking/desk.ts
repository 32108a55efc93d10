import {
  canonicalText,
  isEndedJob,
  type JobWatch,
  type Json,
  type Observation,
  type PollResult,
} from "@holdfast/protocol";
import type { JobNoteResult } from "../../core/index.ts";
import { type Acted, type DeskContext, failureIn, outcomeOf, type Said } from "./desk-context.ts";
import type { DueHeap } from "./due-heap.ts";
import { type HeldJob, type JobDesk, refOf } from "./held-job.ts";
import { JobEnder } from "./job-ender.ts";
import { type CallOutcome, Lane, type Line } from "./lane.ts";
import { failedLook, judgeLook, type Looking, type Verdict } from "./looking.ts";
import { backOffMs } from "./pace.ts";
import { Submitter } from "./submitter.ts";
import type { Teller, Word } from "./teller.ts";

/** Jobs of one connection that are watched; others are polled. */
const watchedJobs = 10_000;
/** One that is not watched any more is looked at within so long: many cease to be watched at once. */
const unwatchedMs = 5_000;

export interface DeskOptions extends Omit<DeskContext, "say"> {
  readonly teller: Teller;
  readonly heap: DueHeap<HeldJob | Line<HeldJob>>;
  readonly limitCalls: number;
  readonly lineCalls: number;
  readonly batchRows: number;
  readonly noteEveryMs: () => number;
  /** No calls are made at present. */
  readonly isHalted: () => boolean;
  /** Has something done about a job in a while. */
  readonly again: (job: HeldJob, inMs: number) => void;
  /** The job is not this node's any more. */
  readonly over: (job: HeldJob) => void;
  readonly counted: (verb: "look" | "act", outcome: CallOutcome | undefined, jobs: number) => void;
  /** The store, or something here, failed in the middle of an act. */
  readonly failed: (error: unknown) => void;
}

/** What concerns the jobs of one service by one connection. */
export class Desk implements JobDesk {
  readonly lane: Lane<HeldJob>;
  readonly #options: DeskOptions;
  readonly #submitter: Submitter;
  readonly #ender: JobEnder;
  readonly #watched = new Map<string, HeldJob>();
  #watch: JobWatch | undefined;
  /** To be watched from the next flush on. */
  #unwatched: Json[] = [];
  #acting = 0;

  constructor(options: DeskOptions) {
    this.#options = options;
    const context: DeskContext = {
      ...options,
      say: async (job, news) => (await this.#say([{ job, news }]))[0] ?? "over",
    };
    this.#ender = new JobEnder(context);
    this.#submitter = new Submitter(context, this.#ender);
    this.lane = new Lane<HeldJob>({
      ...options,
      look: (jobs) => this.#look(jobs),
      act: (job) => this.#act(job),
    });
  }

  get service(): string {
    return this.#options.address.service;
  }

  /** Acts under way. */
  get acting(): number {
    return this.#acting;
  }

  ask(job: HeldJob): void {
    if (this.#needsAct(job)) this.lane.askAct(job);
    else this.lane.askLook(job);
  }

  /** Hears of the job from now on, if its service tells by itself. */
  watch(job: HeldJob): void {
    if (this.#watched.size >= watchedJobs) return;
    const key = job.refText;
    if (key === null || this.#watched.has(key)) return;
    this.#watched.set(key, job);
    this.#unwatched.push(refOf(job));
  }

  /** Has watched what is to be. */
  flush(): void {
    const refs = this.#unwatched;
    if (refs.length === 0) return;
    this.#unwatched = [];
    this.#watch ??= this.#openWatch();
    this.#watch.add(refs);
  }

  forget(job: HeldJob): void {
    job.isDropped = true;
    const key = job.refText;
    if (key === null || this.#watched.get(key) !== job) return;
    this.#watched.delete(key);
    this.#watch?.remove([refOf(job)]);
  }

  close(): void {
    this.#watch?.close();
    this.#watched.clear();
  }

  #openWatch(): JobWatch {
    const { tracking, address } = this.#options;
    return tracking.watch({
      ...address,
      onObservation: (ref, observation) => this.#hear(ref, observation),
      onWatched: (ref, isWatched) => this.#turn(ref, isWatched),
    });
  }

  #hear(ref: Json, observation: Observation): void {
    const job = this.#watched.get(canonicalText(ref));
    if (job === undefined || job.unsaid !== null || this.#options.isHalted()) return;
    void this.#settle([job], [{ observation }]);
  }

  #turn(ref: Json, isWatched: boolean): void {
    const { again, clock, random } = this.#options;
    const job = this.#watched.get(canonicalText(ref));
    if (job === undefined || job.isWatched === isWatched) return;
    job.isWatched = isWatched;
    const inMs = random.fraction() * unwatchedMs;
    if (!isWatched && !job.isAsked && job.dueMs > clock.monotonicMs() + inMs) again(job, inMs);
  }

  #needsAct({ unsaid, submitting, givenUp, isOrdered, cancelAtMs }: HeldJob): boolean {
    if (unsaid !== null || submitting !== null || givenUp !== null) return true;
    return isOrdered && this.#options.clock.monotonicMs() >= cancelAtMs;
  }

  async #act(job: HeldJob): Promise<CallOutcome | undefined> {
    const { random, again, counted, failed } = this.#options;
    this.#acting += 1;
    let acted: Acted = { nextInMs: backOffMs(1, {}, random) };
    try {
      acted = await this.#doAct(job);
    } catch (error) {
      failed(error);
    }
    this.#acting -= 1;
    job.isAsked = false;
    counted("act", acted.outcome, 1);
    if (!job.isDropped) again(job, acted.nextInMs);
    return acted.outcome;
  }

  async #doAct(job: HeldJob): Promise<Acted> {
    if (job.unsaid !== null) return await this.#submitter.sayThere(job);
    if (job.submitting !== null) return await this.#submitter.act(job, job.submitting);
    if (job.givenUp !== null) return await this.#ender.giveUp(job, job.givenUp);
    return job.isOrdered ? await this.#ender.act(job) : { nextInMs: 0 };
  }

  async #look(jobs: readonly HeldJob[]): Promise<CallOutcome> {
    const { tracking, address, counted } = this.#options;
    let results: readonly PollResult[];
    try {
      results = await tracking.poll({ ...address, refs: jobs.map(refOf) });
    } catch (error) {
      const failure = failureIn(error);
      results = jobs.map(() => ({ failure }));
    }
    const outcome = outcomeOfLook(results);
    counted("look", outcome, jobs.length);
    for (const job of jobs) job.isAsked = false;
    await this.#settle(jobs, results);
    return outcome;
  }

  /** Tells what a look has shown, and has the next one come in its time. */
  async #settle(jobs: readonly HeldJob[], results: readonly PollResult[]): Promise<void> {
    const { again, random, failed } = this.#options;
    const looking = this.#looking();
    const verdicts = jobs.map((job, index): Verdict => {
      const result = results[index];
      if (result !== undefined) return judgeLook(job, result, looking);
      return failedLook(
        job,
        { fault: "transient", code: "no_result", message: "Its tracker said nothing of it." },
        looking,
      );
    });
    const words = jobs.flatMap((job, index): Word[] => {
      const news = verdicts[index]?.news ?? null;
      return news === null ? [] : [{ job, news }];
    });
    const untold = await this.#say(words).then(
      () => new Set<HeldJob>(),
      (error: unknown) => {
        failed(error);
        return new Set(words.map(({ job }) => job));
      },
    );
    for (const [index, job] of jobs.entries()) {
      if (job.isDropped) continue;
      // What was to be said is seen again by the next look, and is news then.
      if (untold.has(job)) job.errorCode = "untold";
      const inMs = untold.has(job) ? backOffMs(1, {}, random) : (verdicts[index]?.nextInMs ?? 0);
      again(job, job.isOrdered ? Math.max(0, Math.min(inMs, job.cancelAtMs - looking.nowMs)) : inMs);
    }
  }

  #looking(): Looking {
    const { clock, random, noteEveryMs } = this.#options;
    return { nowMs: clock.monotonicMs(), random, noteEveryMs: noteEveryMs() };
  }

  async #say(words: readonly Word[]): Promise<Said[]> {
    const results = await this.#options.teller.tell(words);
    return words.map(({ job }, index) => this.#heard(job, results[index]));
  }

  #heard(job: HeldJob, result: JobNoteResult | undefined): Said {
    switch (result?.outcome) {
      case "cancelling":
        job.isOrdered = true;
        return "ordered";
      case "noted":
        if (result.status === "cancelling") job.isOrdered = true;
        if (!isEndedJob(result.status) && result.status !== "unknown") return "noted";
        break;
      default:
    }
    this.#options.over(job);
    return "over";
  }
}

function outcomeOfLook(results: readonly PollResult[]): CallOutcome {
  const failures = results.flatMap((result) => ("failure" in result ? [outcomeOf(result.failure)] : []));
  const waits = failures.flatMap(({ waitMs }) => waitMs ?? []);
  const reached = failures.length < results.length || failures.some((one) => one.reached);
  return { reached, waitMs: waits.length === 0 ? undefined : Math.max(...waits) };
}
