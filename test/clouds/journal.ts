import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";

/** One thing that must outlive the process: a job as it is now, a call, a rule. */
export interface Entry {
  readonly kind: string;
  readonly value: unknown;
}

/**
 * A file of JSON lines. A line is written before the answer that tells of it is sent, so that a killed fake knows after its
 * restart whatever it has said. It is not flushed: it outlives the process, not the machine.
 */
export class Journal {
  readonly #path: string | undefined;
  #file: number | undefined;
  readonly entries: readonly Entry[];

  constructor(path: string | undefined) {
    this.#path = path;
    if (path === undefined) {
      this.entries = [];
      return;
    }
    const written = existsSync(path) ? readFileSync(path, "utf8") : "";
    // A kill in the midst of a line leaves a part of it, which nobody was told of.
    const whole = written.slice(0, written.lastIndexOf("\n") + 1);
    if (whole.length < written.length) truncateSync(path, Buffer.byteLength(whole));
    this.entries = whole
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Entry);
    this.#file = openSync(path, "a");
  }

  write(kind: string, value: unknown): void {
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify({ kind, value })}\n`);
  }

  /** Begins the file anew with what still matters: it would hold each poll of its life otherwise. */
  rewrite(entries: readonly Entry[]): void {
    if (this.#path === undefined) return;
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
    writeFileSync(`${this.#path}.new`, lines.join(""));
    renameSync(`${this.#path}.new`, this.#path);
    this.close();
    this.#file = openSync(this.#path, "a");
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}
