import { Worker } from "node:worker_threads";
import { AppError } from "@holdfast/protocol";
import type { Failure, Order, Report } from "./messages.ts";
import type { Job } from "./programs.ts";

const fromSource = import.meta.url.endsWith(".ts");
const entry = new URL(fromSource ? "./thread.ts" : "./thread.js", import.meta.url);

/** A thread that nobody needs any more. */
const idleMs = 30_000;
/** V8 interrupts every pattern and expression; a thread that says nothing for so long is at something else. */
const silentMs = 60_000;
/** A job for the thread. */
export interface Work {
  readonly job: Job;
  /** Work of one subject is done in order, one at a time; subjects take turns. */
  readonly subject: object;
  /** The part that it goes on with. */
  readonly from: number;
  /** Asked before each share of time. */
  readonly boundMs: () => number;
}

/** How far it came. `overrun`: the part after the results took longer than `boundMs`. */
export interface Done {
  readonly results: unknown[];
  readonly overrun?: { readonly part: string; readonly hint: string; readonly boundMs: number };
  readonly failure?: Failure;
  /** The thread ended while it was at it: why. */
  readonly ended?: string;
}

interface Waiting extends Work {
  readonly id: number;
  readonly results: unknown[];
  readonly resolve: (done: Done) => void;
  isBegun: boolean;
  ranMs: number;
}

/** The node's side of the thread that evaluates what takes long. The thread is there while it is needed. */
export class EvaluationThread {
  readonly #longestMs: number;
  readonly #memoryMb: number;
  /** In the order in which subjects have their turns. */
  readonly #queues = new Map<object, Waiting[]>();
  #current: { readonly waiting: Waiting; readonly boundMs: number } | undefined;
  #worker: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextId = 1;

  /** `longestMs`: running time of one job, all its parts together. */
  constructor({ longestMs, memoryMb }: { longestMs: number; memoryMb: number }) {
    this.#longestMs = longestMs;
    this.#memoryMb = memoryMb;
  }

  /** How many wait for their turn with this subject. */
  waiting(subject: object): number {
    return this.#queues.get(subject)?.length ?? 0;
  }

  /** Resolves when the job is done, or as far as it came. Never rejects. */
  carryOut(work: Work): Promise<Done> {
    return new Promise((resolve) => {
      const waiting = { ...work, id: this.#nextId++, results: [], resolve, isBegun: false, ranMs: 0 };
      const queue = this.#queues.get(work.subject);
      if (queue === undefined) this.#queues.set(work.subject, [waiting]);
      else queue.push(waiting);
      this.#next();
    });
  }

  /** Ends the thread. What waits is told so. */
  async close(): Promise<void> {
    const closed = { message: "The node is closed.", code: "store_unavailable" } as const;
    for (const queue of this.#queues.values())
      for (const { resolve, results } of queue) resolve({ results, failure: closed });
    this.#queues.clear();
    this.#current = undefined;
    await this.#dismiss();
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const [queue] = this.#queues.values();
    const waiting = queue?.[0];
    if (queue === undefined || waiting === undefined) {
      this.#rest();
      return;
    }
    // The others have their turns before this subject has another.
    this.#queues.delete(waiting.subject);
    this.#queues.set(waiting.subject, queue);
    this.#order(waiting);
  }

  #order(waiting: Waiting): void {
    const { id, job, from, results, isBegun } = waiting;
    const boundMs = waiting.boundMs();
    const order: Order = { id, from: from + results.length, boundMs, ...(isBegun ? {} : { job }) };
    waiting.isBegun = true;
    this.#current = { waiting, boundMs };
    const worker = this.#worker ?? this.#start();
    worker.ref();
    worker.postMessage(order);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#dismiss(), silentMs);
  }

  #start(): Worker {
    const condition = fromSource ? ["--conditions=@holdfast/source"] : [];
    const worker = new Worker(entry, {
      execArgv: [...condition, "--no-warnings"],
      resourceLimits: { maxOldGenerationSizeMb: this.#memoryMb },
    });
    this.#worker = worker;
    worker.on("message", (report: Report) => this.#take(report));
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", () => {
      if (this.#worker === worker) this.#gone(cause);
    });
    return worker;
  }

  #take(report: Report): void {
    const current = this.#current;
    if (current === undefined || current.waiting.id !== report.id) return;
    this.#current = undefined;
    const { waiting, boundMs } = current;
    for (const result of report.results) waiting.results.push(result);
    waiting.ranMs += report.ranMs;
    const { results, ranMs } = waiting;
    const { overrun, failure } = report;
    if (overrun !== undefined) this.#end(waiting, { results, overrun: { ...overrun, boundMs } });
    else if (failure !== undefined) this.#end(waiting, { results, failure });
    else if (report.isDone) this.#end(waiting, { results });
    else if (ranMs >= this.#longestMs)
      this.#end(waiting, { results, overrun: { part: "", hint: "", boundMs: this.#longestMs } });
    this.#next();
  }

  /** The thread has ended: by what it was at, which is not begun again. What others had begun is. */
  #gone(cause: unknown): void {
    this.#worker = undefined;
    clearTimeout(this.#timer);
    const current = this.#current;
    this.#current = undefined;
    for (const queue of this.#queues.values()) for (const waiting of queue) waiting.isBegun = false;
    if (current !== undefined) {
      const ended = isOutOfMemory(cause) ? `it needed more than ${this.#memoryMb} MB of memory` : "it came to no end";
      this.#end(current.waiting, { results: current.waiting.results, ended });
    }
    this.#next();
  }

  #end(waiting: Waiting, done: Done): void {
    const queue = this.#queues.get(waiting.subject);
    if (queue?.[0] === waiting) queue.shift();
    if (queue?.length === 0) this.#queues.delete(waiting.subject);
    waiting.resolve(done);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    if (this.#worker === undefined) return;
    this.#worker.unref();
    this.#timer = setTimeout(() => void this.#dismiss(), idleMs).unref();
  }

  async #dismiss(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#worker?.terminate();
  }
}

function isOutOfMemory(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ERR_WORKER_OUT_OF_MEMORY";
}

/** The failure as it is thrown here. */
export function thrown({ code, message, hint, details }: Failure): Error {
  if (code === undefined) return new Error(message);
  return new AppError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
  });
}
