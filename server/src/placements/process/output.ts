import { StringDecoder } from "node:string_decoder";
import { isJson, type Json, limits, storableText, utf8Bytes } from "@holdfast/protocol";
import type { OutputLine } from "../placement.ts";

const newline = 10;
/** Characters of a line that surely fit into `limits.logLineBytes`. */
const safeCharacters = Math.floor(limits.logLineBytes / 3) - 100;

/** Cuts what a process prints into lines. A line longer than the limit is cut there and the rest of it left out. */
export class LineSplitter {
  #decoder = new StringDecoder("utf8");
  #partial = "";
  #skipped = 0;

  /** The lines that `bytes` complete, without their ends. */
  push(bytes: Buffer): string[] {
    if (!bytes.includes(newline)) {
      this.#append(this.#decoder.write(bytes));
      return [];
    }
    const parts = this.#decoder.write(bytes).split("\n");
    const rest = parts.pop() ?? "";
    const lines = parts.map((part) => {
      this.#append(part);
      return this.#take();
    });
    this.#append(rest);
    return lines;
  }

  /** The last line, when it has no end. */
  flush(): string | undefined {
    this.#append(this.#decoder.end());
    return this.#partial === "" && this.#skipped === 0 ? undefined : this.#take();
  }

  #append(text: string): void {
    const room = limits.logLineBytes - this.#partial.length;
    this.#partial += text.length <= room ? text : text.slice(0, room);
    if (text.length > room) this.#skipped += text.length - room;
  }

  #take(): string {
    const line = this.#partial.endsWith("\r") ? this.#partial.slice(0, -1) : this.#partial;
    const skipped = this.#skipped;
    this.#partial = "";
    this.#skipped = 0;
    if (skipped === 0 && (line.length <= safeCharacters || utf8Bytes(line) <= limits.logLineBytes)) return line;
    return `${line.slice(0, safeCharacters)}… (cut: ${line.length + skipped} characters)`;
  }
}

/** A printed line as a log line: a JSON object keeps its fields, with its level and message found by their usual names. */
export function outputLine(stream: "stdout" | "stderr", text: string): OutputLine {
  const plain = { stream, level: stream === "stdout" ? "info" : "warn", text: storableText(text) } as const;
  if (!text.startsWith("{") || !text.endsWith("}")) return plain;
  const object = parseObject(text);
  if (object === undefined) return plain;
  const { level: levelName, severity, msg, message, ...fields } = object;
  const said = [msg, message].find((value) => typeof value === "string");
  if (said === undefined) return { ...plain, fields: object };
  return { stream, level: levelOf(levelName ?? severity) ?? plain.level, text: said, fields };
}

function parseObject(text: string): Record<string, Json> | undefined {
  // What no store keeps can only come into a JSON text as such or as an escape.
  if (/\\u0000|\\u[dD][89a-fA-F]/.test(text) || storableText(text) !== text) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && isJson(value) ? (value as Record<string, Json>) : undefined;
  } catch {
    return undefined;
  }
}

function levelOf(value: Json | undefined): OutputLine["level"] | undefined {
  if (typeof value === "number") return value >= 50 ? "error" : value >= 40 ? "warn" : value >= 30 ? "info" : "debug"; // pino
  if (typeof value !== "string") return undefined;
  const name = value.toLowerCase();
  if (/^(fatal|critical|alert|emergency|err)/.test(name)) return "error";
  if (name.startsWith("warn")) return "warn";
  if (name === "info" || name === "notice") return "info";
  return name === "debug" || name === "trace" ? "debug" : undefined;
}
