import { readFileSync, statSync } from "node:fs";
import type { Problem } from "@holdfast/protocol";

/** A workflow is written by people; the parser takes seconds for a megabyte. */
const mostBytes = 1024 * 1024;

/** The text of a YAML file, or why it cannot be read. */
export function readText(file: string): { readonly text: string } | { readonly problem: Problem } {
  const refuse = (message: string, hint: string, line = 0) => ({ problem: { file, line, message, hint } });
  try {
    const { size } = statSync(file);
    if (size > mostBytes) {
      const hint = "Keep large constants in files of their own, and split large workflows.";
      return refuse(`The file has ${size} bytes; at most ${mostBytes} are allowed.`, hint);
    }
    const bytes = readFileSync(file);
    if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
      return refuse("The file is written in UTF-16.", "Save it as UTF-8.");
    }
    return decode(bytes, (line) => refuse("The line has bytes that are not UTF-8.", "Save the file as UTF-8.", line));
  } catch (error) {
    return refuse(
      `The file cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      "Check its rights.",
    );
  }
}

function decode<T>(bytes: Buffer, refuse: (line: number) => T): { readonly text: string } | T {
  const strict = new TextDecoder("utf-8", { fatal: true });
  try {
    return { text: strict.decode(bytes) };
  } catch {
    // A line break is never a part of another character, so that each line can be tried by itself.
    let line = 1;
    let from = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from), line++) {
      if (!isUtf8(bytes.subarray(from, end))) return refuse(line);
      from = end + 1;
    }
    return refuse(line);
  }
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
