import picocolors from "picocolors";
import { asTyped, type Place } from "./command-name.ts";

type Colors = ReturnType<typeof picocolors.createColors>;

const narrowest = 40;
const unlimited = 1_000_000;

/** Where a command writes: answers to stdout, everything else to stderr. */
export interface Terminal {
  /** True: answers are JSON and nothing else stands on stdout. */
  readonly json: boolean;
  /** True when a person looks at stdout, so that lines may be drawn again. */
  readonly live: boolean;
  readonly colors: Colors;
  /** Of stdout; where it is no terminal, nothing is cut. */
  readonly columns: number;
  readonly rows: number;
  /** A text with its commands as they are to be typed. */
  typed(text: string): string;
  /** Lines of an answer. */
  print(text: string): void;
  /** What people should know and programs need not; commands in it are shown as they are to be typed. Says nothing under --json. */
  note(text: string): void;
  /** What user code has written, beside the answers. Says nothing under --json. */
  relay(text: string): void;
  /** An answer as JSON. */
  answer(value: unknown): void;
  /** One of many answers that come one after the other, as JSON on a line of its own. */
  answerLine(value: unknown): void;
  /** Raw text, for drawing. */
  write(text: string): void;
}

/** The terminal of this process. `place`: whom the command asks, which the commands in its hints repeat. Colours only where stdout is one and NO_COLOR is not set. */
export function openTerminal({ json, place = {} }: { json: boolean; place?: Place }): Terminal {
  const { stdout, stderr } = process;
  const live = stdout.isTTY === true && !json && process.env.TERM !== "dumb";
  const colored = live && (process.env.NO_COLOR ?? "") === "";
  // What follows values on lines of their own, an error too, is one.
  let isStream = false;
  const relay = (text: string): void => {
    if (json) return;
    // Colours are chosen for stdout.
    const lines = stderr.isTTY === true ? wrapped(text, Math.max(narrowest, stderr.columns ?? 80)) : withoutCodes(text);
    stderr.write(`${lines}\n`);
  };
  return {
    json,
    live,
    colors: picocolors.createColors(colored),
    get columns() {
      return stdout.isTTY === true ? Math.max(narrowest, stdout.columns ?? 80) : unlimited;
    },
    get rows() {
      return stdout.isTTY === true ? (stdout.rows ?? 24) : 24;
    },
    print: (text) => {
      if (!json) stdout.write(`${text}\n`);
    },
    typed: (text) => asTyped(text, { place }),
    note: (text) => relay(asTyped(text, { place })),
    relay,
    answer: (value) => {
      if (json) stdout.write(`${isStream ? JSON.stringify(value) : JSON.stringify(value, null, 2)}\n`);
    },
    answerLine: (value) => {
      isStream = true;
      if (json) stdout.write(`${JSON.stringify(value)}\n`);
    },
    write: (text) => {
      if (!json) stdout.write(text);
    },
  };
}

/** Characters that are seen: without the codes that colour them. */
export function visibleLength(text: string): number {
  return [...withoutCodes(text)].length;
}

export function withoutCodes(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these codes are control characters
  return text.replaceAll(/\u001b\[[0-9;]*m/g, "");
}

/** At most `length` characters of a text without codes, with an ellipsis in place of what is left out. */
export function cut(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, Math.max(0, length - 1)).join("")}…`;
}

/** Lines of at most `length` visible characters, broken between words and indented as the line was. No word is broken. */
export function wrapped(text: string, length: number): string {
  return text
    .split("\n")
    .flatMap((line) => wrappedLine(line, length))
    .join("\n");
}

function wrappedLine(line: string, length: number): string[] {
  if (visibleLength(line) <= length) return [line];
  const indent = /^ */.exec(line)?.[0] ?? "";
  const lines: string[] = [];
  let current: string | undefined;
  for (const word of line.slice(indent.length).split(" ")) {
    const longer: string = current === undefined ? `${indent}${word}` : `${current} ${word}`;
    if (current !== undefined && visibleLength(longer) > length) {
      lines.push(current.trimEnd());
      current = `${indent}${word}`;
    } else {
      current = longer;
    }
  }
  return current === undefined ? lines : [...lines, current];
}

/** One line of what may be many, fit to be printed: no control characters, nor what turns the direction of text. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not reach the terminal
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
}
