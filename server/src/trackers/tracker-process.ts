import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { encodeFrame, FrameDecoder, type Json, TrackingError, type TrackingFailure } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import { withoutForeign } from "../descriptors.ts";
import type { Guard } from "../guard.ts";
import { PrintedLines } from "./printed-lines.ts";
import {
  type Order,
  type Said,
  type StartParams,
  saidSchema,
  type TrackingMethod,
  type TrackingParams,
  type TrackingResult,
  trackingMethods,
} from "./wire.ts";

export interface TrackerProcessOptions {
  readonly start: StartParams;
  readonly projectRoot: string;
  /** The whole environment: nothing else is passed on. */
  readonly environment: Readonly<Record<string, string>>;
  /** How long it may not answer at all. */
  readonly silenceMs: number;
  readonly guard: Guard;
  readonly clock: Clock;
  /** What it prints, and what befalls it. */
  readonly log: (level: "info" | "warn", text: string) => void;
  /** Each time that a process is ready: it knows nothing of what its predecessor watched. */
  readonly onReady: () => void;
  readonly onSaid: (said: Extract<Said, { method: "observed" | "watched" }>) => void;
  readonly onGone: () => void;
}

interface Pending {
  readonly method: TrackingMethod;
  readonly settle: (outcome: { readonly result: unknown } | { readonly failure: TrackingFailure }) => void;
}

interface Life {
  readonly child: ChildProcess;
  readonly channel: Socket;
  readonly ready: PromiseWithResolvers<void>;
  readonly pending: Map<number, Pending>;
  readonly gone: Promise<void>;
  isWatchedOver: boolean;
}

