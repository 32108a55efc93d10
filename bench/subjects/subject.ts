/** How a system under measurement is asked. Each one runs in a process of its own and answers over its IPC channel. */
export interface SubjectOptions {
  /** Where its store is, in the system's own words. */
  readonly store: string;
  /** Activations or jobs at a time. */
  readonly concurrency: number;
  /** The system's documented best instead of its defaults. */
  readonly isTuned: boolean;
  /** Holdfast only: bodies in processes of their own. */
  readonly inProcesses: boolean;
  /** Of these: in children that run Python. */
  readonly inPython: boolean;
}

export interface Sizes {
  readonly drainRuns: number;
  /** Where a poll sets the pace: what was done in this time counts. */
  readonly drainMs: number;
  readonly enqueueRuns: number;
  readonly latencyRuns: number;
  readonly latencyGapMs: number;
  readonly chainRuns: number;
  readonly fanRuns: number;
  readonly processRuns: number;
  /** Schedules that are due in one second. */
  readonly schedules: number;
  /** Bodies of ten durable steps that each of the callers asks for. */
  readonly stepBodies: number;
  /** How many ended runs a store holds beside which its verbs are measured, and how often each is. */
  readonly endedRuns: number;
  readonly historyRepeats: number;
}

/** What a subject can be asked to do; each answers numbers, in what unit is said. */
export interface Subject {
  /** Opens the store and creates what is needed in it. */
  open(options: SubjectOptions): Promise<void>;
  /** Puts no-op tasks in, then starts to work: the stopwatch's rates until all have ended. */
  drain(sizes: Sizes): Promise<number[]>;
  /** Ten callers, each with one task a call: the stopwatch's rates. */
  enqueue(sizes: Sizes): Promise<number[]>;
  /** Milliseconds from just before the enqueuing call to the start of the body, one task at a time, in one process. */
  latency(sizes: Sizes): Promise<number[]>;
  /** Begins to work and notes delays, for {@link takeDelays}. */
  work(sizes: Sizes): Promise<number[]>;
  /** Enqueues one task after another that a working process elsewhere carries out. */
  submit(sizes: Sizes): Promise<number[]>;
  takeDelays(sizes: Sizes): Promise<number[]>;
  /** Chains of ten, fifty at a time: the stopwatch's rates of workflows. */
  chains(sizes: Sizes): Promise<number[]>;
  /** A workflow of 1,000 tasks, from its start to its result: milliseconds. */
  fan(sizes: Sizes): Promise<number[]>;
  /** Many schedules that are due in one second: milliseconds from their tick to the start of each body. */
  ticks(sizes: Sizes): Promise<number[]>;
  /** Bodies of ten durable steps, as many callers as activations at a time, each waiting for its result: the stopwatch's rates. */
  steps(sizes: Sizes): Promise<number[]>;
  close(): Promise<void>;
}

export type Question = Exclude<keyof Subject, "open" | "close">;

/** Answers questions of the process that forked this one until its channel closes. */
export function serveSubject(subject: Subject): void {
  const answer = async (message: unknown): Promise<number[]> => {
    const { ask, with: given } = message as { ask: keyof Subject; with: SubjectOptions & Sizes };
    if (ask === "open" || ask === "close") {
      await subject[ask](given);
      return [];
    }
    return subject[ask](given);
  };
  process.on("message", (message) => {
    answer(message).then(
      (numbers) => process.send?.({ numbers }),
      (error: unknown) =>
        process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : `${error}` }),
    );
  });
  process.on("disconnect", () => process.exit(0));
}

/** What is not a thing of the system: the bench does not ask for it. */
export function notAsked(what: string): () => Promise<number[]> {
  return () => Promise.reject(new Error(`This system is not asked for ${what}.`));
}

/** A system that is asked for bodies of steps alone. */
export abstract class StepsSubject implements Subject {
  readonly drain = notAsked("drain");
  readonly enqueue = notAsked("enqueue");
  readonly latency = notAsked("latency");
  readonly work = notAsked("latency");
  readonly submit = notAsked("latency");
  readonly takeDelays = notAsked("latency");
  readonly chains = notAsked("chains");
  readonly fan = notAsked("fan-out");
  readonly ticks = notAsked("schedules");
  abstract open(options: SubjectOptions): Promise<void>;
  abstract steps(sizes: Sizes): Promise<number[]>;
  abstract close(): Promise<void>;
}

/** Takes the time, and the processor time of this process, for a number of things. */
export class Stopwatch {
  readonly #startedMs = performance.now();
  readonly #cpu = process.cpuUsage();

  get ms(): number {
    return performance.now() - this.#startedMs;
  }

  /** How many things a second that were, and the microseconds of processor time that each one took here. */
  rates(count: number): number[] {
    const perSecond = (count / this.ms) * 1_000;
    const { user, system } = process.cpuUsage(this.#cpu);
    return [perSecond, (user + system) / count];
  }
}

/** Does `act` for 0 … count − 1, `callers` at a time. Answers the stopwatch's rates. */
export async function rateOf(
  count: number,
  callers: number,
  act: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const watch = new Stopwatch();
  let next = 0;
  const call = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      await act(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(callers, count) }, call));
  return watch.rates(count);
}

/** A reading of the machine's monotonic clock, which all its processes share. */
export function instant(): string {
  return process.hrtime.bigint().toString();
}
