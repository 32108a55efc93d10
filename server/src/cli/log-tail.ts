import { isAppError, type LogLineView } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import type { Patience } from "./patience.ts";

const turnMs = 300;
const turnRuns = 50;
const pageLines = 1_000;
/** Places of so many runs are kept; then those are forgotten that were opened first and have ended. */
const keptRuns = 2_000;

export interface TailedRun {
  readonly id: string;
  readonly name: string;
  /** What earlier activations wrote is left out; default nothing. */
  readonly fromEpoch?: number;
}

interface Tailed extends TailedRun {
  cursor: string | undefined;
  /** One reading after another, so that no line is read twice. */
  reading: Promise<void>;
}

export interface LogTailOptions {
  readonly plane: ControlPlane;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  /** So many runs are read at all: beyond, what they write would bury what becomes of them. Default: all. */
  readonly limitRuns?: number;
  readonly onLine: (line: LogLineView, run: TailedRun) => void;
}

/** What bodies write, while they write it: goes on from the last line that was read, missing and doubling none. */
export class LogTail {
  readonly #options: LogTailOptions;
  readonly #runs = new Map<string, Tailed>();
  readonly #open = new Set<string>();
  #isFull = false;

  constructor(options: LogTailOptions) {
    this.#options = options;
  }

  /** True when runs were left out. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Its body runs: what it writes is read from now on, together with what it wrote before. */
  open(run: TailedRun): void {
    if (this.#find(run) !== undefined) this.#open.add(run.id);
  }

  isOpen({ id }: TailedRun): boolean {
    return this.#open.has(id);
  }

  /** Its body has ended: resolves when everything that it wrote has been read. */
  async settle(run: TailedRun): Promise<void> {
    this.#open.delete(run.id);
    const tailed = this.#find(run);
    if (tailed !== undefined) await this.#read(tailed);
  }

  /** Reads what is open again and again, until the signal fires. */
  async follow(signal: AbortSignal): Promise<void> {
    const { patience } = this.#options;
    while (!signal.aborted) {
      const open = [...this.#open].slice(0, turnRuns);
      for (const id of open) {
        const tailed = this.#runs.get(id);
        if (tailed !== undefined) await this.#read(tailed);
        // What waited longest is next where not all are read in one turn.
        if (this.#open.delete(id)) this.#open.add(id);
      }
      await patience.pause(turnMs, signal);
    }
  }

  #find(run: TailedRun): Tailed | undefined {
    const known = this.#runs.get(run.id);
    if (known !== undefined) return known;
    this.#isFull ||= this.#runs.size >= (this.#options.limitRuns ?? Number.POSITIVE_INFINITY);
    if (this.#isFull) return undefined;
    const tailed = { ...run, cursor: undefined, reading: Promise.resolve() };
    this.#runs.set(run.id, tailed);
    const oldest = this.#runs.size > keptRuns ? this.#runs.keys().find((id) => !this.#open.has(id)) : undefined;
    if (oldest !== undefined) this.#runs.delete(oldest);
    return tailed;
  }

  #read(run: Tailed): Promise<void> {
    run.reading = run.reading.then(() => this.#readOn(run));
    return run.reading;
  }

  async #readOn(run: Tailed): Promise<void> {
    const { plane, patience, signal, onLine } = this.#options;
    for (;;) {
      const query = { limit: pageLines, ...(run.cursor === undefined ? {} : { cursor: run.cursor }) };
      const page = await patience
        .ask(() => plane.listLogs(run.id, query), signal)
        .catch((error: unknown) => {
          // It has been pruned, with all that it wrote.
          if (isAppError(error, "not_found")) return undefined;
          throw error;
        });
      if (page === undefined) return;
      for (const line of page.lines) {
        if (line.epoch >= (run.fromEpoch ?? 0)) onLine(line, run);
      }
      run.cursor = page.cursor ?? run.cursor;
      // A page of long lines holds fewer than were asked for.
      if (page.lines.length === 0) return;
    }
  }
}
