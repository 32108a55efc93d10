// Step 4 of 6: the supervisor starts an activation in a child, speaks for the control plane on its channel, keeps its
// limits, and says how it ended.

import { isAppError, loadedSchema, returnedSchema } from "@holdfast/protocol";
import type { Clock } from "../../clock.ts";
import type {
  ActivationEnd,
  ActivationJob,
  ActivationListener,
  ActivationVerdict,
  RunningActivation,
} from "../placement.ts";
import { RunningClock } from "../running-clock.ts";
import { ActivationOutput } from "./activation-output.ts";
import { Calls } from "./calls.ts";
import type { Child, ChildEnd } from "./child.ts";
import { CommandRun, say } from "./command-run.ts";
import { exitWords } from "./exit-words.ts";
import type { LogLimits } from "./log-budget.ts";
import type { MemoryWatch } from "./memory-watch.ts";

export interface SupervisorSettings {
  /** How long a new process may take to say hello. */
  readonly helloMs: number;
  /** How long the task's file, with all that it imports, may take to be loaded. */
  readonly loadMs: number;
  /** From abortSignal to TERM. */
  readonly abortGraceMs: number;
  /** From TERM to KILL. */
  readonly termGraceMs: number;
  readonly logLimits: LogLimits;
}

export interface Supervised {
  readonly child: Child;
  readonly job: ActivationJob;
  readonly listener: ActivationListener;
  readonly settings: SupervisorSettings;
  readonly clock: Clock;
  readonly memory: MemoryWatch;
  /** Resident bytes that the process may hold; undefined: no limit. */
  readonly memoryBytes: number | undefined;
  /** The activation has ended. */
  readonly onEnd: () => void;
  /** The child has ended its activation and is as clean as before it. */
  readonly onClean: (child: Child) => void;
}

/** After the acknowledgement, how long a child may take to say that it is clean. */
const returnedMs = 1_000;

export class Supervisor implements RunningActivation {
  readonly ended: Promise<ActivationEnd>;
  readonly #it: Supervised;
  readonly #clock: RunningClock;
  readonly #output: ActivationOutput;
  readonly #calls: Calls;
  /** Speaks for a plain command. */
  readonly #command: CommandRun | undefined;
  readonly #unwatch: () => void;
  #resolve: (end: ActivationEnd) => void = () => undefined;
  /** Decided before the process is gone; the first decision stands. */
  #verdict: ActivationVerdict | undefined;
  #over = false;
  #started = false;
  #frozen = false;
  #clean: boolean | undefined;
  #timer: NodeJS.Timeout | undefined;
  #loading: NodeJS.Timeout | undefined;

