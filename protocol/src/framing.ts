import { AppError } from "./errors.ts";
import { limits } from "./limits.ts";

// Newline-delimited JSON without I/O: bytes in, frames out. Invalid UTF-8, invalid JSON and frames over the limit are
// AppErrors; after one the stream is not to be trusted further.

/** One frame as bytes, its newline included. Throws `too_large` over the limit. */
export function encodeFrame(frame: unknown, maxBytes: number = limits.frameBytes): Buffer {
  const bytes = Buffer.from(`${JSON.stringify(frame)}\n`, "utf8");
  if (bytes.length > maxBytes + 1) {
    throw new AppError("too_large", `A message of ${bytes.length} bytes is over the limit of ${maxBytes}.`, {
      hint: "Keep large values in a file or an object store and pass their name.",
    });
  }
  return bytes;
}

/** Collects bytes until frames are whole. Give it chunks as they come; it answers the frames they complete, in order. */
export class FrameDecoder {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(maxBytes: number = limits.frameBytes) {
    this.#maxBytes = maxBytes;
  }

  /** True when a part of a frame is waiting for its rest. */
  get partial(): boolean {
    return this.#bytes > 0;
  }

  push(chunk: Uint8Array): unknown[] {
    const frames: unknown[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#take(chunk.subarray(start, end));
      const bytes = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts, this.#bytes);
      this.#parts = [];
      this.#bytes = 0;
      if (bytes !== undefined && bytes.length > 0) frames.push(this.#parse(bytes));
      start = end + 1;
    }
    this.#take(chunk.subarray(start));
    return frames;
  }

  #take(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) {
      throw new AppError("too_large", `A message is over the limit of ${this.#maxBytes} bytes.`, {
        hint: "Keep large values in a file or an object store and pass their name.",
      });
    }
    this.#parts.push(part);
  }

  #parse(bytes: Uint8Array): unknown {
    try {
      return JSON.parse(this.#decoder.decode(bytes));
    } catch (cause) {
      throw new AppError("invalid_request", "A message is not JSON in UTF-8.", { cause });
    }
  }
}
