import { statSync } from "node:fs";
import { join } from "node:path";
import { fileStamp, limits } from "@holdfast/protocol";
import { type Clock, systemClock } from "../../clock.ts";
import { Guard } from "../../guard.ts";
import { type Logger, silentLog } from "../../log.ts";
import { NoPython } from "../../python-interpreter.ts";
import type { ActivationJob, ActivationListener, Placement, RunningActivation } from "../placement.ts";
import type { Child } from "./child.ts";
import { InputFolder } from "./input-folder.ts";
import type { LogLimits } from "./log-budget.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { Pool } from "./pool.ts";
import type { Program } from "./program.ts";
import { Programs } from "./programs.ts";
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
  /** The Python of Python tasks: a path (relative to the root) or a program's name; else it is looked for. */
  readonly python?: string;
  /** What TypeScript children run instead of the SDK's entry: a test's. */
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
  readonly #programs: Programs;
  readonly #memory = new MemoryWatch();
  readonly #running = new Set<Supervisor>();
  #codeGeneration = 0;
  #frozen = false;
  #closed = false;

  constructor(options: ProcessPlacementOptions) {
    this.#options = options;
    this.#settings = {
      helloMs: options.helloMs ?? 30_000,
      loadMs: options.loadMs ?? 60_000,
      abortGraceMs: options.abortGraceMs ?? limits.abortGraceMs,
      termGraceMs: options.termGraceMs ?? limits.termGraceMs,
      logLimits: options.logLimits ?? defaultLogLimits,
    };
    this.#clock = options.clock ?? systemClock;
    const log = options.log ?? silentLog;
    this.#guard = new Guard(() => {
      log.error({}, "The guard of child processes cannot be kept alive; the children are stopped.");
      this.#pool.killAll();
    });
    this.#programs = new Programs({
      projectRoot: options.projectRoot,
      environment: options.environment ?? {},
      python: options.python,
      command: options.command,
      inputs: new InputFolder(this.#guard),
    });
    this.#pool = new Pool({
      first: this.#programs.first,
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
    let child: Child;
    try {
      child = this.#childFor(job);
    } catch (error) {
      return notStarted(error);
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

  /** A command has a process of its own; a module's may be a warm one. */
  #childFor({ start, task, grants }: ActivationJob): Child {
    if (start.executor === "process") return this.#pool.start(this.#programs.command(start, task));
    const program = this.#programs.of(start, task);
    return this.#pool.take(this.#useKey({ start, grants }, program), program);
  }

  #keep(child: Child, { start, task, grants }: ActivationJob): void {
    let useKey: string | undefined;
    try {
      useKey = this.#useKey({ start, grants }, this.#programs.of(start, task));
    } catch {
      // Its Python is gone meanwhile.
    }
    if (child.useKey === useKey) this.#pool.keep(child);
    else child.kill(); // its code has changed meanwhile
  }

  /** Children are used again only for the same definition, grants, code and variables, and by the same program. */
  #useKey({ start, grants }: Pick<ActivationJob, "start" | "grants">, program: Program): string {
    const { source, run } = start;
    const stamps = "module" in source ? moduleFiles(source.module).map((file) => this.#stamp(file)) : [];
    const code = [this.#codeGeneration, run.definition, JSON.stringify(source), ...stamps];
    return [...code, program.key, ...grants].join("\u0000");
  }

  /** Tells an edited module from the one that was loaded; what it imports, the child itself tells (`hasCurrentCode`). */
  #stamp(file: string): string {
    const stat = statSync(join(this.#options.projectRoot, file), { throwIfNoEntry: false });
    return fileStamp(stat);
  }
}

/** Where a module's code may be: a path as it is, a dotted Python name as a file or as a package. */
function moduleFiles(module: string): string[] {
  if (module.includes("/") || /\.[cm]?[jt]sx?$|\.py$/.test(module)) return [module];
  const path = module.replaceAll(".", "/");
  return [`${path}.py`, `${path}/__init__.py`];
}

/**
 * An activation that ended before it began. For want of memory or process numbers: that is no fault of the task. For want
 * of a Python: it is.
 */
function notStarted(error: unknown): RunningActivation {
  const why = error instanceof Error ? error.message : String(error);
  const noPython = error instanceof NoPython;
  const said = noPython ? { message: why, hint: error.hint } : { message: `No process could be started: ${why}` };
  const end = { how: "exited", code: null, signal: null, lost: !noPython, ...said, ranMs: 0 } as const;
  const nothing = () => undefined;
  return { ended: Promise.resolve(end), ranMs: 0, abort: nothing, freeze: nothing, thaw: nothing, kill: nothing };
}
