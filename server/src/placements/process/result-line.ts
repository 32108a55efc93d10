import { limits } from "@holdfast/protocol";

const prefixes = ["HOLDFAST_OUTPUT:", "ORK_OUTPUT:"].map((prefix) => Buffer.from(prefix));
const longestPrefix = Math.max(...prefixes.map((prefix) => prefix.length));
const newline = 10;

/** The text after the prefix, or why there is none although the line was there. */
export type FoundResult = { readonly text: string } | { readonly problem: string };

/**
 * Finds a command's result among what it prints: the last line of stdout that begins with `HOLDFAST_OUTPUT:` or
 * `ORK_OUTPUT:`, its end missing or not. It holds at most one such line, and never one that is over the limit.
 */
export class ResultLine {
  #parts: Buffer[] = [];
  #bytes = 0;
  /** What the line under way is: not known until it is long enough. */
  #kind: "unknown" | "result" | "other" = "unknown";
  #found: FoundResult | undefined;

  push(bytes: Buffer): void {
    let start = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      this.#append(bytes.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    this.#append(bytes.subarray(start));
  }

  /** The last result line; undefined when there was none. Nothing is to be pushed afterwards. */
  finish(): FoundResult | undefined {
    this.#endLine();
    return this.#found;
  }

  #append(part: Buffer): void {
    if (part.length === 0 || this.#kind === "other") return;
    this.#bytes += part.length;
    if (this.#bytes <= limits.outputBytes + longestPrefix + 1) this.#parts.push(part);
    if (this.#kind === "unknown" && this.#bytes >= longestPrefix) this.#judge();
  }

  #judge(): void {
    this.#kind = prefixOf(Buffer.concat(this.#parts)) === undefined ? "other" : "result";
    if (this.#kind === "other") this.#parts = [];
  }

  #endLine(): void {
    if (this.#kind === "unknown") this.#judge();
    if (this.#kind === "result") this.#found = this.#read();
    this.#parts = [];
    this.#bytes = 0;
    this.#kind = "unknown";
  }

  #read(): FoundResult {
    const line = Buffer.concat(this.#parts);
    const bytes = this.#bytes - (prefixOf(line)?.length ?? 0);
    if (bytes > limits.outputBytes + 1)
      return { problem: `It has ${bytes} bytes; the limit is ${limits.outputBytes}.` };
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(line.subarray(line.length - bytes));
      return { text: text.trim() };
    } catch {
      return { problem: "It is not UTF-8." };
    }
  }
}

function prefixOf(line: Buffer): Buffer | undefined {
  return prefixes.find((prefix) => line.subarray(0, prefix.length).equals(prefix));
}