const entry = fileURLToPath(new URL(`./process${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url));
/** What a tracker may hold; one that holds more ends, alone, and is started again. */
const heapMegabytes = 1_024;
const startMs = 60_000;
const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** A process that lived so long had no quick death. */
const steadyMs = 60_000;

/**
 * One tracker process, supervised: started when it is first needed, in a group of its own, ended with this process by the guard, started
 * again with a growing pause when it dies. A call under way then fails as transient.
 */
export class TrackerProcess {
  readonly #options: TrackerProcessOptions;
  #life: Life | undefined;
  #nextId = 1;
  #quickDeaths = 0;
  #notBeforeMs = 0;
  #closed = false;

  constructor(options: TrackerProcessOptions) {
    this.#options = options;
  }

  /** The process, for tests. */
  get pid(): number | undefined {
    return this.#life?.child.pid;
  }

  /** Rejects with TrackingError: what the process says, or that it gave no answer in time. */
  async call<M extends TrackingMethod>(
    method: M,
    params: TrackingParams<M>,
    limitMs: number,
  ): Promise<TrackingResult<M>> {
    const life = await this.#alive();
    const outcome = await this.#ask(life, method, params as Json, limitMs);
    if ("failure" in outcome) throw new TrackingError(outcome.failure);
    const parsed = trackingMethods[method].result.safeParse(outcome.result);
    if (parsed.success) return parsed.data as TrackingResult<M>;
    throw failed(
      "malformed_answer",
      `The tracker process answered ${method} with what it cannot mean.`,
      undecided(method),
    );
  }

  /** Tells the process, if there is one that is ready; one that is started later is told by `onReady`. */
  order(order: Order): void {
    if (this.#life !== undefined) send(this.#life, order);
  }

  /** Starts the process if there is none. */
  wake(): void {
    this.#alive().catch(() => undefined);
  }

  /** Ends the process; the next call starts another. */
  async end(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    endGroup(life.child);
    await life.gone;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.end();
  }

  async #alive(): Promise<Life> {
    if (this.#closed) throw failed("closed", "The node is shutting down.");
    if (this.#life === undefined) {
      const waitMs = this.#notBeforeMs - this.#options.clock.monotonicMs();
      if (waitMs > 0)
        throw failed("tracker_process", "The tracker process died and is not started again yet.", {
          retryAfterMs: Math.ceil(waitMs),
        });
      this.#life = this.#start();
    }
    const life = this.#life;
    await life.ready.promise;
    return life;
  }

  #ask(
    life: Life,
    method: TrackingMethod,
    params: Json,
    limitMs: number,
  ): Promise<{ result: unknown } | { failure: TrackingFailure }> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        settle({ failure: failed("timeout", `${method} was not answered in time.`, undecided(method)).failure });
        send(life, { jsonrpc: "2.0", method: "stop", params: { id } });
      }, limitMs);
      const settle: Pending["settle"] = (outcome) => {
        clearTimeout(timer);
        life.pending.delete(id);
        resolve(outcome as { result: unknown });
      };
      life.pending.set(id, { method, settle });
      try {
        send(life, { jsonrpc: "2.0", id, method, params });
        if (!life.isWatchedOver) void this.#watchOver(life);
      } catch (error) {
        // What is too large to be started is so for good; of a job that is there already, our own channel says nothing.
        const fault = method === "prepare" || method === "adopt" || method === "submit" ? "permanent" : "transient";
        settle({
          failure: failed("too_large", error instanceof Error ? error.message : String(error), { fault }).failure,
        });
      }
    });
  }

  /** While it has something to answer, a process that does not even say that it is there is in a loop, or stopped: it is ended. */
  async #watchOver(life: Life): Promise<void> {
    const { silenceMs, log } = this.#options;
    life.isWatchedOver = true;
    while (life.pending.size > 0 && this.#life === life) {
      // A node that has closed does not stay for it.
      await new Promise((resolve) => setTimeout(resolve, silenceMs / 2).unref());
      if (life.pending.size === 0 || this.#life !== life) break;
      const outcome = await this.#ask(life, "ping", {}, silenceMs);
      if (!("failure" in outcome) || this.#life !== life) continue;
      log("warn", "The tracker process does not answer any more and is ended.");
      endGroup(life.child);
      break;
    }
    life.isWatchedOver = false;
  }

  #start(): Life {
    const { options, startedMs } = { options: this.#options, startedMs: this.#options.clock.monotonicMs() };
    const conditions = entry.endsWith(".ts") ? ["--conditions=@holdfast/source"] : [];
    const child = spawn(
      process.execPath,
      [...conditions, "--disable-warning=ExperimentalWarning", `--max-old-space-size=${heapMegabytes}`, entry],
      {
        cwd: options.projectRoot,
        env: options.environment,
        detached: true,
        stdio: withoutForeign(["ignore", "pipe", "pipe", "pipe"]),
      },
    );
    if (child.pid !== undefined) options.guard.add(child.pid);
    const gone = Promise.withResolvers<void>();
    const channel = child.stdio[3] as unknown as Socket;
    const life: Life = {
      child,
      channel,
      ready: Promise.withResolvers(),
      pending: new Map(),
      gone: gone.promise,
      isWatchedOver: false,
    };
    life.ready.promise.catch(() => undefined);
    const late = setTimeout(() => endGroup(child), startMs);
    void life.ready.promise.finally(() => clearTimeout(late)).catch(() => undefined);
    const ended = (how: string): void => {
      if (child.pid !== undefined) options.guard.remove(child.pid);
      this.#ended(life, how, startedMs);
      gone.resolve();
    };
    child.once("error", (error) => {
      if (child.pid === undefined) ended(error.message);
    });
    child.once("exit", (code, signal) => {
      // A leader with this number again: its group was empty, and the number is another's now.
      if (!existsSync(`/proc/${child.pid}`)) endGroup(child);
      ended(signal === null ? `exit code ${code}` : signal);
    });
    this.#hear(life);
    send(life, { jsonrpc: "2.0", method: "start", params: options.start });
    return life;
  }

  #hear(life: Life): void {
    const decoder = new FrameDecoder();
    const { child, channel } = life;
    channel.on("error", () => undefined); // it is ending: "exit" follows
    channel.on("data", (bytes: Buffer) => {
      const warn = (what: string, error: unknown) => {
        this.#options.log("warn", `${what}: ${String(error).slice(0, 500)}`);
      };
      let heard: Said[];
      try {
        heard = decoder.push(bytes).map((frame) => saidSchema.parse(frame));
      } catch (error) {
        warn("The tracker process said what cannot be understood and is ended", error);
        endGroup(child);
        return;
      }
      for (const said of heard) {
        try {
          this.#take(life, said);
        } catch (error) {
          // What is made of it here is no fault of the process, which others need as well.
          warn("What the tracker process said was not taken in", error);
        }
      }
    });
    for (const stream of [child.stdout, child.stderr]) {
      const lines = new PrintedLines(this.#options.clock, (line) => this.#options.log("info", line));
      stream?.setEncoding("utf8").on("data", (text: string) => lines.push(text));
      stream?.on("error", () => undefined).on("end", () => lines.end());
    }
  }

  #take(life: Life, said: Said): void {
    if ("result" in said) life.pending.get(said.id)?.settle({ result: said.result });
    else if ("error" in said) life.pending.get(said.id)?.settle({ failure: said.error.data as TrackingFailure });
    else if (said.method === "ready") {
      life.ready.resolve();
      this.#options.onReady();
    } else if (said.method === "broken") {
      this.#options.log("warn", `The tracker ${said.params.file} cannot be loaded: ${said.params.message}`);
    } else this.#options.onSaid(said);
  }

  #ended(life: Life, how: string, startedMs: number): void {
    if (this.#life === life) this.#life = undefined;
    const { clock, log, onGone } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#quickDeaths = nowMs - startedMs >= steadyMs ? 1 : this.#quickDeaths + 1;
    // The first death is made good at once.
    const pauseMs = this.#quickDeaths === 1 ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (this.#quickDeaths - 2));
    this.#notBeforeMs = nowMs + pauseMs;
    if (!this.#closed) log("warn", `The tracker process ended (${how}).`);
    const why = `The tracker process ended (${how}).`;
    life.ready.reject(failed("tracker_process", why));
    for (const { method, settle } of [...life.pending.values()])
      settle({ failure: failed("tracker_process", why, undecided(method)).failure });
    onGone();
  }
}

function send(life: Life, message: object): void {
  if (life.channel.writable) life.channel.write(encodeFrame(message));
}

/** What it was asked may have been done. */
function undecided(method: TrackingMethod): Partial<TrackingFailure> {
  return method === "submit" || method === "cancel" ? { undecided: true } : {};
}

function failed(code: string, message: string, more: Partial<TrackingFailure> = {}): TrackingError {
  return new TrackingError({ fault: "transient", code, message, ...more });
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}