  constructor(it: Supervised) {
    this.#it = it;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#clock = new RunningClock(it.clock, it.job.remainingMs, () => this.#timeOut());
    this.#output = new ActivationOutput(it.settings.logLimits, (lines) => it.listener.lines(lines));
    this.#calls = this.#makeCalls();
    this.#command = it.job.start.executor === "process" ? new CommandRun() : undefined;
    const { child, memoryBytes } = it;
    child.listener = {
      ready: () => this.#start(),
      frame: (frame) => this.#frame(frame),
      output: (stream, bytes) => {
        this.#command?.take(stream, bytes);
        this.#output.take(stream, bytes);
      },
      gone: (end) => void this.#gone(end),
    };
    this.#unwatch =
      memoryBytes === undefined
        ? () => undefined
        : it.memory.watch(child.pid, memoryBytes, (bytes) => this.#tooLarge(bytes, memoryBytes));
    if (this.#command !== undefined) this.#begin();
    else if (child.ready) this.#start();
    else this.#awaitHello();
  }

  get ranMs(): number {
    return this.#clock.ranMs;
  }

  abort(reason: string): void {
    if (this.#over || this.#verdict !== undefined) return;
    this.#verdict = { how: "aborted", reason };
    this.#endGently(reason);
  }

  kill(): void {
    if (this.#over) return;
    this.#verdict ??= { how: "aborted", reason: "killed" };
    this.#calls.end("The activation has been killed.");
    this.#it.child.kill();
  }

  freeze(): void {
    if (this.#over || this.#frozen) return;
    this.#frozen = true;
    this.#clock.stop();
    this.#it.child.freeze();
  }

  thaw(): void {
    if (this.#over || !this.#frozen) return;
    this.#frozen = false;
    this.#it.child.wake();
    if (this.#started) this.#clock.run();
  }

  #makeCalls(): Calls {
    const { child, job, listener } = this.#it;
    return new Calls({
      nonce: job.start.nonce,
      call: (method, params) => listener.call(method, params),
      admitLines: (lines) => this.#output.admit(lines),
      handOverOutput: () => this.#handOverOutput(),
      reply: (reply) => child.send(reply),
      room: () => child.room(),
      crowded: (crowded) => (crowded ? child.deafen() : child.hear()),
      settled: (suspended) => this.#settled(suspended),
      refused: () => this.#refused(),
      violation: (reason) => child.fault(reason),
    });
  }

  #awaitHello(): void {
    const helloMs = this.#it.child.helloMs ?? this.#it.settings.helloMs;
    this.#timer = setTimeout(() => {
      if (this.#started || this.#over) return;
      if (this.#frozen) return this.#awaitHello();
      const message = `The process did not say hello within ${helloMs} ms of its start.`;
      this.#verdict ??= { how: "exited", code: null, signal: null, lost: true, message };
      this.#it.child.kill();
    }, helloMs);
  }

  /** From here on it runs. */
  #begin(): void {
    clearTimeout(this.#timer);
    this.#started = true;
    if (!this.#frozen) this.#clock.run();
  }

  /** It has said hello and is told what to run. */
  #start(): void {
    this.#begin();
    this.#awaitLoading();
    try {
      this.#it.child.send({ jsonrpc: "2.0", method: "activation.start", params: this.#it.job.start });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const message = `The input and the recorded steps do not fit into one message: ${why}`;
      this.#verdict = { how: "exited", code: null, signal: null, lost: false, message };
      this.#it.child.kill();
    }
  }

  /** What stands in a file outside of tasks may never end, and no timeout of a task speaks of it. */
  #awaitLoading(): void {
    const { child, job, settings } = this.#it;
    const { start } = job;
    if (child.hasLoaded || start.executor !== "typescript") return;
    this.#loading = setTimeout(() => {
      if (this.#over || this.#verdict !== undefined) return;
      if (this.#frozen) return this.#awaitLoading();
      const message = `${start.source.module} has not come to the end of its loading within ${settings.loadMs / 1_000} s.`;
      const hint =
        "Code outside of tasks runs when a file is loaded: a loop or an await there never ends. Move it into the task.";
      this.#verdict = { how: "exited", code: null, signal: "SIGKILL", lost: false, message, hint };
      child.kill();
    }, settings.loadMs);
  }

  #frame(frame: unknown): void {
    const method = typeof frame === "object" && frame !== null && "method" in frame ? frame.method : undefined;
    if (method === "activation.loaded" && loadedSchema.safeParse(frame).success) {
      clearTimeout(this.#loading);
      this.#it.child.hasLoaded = true;
      return;
    }
    if (method !== "activation.returned") {
      this.#calls.take(frame);
      return;
    }
    const returned = returnedSchema.safeParse(frame);
    if (!returned.success || returned.data.params.nonce !== this.#it.job.start.nonce) return;
    this.#clean ??= returned.data.params.clean;
    this.#it.child.noteCode(returned.data.params.loaded ?? []);
    if (this.#over) this.#letGo();
  }

  /**
   * What was printed before a call is in the pipes when the call arrives. Two turns of the loop after that, it has been
   * read: the first ends the turn under way, the second has asked the pipes.
   */
  async #handOverOutput(): Promise<void> {
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await this.#output.flush();
  }

  /** A body that waits does not return: its process ends (P7). */
  #settled(suspended: boolean): void {
    if (this.#over) return;
    this.#end({ how: "settled" });
    if (suspended) this.#it.child.kill();
    else this.#letGo();
  }

  /** After the acknowledgement: back to the pool when clean, ended when not, and soon when it does not say. */
  #letGo(): void {
    const { child, job } = this.#it;
    clearTimeout(this.#timer);
    if (this.#clean === undefined && child.alive) {
      this.#timer = setTimeout(() => child.kill(), returnedMs);
      return;
    }
    const reusable = this.#clean === true && this.#verdict === undefined && job.task.isolation === "pool";
    if (reusable && child.alive) this.#it.onClean(child);
    else child.kill();
  }

  #refused(): void {
    this.#verdict ??= { how: "refused" };
    this.#it.child.kill();
  }

  #timeOut(): void {
    if (this.#over || this.#verdict !== undefined) return;
    this.#verdict = { how: "timed_out" };
    this.#calls.close("The attempt's time was over before the body returned.");
    this.#endGently("The attempt's time is over.");
  }

  #endGently(reason: string): void {
    const { child, job, settings } = this.#it;
    if (!this.#started || this.#frozen) {
      child.kill();
      return;
    }
    const terminate = () => {
      child.terminate();
      this.#timer = setTimeout(() => child.kill(), settings.termGraceMs);
    };
    // A plain command does not listen to anything but signals.
    if (!child.ready) terminate();
    else {
      child.send({ jsonrpc: "2.0", method: "activation.abort", params: { nonce: job.start.nonce, reason } });
      this.#timer = setTimeout(terminate, settings.abortGraceMs);
    }
  }

  #tooLarge(bytes: number, maxBytes: number): void {
    if (this.#over || this.#verdict !== undefined) return;
    const message = `The process held ${mib(bytes)} of memory; the limit is ${mib(maxBytes)}.`;
    const hint = "Process the data in parts, or raise the task's memory.";
    this.#verdict = { how: "exited", code: null, signal: "SIGKILL", lost: false, message, hint };
    this.#it.child.kill();
  }

  async #gone(end: ChildEnd): Promise<void> {
    clearTimeout(this.#timer);
    clearTimeout(this.#loading);
    // A result that was said before the end is still heard: its acknowledgement decides.
    await this.#calls.idle();
    if (this.#over) return;
    this.#clock.stop();
    const verdict = this.#verdict ?? (await this.#conclude(end));
    if (verdict.how === "exited") this.#output.say("error", verdict.message);
    await this.#output.flush();
    this.#end(verdict);
  }

  /** A plain command's own end says how it went; everybody else has to have said so before. */
  async #conclude(end: ChildEnd): Promise<ActivationVerdict> {
    if (this.#command === undefined || end.fault !== undefined) return this.#explain(end);
    if (end.code !== 0) return this.#command.failed({ code: end.code, signal: end.signal });
    await this.#output.flush();
    try {
      const { listener, clock } = this.#it;
      const isWanted = () => this.#verdict === undefined;
      await say({
        outcome: this.#command.returned(),
        call: (method, params) => listener.call(method, params),
        clock,
        isWanted,
      });
      return { how: "settled" };
    } catch (error) {
      if (this.#verdict !== undefined) return this.#verdict;
      if (isAppError(error, "stale_epoch") || isAppError(error, "run_ended")) return { how: "refused" };
      const message = `What the command ended with could not be said: ${error instanceof Error ? error.message : error}`;
      return { how: "exited", code: end.code, signal: end.signal, lost: false, message };
    }
  }

  #explain(end: ChildEnd): ActivationVerdict {
    const { code, signal, fault } = end;
    const { child, job } = this.#it;
    if (fault === undefined) {
      return { how: "exited", code, signal, ...exitWords(end, child.ready, job.start.executor) };
    }
    // Without an exit code and signal it was never a process: the machine's fault.
    const lost = code === null && signal === null;
    const message = lost ? fault : `The process was ended for what it said on the channel. ${fault}`;
    return { how: "exited", code, signal, lost, message };
  }

  #end(verdict: ActivationVerdict): void {
    this.#over = true;
    this.#clock.stop();
    this.#unwatch();
    clearTimeout(this.#timer);
    this.#it.onEnd();
    this.#resolve({ ...verdict, ranMs: this.#clock.ranMs });
  }
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
