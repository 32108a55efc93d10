/** How much an activation may print and log. What is over is dropped and counted; it never waits. */
export interface LogLimits {
  readonly lines: number;
  readonly bytes: number;
  /** Lines that may come at once; more come back at `linesPerSecond`. */
  readonly burstLines: number;
  readonly linesPerSecond: number;
}

/** The budget of one activation. `now` is monotonic, in milliseconds. */
export class LogBudget {
  readonly #limits: LogLimits;
  readonly #now: () => number;
  #lines = 0;
  #bytes = 0;
  #tokens: number;
  #filledAt: number;
  #droppedLines = 0;
  #droppedBytes = 0;

  constructor(limits: LogLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#tokens = limits.burstLines;
    this.#filledAt = now();
  }

  /** False, and counted, when the line is over a limit. */
  admit(bytes: number): boolean {
    if (this.#tokens < 1) this.#fill();
    const over = this.#tokens < 1 || this.#lines >= this.#limits.lines || this.#bytes + bytes > this.#limits.bytes;
    if (over) {
      this.#droppedLines++;
      this.#droppedBytes += bytes;
      return false;
    }
    this.#tokens--;
    this.#lines++;
    this.#bytes += bytes;
    return true;
  }

  /** One sentence on what was dropped since the last call, if anything was. */
  dropped(): string | undefined {
    if (this.#droppedLines === 0) return undefined;
    const { lines, bytes, linesPerSecond } = this.#limits;
    const sentence =
      `${this.#droppedLines} log lines (${this.#droppedBytes} bytes) were dropped: an activation may write ` +
      `${lines} lines, ${bytes} bytes and, in the long run, ${linesPerSecond} lines a second.`;
    this.#droppedLines = 0;
    this.#droppedBytes = 0;
    return sentence;
  }

  #fill(): void {
    const now = this.#now();
    const more = ((now - this.#filledAt) / 1_000) * this.#limits.linesPerSecond;
    this.#tokens = Math.min(this.#limits.burstLines, this.#tokens + more);
    this.#filledAt = now;
  }
}
