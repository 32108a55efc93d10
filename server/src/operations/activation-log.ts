import { type Json, type LogLine, limits, nestsDeeper, textDefect, utf8Bytes } from "@holdfast/protocol";
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
      rows.push({ runId: this.#runId, epoch: this.#epoch, seq: this.#seq, at, ...said, ...storable(said) });
    }
    if (rows.length === 0) return;
    await persist(this.#clock, this.#revoked, () => this.#store.appendLogs({ rows }));
  }
}

/** A line is kept with what of it can be kept: what it says is more than what is wrong with it. */
function storable({ text, fields }: WrittenLine): Pick<WrittenLine, "text" | "fields"> {
  const cut = text.length > limits.logLineBytes / 4 ? `${text.slice(0, limits.logLineBytes / 4)}…` : text;
  const clean = textDefect(cut) === undefined ? cut : cut.replaceAll("\u0000", "\\0").toWellFormed();
  return fields === undefined ? { text: clean } : { text: clean, fields: storableFields(fields) };
}

function storableFields(fields: Json): Json {
  if (nestsDeeper(fields, limits.nestingLevels))
    return { dropped: `fields deeper than ${limits.nestingLevels} levels` };
  const bytes = utf8Bytes(JSON.stringify(fields));
  return bytes > limits.logLineBytes ? { dropped: `fields of ${bytes} bytes` } : fields;
}
