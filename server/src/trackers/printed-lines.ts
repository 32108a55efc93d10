import { storableText } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";

const lineCharacters = 2_000;
const linesPerWindow = 200;
const windowMs = 60_000;

/** What a tracker process prints, as lines for the node's log: each cut, so many a minute, and then how many were left out. */
export class PrintedLines {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #say: (line: string) => void;
  #partial = "";
  #beganMs = Number.NEGATIVE_INFINITY;
  #said = 0;
  #leftOut = 0;

  constructor(clock: Pick<Clock, "monotonicMs">, say: (line: string) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  push(text: string): void {
    const parts = text.split("\n");
    const rest = parts.pop() ?? "";
    for (const part of parts) {
      this.#line(this.#partial + part.slice(0, lineCharacters));
      this.#partial = "";
    }
    this.#partial = (this.#partial + rest.slice(0, lineCharacters)).slice(0, lineCharacters);
  }

  /** The last line, and what was left out. */
  end(): void {
    this.#line(this.#partial);
    this.#partial = "";
    this.#tellLeftOut();
  }

  #line(text: string): void {
    if (text.trim() === "") return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#beganMs >= windowMs) {
      this.#tellLeftOut();
      this.#beganMs = nowMs;
      this.#said = 0;
    }
    if (this.#said >= linesPerWindow) this.#leftOut += 1;
    else {
      this.#said += 1;
      this.#say(storableText(text.slice(0, lineCharacters)));
    }
  }

  #tellLeftOut(): void {
    if (this.#leftOut === 0) return;
    this.#say(`… ${this.#leftOut} lines that it printed were left out: ${linesPerWindow} a minute are kept.`);
    this.#leftOut = 0;
  }
}
