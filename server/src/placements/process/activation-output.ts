import { type ChannelParams, utf8Bytes } from "@holdfast/protocol";
import type { OutputLine } from "../placement.ts";
import { LogBudget, type LogLimits } from "./log-budget.ts";
import { LineSplitter, outputLine } from "./output.ts";

type Lines = ChannelParams<"log.write">["lines"];

/** Everything that one activation prints and logs, under one budget. */
export class ActivationOutput {
  readonly #handOver: (lines: readonly OutputLine[]) => Promise<void> | void;
  readonly #budget: LogBudget;
  readonly #splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
  #handed: Promise<unknown> | undefined;

  constructor(limits: LogLimits, handOver: (lines: readonly OutputLine[]) => Promise<void> | void) {
    this.#budget = new LogBudget(limits, () => performance.now());
    this.#handOver = handOver;
  }

  /** Bytes that the process wrote. */
  take(stream: "stdout" | "stderr", bytes: Buffer): void {
    const lines: OutputLine[] = [];
    for (const text of this.#splitters[stream].push(bytes)) {
      if (this.#budget.admit(utf8Bytes(text))) lines.push(outputLine(stream, text));
    }
    this.#give(lines);
  }

  /** Those of `ctx.log`'s lines that the budget has room for. */
  admit(lines: Lines): Lines {
    return lines.filter((line) => {
      const fieldsBytes = line.fields === undefined ? 0 : JSON.stringify(line.fields).length;
      return this.#budget.admit(utf8Bytes(line.text) + fieldsBytes);
    });
  }

  /** A sentence of the supervisor about the process. */
  say(level: OutputLine["level"], text: string): void {
    this.#give([{ stream: "supervisor", level, text }]);
  }

  /** Hands over what is left, lines without an end and the count of dropped ones included, and waits until it is taken. */
  async flush(): Promise<void> {
    const lines: OutputLine[] = [];
    for (const stream of ["stdout", "stderr"] as const) {
      const text = this.#splitters[stream].flush();
      if (text !== undefined && this.#budget.admit(utf8Bytes(text))) lines.push(outputLine(stream, text));
    }
    const dropped = this.#budget.dropped();
    if (dropped !== undefined) lines.push({ stream: "supervisor", level: "warn", text: dropped });
    this.#give(lines);
    await this.#handed;
  }

  #give(lines: readonly OutputLine[]): void {
    if (lines.length === 0) return;
    const taken = this.#handOver(lines);
    // A log that cannot be kept is no reason to harm the run.
    if (taken instanceof Promise) this.#handed = Promise.allSettled([this.#handed, taken]);
  }
}
