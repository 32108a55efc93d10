import { inspect } from "node:util";
import type { ChannelCall, ChannelParams, Json } from "@holdfast/protocol";
import { limits, storableText, utf8Bytes } from "@holdfast/protocol";
import { storedValue } from "./stored-value.ts";

// Log and progress: the two things a body says without waiting for an answer. Lines of one turn go out as one call;
// while many calls are unanswered (the store is away, or the body floods), lines collect up to a bound and are then
// dropped and counted.

/** Fields of a log line: any JSON. */
export type LogFields = Readonly<Record<string, Json>>;

/** Writes lines to the run's log. Never throws and never waits; a flood is dropped and counted. */
export interface TaskLog {
  debug(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  error(text: string, fields?: LogFields): void;
}

type Line = ChannelParams<"log.write">["lines"][number];

/** As it was before a body could replace it. */
const endOfTurn = queueMicrotask;
const batchLines = 500;
const batchBytes = 1024 * 1024;
const unansweredCalls = 16;
const waitingLines = 10_000;
const waitingBytes = 4 * 1024 * 1024;

export class LogSender implements TaskLog {
  readonly #call: ChannelCall;
  #lines: Line[] = [];
  #bytes = 0;
  #dropped = 0;
  #unanswered = 0;
  #scheduled = false;
  #closed = false;

  constructor(call: ChannelCall) {
    this.#call = call;
  }

  debug(text: string, fields?: LogFields): void {
    this.#write("debug", text, fields);
  }

  info(text: string, fields?: LogFields): void {
    this.#write("info", text, fields);
  }

  warn(text: string, fields?: LogFields): void {
    this.#write("warn", text, fields);
  }

  error(text: string, fields?: LogFields): void {
    this.#write("error", text, fields);
  }

  /** Sends what is left, a count of dropped lines included. */
  close(): void {
    this.#send(true);
    this.#closed = true;
  }

  #write(level: Line["level"], text: string, fields: LogFields | undefined): void {
    if (this.#closed) return;
    if (this.#lines.length >= waitingLines || this.#bytes >= waitingBytes) {
      this.#dropped++;
      return;
    }
    const line = toLine(level, text, fields);
    this.#lines.push(line);
    this.#bytes += line.text.length + 50;
    if (this.#lines.length >= batchLines || this.#bytes >= batchBytes) this.#send(false);
    if (this.#scheduled) return;
    this.#scheduled = true;
    endOfTurn(() => {
      this.#scheduled = false;
      this.#send(false);
    });
  }

  #send(all: boolean): void {
    if (this.#closed) return;
    while (this.#lines.length > 0 && (all || this.#unanswered < unansweredCalls)) {
      const lines = this.#lines.splice(0, batchLines);
      if (this.#lines.length === 0) this.#bytes = 0;
      this.#unanswered++;
      const answered = () => {
        this.#unanswered--;
        this.#send(false);
      };
      // A log line that cannot be kept is no reason to fail the body: the refusal is the control plane's to report.
      this.#call("log.write", { lines }).then(answered, answered);
    }
    if (this.#dropped > 0 && this.#lines.length === 0) {
      this.#lines.push({ level: "warn", text: `${this.#dropped} lines of ctx.log were dropped: they came too fast.` });
      this.#dropped = 0;
      this.#send(all);
    }
  }
}

function toLine(level: Line["level"], text: unknown, fields: LogFields | null | undefined): Line {
  const clean = cleanText(textOf(text));
  if (fields === undefined || fields === null) return { level, text: clean };
  try {
    const kept = storedValue(fields, "fields");
    const bytes = utf8Bytes(JSON.stringify(kept));
    if (bytes > limits.logLineBytes) return { level, text: clean, fields: { dropped: `fields of ${bytes} bytes` } };
    const isObject = typeof kept === "object" && kept !== null && !Array.isArray(kept);
    // Plain JavaScript may give a text or a list: one such line must not cost the lines that travel with it.
    return { level, text: clean, fields: isObject ? (kept as Record<string, Json>) : { value: kept } };
  } catch (error) {
    // The message names the path, and a name in it may be what cannot be kept.
    return {
      level,
      text: clean,
      fields: { dropped: cleanText(error instanceof Error ? error.message : textOf(error)) },
    };
  }
}

/** Not everything has a text: an object without a prototype throws when it is asked for one. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return inspect(value, { depth: 1 });
  }
}

function cleanText(text: string): string {
  const cut = text.length > limits.logLineBytes / 3 && utf8Bytes(text) > limits.logLineBytes;
  const kept = cut ? `${text.slice(0, limits.logLineBytes / 3 - 100)}… (cut: ${text.length} characters)` : text;
  return storableText(kept);
}

/** Sends the latest progress; while one report is unanswered, later ones replace each other. */
export class ProgressSender {
  readonly #call: ChannelCall;
  #latest: ChannelParams<"progress.report"> | undefined;
  #unanswered = false;
  #closed = false;

  constructor(call: ChannelCall) {
    this.#call = call;
  }

  report(done: number, total: number | undefined, text: string | undefined): void {
    if (this.#closed || !Number.isFinite(done)) return;
    this.#latest = {
      done,
      ...(total !== undefined && Number.isFinite(total) && { total }),
      ...(text !== undefined && { text: cleanText(String(text)).slice(0, 1_000) }),
    };
    this.#send();
  }

  close(): void {
    this.#unanswered = false;
    this.#send();
    this.#closed = true;
  }

  #send(): void {
    const latest = this.#latest;
    if (latest === undefined || this.#unanswered || this.#closed) return;
    this.#latest = undefined;
    this.#unanswered = true;
    const answered = () => {
      this.#unanswered = false;
      this.#send();
    };
    this.#call("progress.report", latest).then(answered, answered);
  }
}
