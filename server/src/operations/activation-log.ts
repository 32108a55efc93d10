import { type Json, type LogLine, limits, textDefect } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Store } from "../store/store.ts";
import { persist } from "./persistence.ts";

/** A line before it has its number. */
export interface WrittenLine {
  readonly stream: LogLine["stream"];
  readonly level: LogLine["level"];
  readonly text: string;
  readonly fields?: Json;
}

/** The log of one activation: numbers its lines in the order in which they come. */
export class ActivationLog {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #runId: string;
  readonly #epoch: number;
  readonly #revoked: AbortSignal;
  #seq = 0;

  constructor(options: { store: Store; clock: Clock; runId: string; epoch: number; revoked: AbortSignal }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#runId = options.runId;
    this.#epoch = options.epoch;
    this.#revoked = options.revoked;
  }

  /** Resolves once the lines are kept. Lines past the limit of one activation are dropped, with one line that says so. */
  async write(lines: readonly WrittenLine[]): Promise<void> {
    const at = this.#clock.now();
    const rows: LogLine[] = [];
    for (const line of lines) {
      if (this.#seq >= limits.logLinesPerActivation) break;
      this.#seq += 1;
      const last = this.#seq === limits.logLinesPerActivation;
      const said: WrittenLine = last
        ? {
            stream: "supervisor",
            level: "warn",
            text: `The limit of ${limits.logLinesPerActivation} lines is reached; no more are kept.`,
          }
        : line;
      rows.push({ runId: this.#runId, epoch: this.#epoch, seq: this.#seq, at, ...said, text: storable(said.text) });
    }
    if (rows.length === 0) return;
    await persist(this.#clock, this.#revoked, () => this.#store.appendLogs({ rows }));
  }
}

function storable(text: string): string {
  const cut = text.length > limits.logLineBytes / 4 ? `${text.slice(0, limits.logLineBytes / 4)}…` : text;
  return textDefect(cut) === undefined ? cut : cut.replaceAll("\u0000", "\\0").toWellFormed();
}
