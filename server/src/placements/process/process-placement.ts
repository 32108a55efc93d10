import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { limits } from "@holdfast/protocol";
import { type Clock, systemClock } from "../../clock.ts";
import { type Logger, silentLog } from "../../log.ts";
import type { ActivationJob, ActivationListener, Placement, RunningActivation } from "../placement.ts";
import type { Child } from "./child.ts";
import { childEnvironment } from "./environment.ts";
import { Guard } from "./guard.ts";
import type { LogLimits } from "./log-budget.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { Pool } from "./pool.ts";
import { Supervisor, type SupervisorSettings } from "./supervisor.ts";

export interface ProcessPlacementOptions extends Partial<SupervisorSettings> {
  /** Absolute; modules are named relative to it, and it is the children's working folder. */
  readonly projectRoot: string;
  /** Activations at a time. */
  readonly concurrency: number;
  /** What children get besides PATH, HOME, LANG, TZ and TMPDIR. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Children started ahead so that a first activation need not wait for Node; default 1. */
  readonly spareChildren?: number;
  /** After this long without use a warm child is ended; default one minute. */
  readonly idleMs?: number;
  /** For tasks that state no limit of their own. */
  readonly memoryBytes?: number;
  readonly clock?: Clock;
  readonly log?: Logger;
  /** What children run instead of the SDK's entry: another language's, or a test's. */
  readonly command?: { readonly command: string; readonly args: readonly string[] };
}

const defaultLogLimits: LogLimits = {
  lines: limits.logLinesPerActivation,
  bytes: 64 * 1024 * 1024,
  burstLines: 20_000,
  linesPerSecond: 1_000,
};

/** Runs each activation in a supervised child process, warm where that is safe. */
export class ProcessPlacement implements Placement {
  readonly name = "process";
  readonly #options: ProcessPlacementOptions;
  readonly #settings: SupervisorSettings;
  readonly #clock: Clock;
  readonly #guard: Guard;
  readonly #pool: Pool;
  readonly #memory = new MemoryWatch();
  readonly #running = new Set<Supervisor>();
  #codeGeneration = 0;
  #frozen = false;
  #closed = false;

  constructor(options: ProcessPlacementOptions) {
    this.#options = options;
    this.#settings = {
      helloMs: options.helloMs ?? 30_000,
      abortGraceMs: options.abortGraceMs ?? 5_000,
      termGraceMs: options.termGraceMs ?? 5_000,
      logLimits: options.logLimits ?? defaultLogLimits,
    };
    this.#clock = options.clock ?? systemClock;
    const log = options.log ?? silentLog;
    this.#guard = new Guard(() => {
      log.error({}, "The guard of child processes cannot be kept alive; the children are stopped.");
      this.#pool.killAll();
    });
    this.#pool = new Pool({
      start: {
        ...(options.command ?? nodeCommand()),
        projectRoot: options.projectRoot,
        environment: childEnvironment(process.env, options.environment ?? {}),
      },
      guard: this.#guard,
      spareChildren: options.spareChildren ?? 1,
      idleMs: options.idleMs ?? 60_000,
    });
  }

  get free(): number {
    return this.#closed ? 0 : this.#options.concurrency - this.#running.size;
  }

  /** What runs and waits, for tests and `doctor`. */
  get processes(): { readonly guard: number | undefined; readonly spare: number; readonly warm: number } {
    return { guard: this.#guard.pid, ...this.#pool.waiting };
  }

  start(job: ActivationJob, listener: ActivationListener): RunningActivation {
    if (this.free <= 0) throw new Error("The process placement has no free slot.");
    const { executor } = job.start;
    if (executor !== "typescript") return notStarted(`Tasks of the executor ${executor} cannot run yet.`, false);
    let child: Child;
    try {
      child = this.#pool.take(this.#useKey(job));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return notStarted(`No process could be started: ${why}`, true);
    }
    const supervisor: Supervisor = new Supervisor({
      child,
      job,
      listener,
      settings: this.#settings,
      clock: this.#clock,
      memory: this.#memory,
      memoryBytes: job.task.memoryBytes ?? this.#options.memoryBytes,
      onEnd: () => this.#running.delete(supervisor),
      onClean: (clean) => this.#keep(clean, job),
    });
    this.#running.add(supervisor);
    this.#pool.trim(this.#options.concurrency - this.#running.size);
    if (this.#frozen) supervisor.freeze();
    return supervisor;
  }

  freezeAll(): void {
    this.#frozen = true;
    for (const supervisor of this.#running) supervisor.freeze();
  }

  thawAll(): void {
    this.#frozen = false;
    for (const supervisor of this.#running) supervisor.thaw();
  }

  forgetCode(): void {
    this.#codeGeneration++;
    this.#pool.renew();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const ends = [...this.#running].map((supervisor) => {
      supervisor.kill();
      return supervisor.ended;
    });
    await Promise.all([...ends, this.#pool.close()]);
    await this.#guard.close();
  }

  #keep(child: Child, job: ActivationJob): void {
    if (child.useKey === this.#useKey(job)) this.#pool.keep(child);
    else child.kill(); // its code has changed meanwhile
  }

  /** Children are used again only for the same definition, grants and code. */
  #useKey(job: ActivationJob): string {
    const { source, run } = job.start;
    const stamp = "module" in source ? fileStamp(join(this.#options.projectRoot, source.module)) : "";
    return [this.#codeGeneration, run.definition, JSON.stringify(source), stamp, ...job.grants].join("\u0000");
  }
}

/** An activation that ended before it began. `lost`: for want of memory or process numbers, which is no fault of the task. */
function notStarted(message: string, lost: boolean): RunningActivation {
  const end = { how: "exited", code: null, signal: null, lost, message, ranMs: 0 } as const;
  const nothing = () => undefined;
  return { ended: Promise.resolve(end), ranMs: 0, abort: nothing, freeze: nothing, thaw: nothing, kill: nothing };
}

/** Tells an edited module from the one that was loaded. What it imports is for `forgetCode`. */
function fileStamp(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
}

/** The SDK's child under this same Node. From source it needs the condition that names our TypeScript files. */
function nodeCommand(): { readonly command: string; readonly args: readonly string[] } {
  const entry = fileURLToPath(import.meta.resolve("@holdfast/sdk/child"));
  const conditions = entry.endsWith(".ts") ? ["--conditions=@holdfast/source"] : [];
  return { command: process.execPath, args: [...conditions, "--disable-warning=ExperimentalWarning", entry] };
}
