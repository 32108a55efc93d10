import { type ActivationStart, AppError, type ChannelCall, isAppError, limits } from "@holdfast/protocol";
import { loadFailure, loadTask, type Outcome, runBody, settle } from "@holdfast/sdk/body";
import { type Clock, systemClock } from "../../clock.ts";
import type {
  ActivationEnd,
  ActivationJob,
  ActivationListener,
  ActivationVerdict,
  Placement,
  RunningActivation,
} from "../placement.ts";
import { RunningClock } from "../running-clock.ts";

type TaskCode = Awaited<ReturnType<typeof loadTask>>;

export interface InlinePlacementOptions {
  /** Absolute; modules are named relative to it. */
  readonly projectRoot: string;
  /** Activations at a time. */
  readonly concurrency: number;
  readonly clock?: Clock;
  /** Finds a task's code otherwise than by importing its module: for tests that hold the definition. */
  readonly find?: (start: ActivationJob["start"]) => TaskCode | Promise<TaskCode>;
  /** From abortSignal until the body is no longer heard; default 5 s. */
  readonly abortGraceMs?: number;
}

/** Runs bodies in this process: for tests and tiny trusted tasks. What is loaded stays loaded. */
export class InlinePlacement implements Placement {
  readonly name = "inline";
  readonly #options: Required<InlinePlacementOptions>;
  readonly #running = new Set<InlineActivation>();
  #frozen = false;
  #closed = false;

  constructor(options: InlinePlacementOptions) {
    const find = options.find ?? ((start) => loadUserTask(start, options.projectRoot));
    this.#options = { clock: systemClock, abortGraceMs: limits.abortGraceMs, ...options, find };
  }

  get free(): number {
    return this.#closed ? 0 : this.#options.concurrency - this.#running.size;
  }

  start(job: ActivationJob, listener: ActivationListener): RunningActivation {
    if (this.free <= 0) throw new Error("The inline placement has no free slot.");
    const onEnd = (): void => void this.#running.delete(activation);
    const activation = new InlineActivation(job, listener, { ...this.#options, onEnd });
    this.#running.add(activation);
    if (this.#frozen) activation.freeze();
    return activation;
  }

  freezeAll(): void {
    this.#frozen = true;
    for (const activation of this.#running) activation.freeze();
  }

  thawAll(): void {
    this.#frozen = false;
    for (const activation of this.#running) activation.thaw();
  }

  /** This process has loaded the code and goes on with it. */
  forgetCode(): void {}

  async close(): Promise<void> {
    this.#closed = true;
    for (const activation of [...this.#running]) activation.kill();
  }
}

interface Surroundings extends Required<InlinePlacementOptions> {
  readonly onEnd: () => void;
}

class InlineActivation implements RunningActivation {
  readonly ended: Promise<ActivationEnd>;
  readonly #listener: ActivationListener;
  readonly #around: Surroundings;
  readonly #clock: RunningClock;
  readonly #abort = new AbortController();
  #resolve: (end: ActivationEnd) => void = () => undefined;
  #lastCall: Promise<unknown> = Promise.resolve();
  #callsOpen = 0;
  #aborting: string | undefined;
  #over = false;

  constructor(job: ActivationJob, listener: ActivationListener, around: Surroundings) {
    this.#listener = listener;
    this.#around = around;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#clock = new RunningClock(around.clock, job.remainingMs, () => this.#stop({ how: "timed_out" }));
    this.#clock.run();
    void this.#run(job);
  }

  get ranMs(): number {
    return this.#clock.ranMs;
  }

  abort(reason: string): void {
    if (this.#over || this.#aborting !== undefined) return;
    this.#aborting = reason;
    this.#abort.abort(new Error(reason));
    const { clock, abortGraceMs } = this.#around;
    void clock.sleep(abortGraceMs).then(() => this.#stop({ how: "aborted", reason }));
  }

  kill(): void {
    this.#stop({ how: "aborted", reason: this.#aborting ?? "killed" });
  }

  freeze(): void {
    this.#clock.stop();
  }

  thaw(): void {
    if (!this.#over) this.#clock.run();
  }

  async #run(job: ActivationJob): Promise<void> {
    const { clock } = this.#around;
    try {
      const outcome = await this.#bodyOutcome(job);
      // Its run waits: the body is left where it stands for ever.
      if (outcome !== undefined) await settle(this.#call, outcome, (ms) => clock.sleep(ms));
      this.#end({ how: "settled" });
    } catch (error) {
      const refused = isAppError(error, "stale_epoch") || isAppError(error, "run_ended");
      if (refused && this.#aborting === undefined) this.#stop({ how: "refused" });
      else if (refused) this.#stop({ how: "aborted", reason: this.#aborting ?? "" });
      else {
        const message = `What the body ended with could not be said: ${error instanceof Error ? error.message : error}`;
        this.#stop({ how: "exited", code: null, signal: null, lost: false, message });
      }
    }
  }

  async #bodyOutcome({ start }: ActivationJob): Promise<Outcome | undefined> {
    const { projectRoot, find } = this.#around;
    let task: TaskCode;
    try {
      task = await find(start);
    } catch (error) {
      return loadFailure(error, projectRoot);
    }
    // A body may change what it is given; what the store holds must not change by it.
    const own = { ...start, input: structuredClone(start.input), steps: structuredClone(start.steps) };
    return await runBody({ task, start: own, call: this.#call, abortSignal: this.#abort.signal, projectRoot });
  }

  /** One at a time, in order. */
  readonly #call: ChannelCall = async (method, params) => {
    const before = this.#lastCall;
    const waits = this.#callsOpen > 0;
    this.#callsOpen++;
    const answer = (async () => {
      if (waits) await before;
      try {
        if (this.#over) throw new AppError("run_ended", "The activation has ended; nothing more is heard of it.");
        return await this.#listener.call(method, params);
      } finally {
        this.#callsOpen--;
      }
    })();
    this.#lastCall = answer.catch(() => undefined);
    return (await answer) as never;
  };

  /** Ends it whatever the body does: nothing that it says is heard any more. */
  #stop(verdict: ActivationVerdict): void {
    if (this.#over) return;
    this.#end(verdict);
    this.#abort.abort(new Error("The activation has ended."));
  }

  #end(verdict: ActivationVerdict): void {
    if (this.#over) return;
    this.#over = true;
    this.#clock.stop();
    this.#around.onEnd();
    this.#resolve({ ...verdict, ranMs: this.#clock.ranMs });
  }
}

let hook: Promise<void> | undefined;

/**
 * User code loads through the one module hook here too. It is registered once, when the first inline task comes: to ask the
 * loader at each activation costs more than a small body.
 */
async function loadUserTask(start: ActivationStart, projectRoot: string): Promise<TaskCode> {
  hook ??= import("@holdfast/sdk/module-hook").then(({ registerModuleHook }) => registerModuleHook());
  await hook;
  return loadTask(start, projectRoot);
}
