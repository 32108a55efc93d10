import { isAppError, type Problem } from "@holdfast/protocol";
import type { Terminal } from "./terminal.ts";

/** How commands end (DESIGN §3.1). */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The command cannot be carried out as it was given: exit code 2. */
export class UsageError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Definitions or configuration have mistakes: exit code 2. */
export class InvalidProject extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.length === 1 ? "There is 1 mistake." : `There are ${problems.length} mistakes.`);
    this.problems = problems;
  }
}

/** Says what went wrong and answers the exit code. */
export function reportFailure(terminal: Terminal, thrown: unknown): number {
  if (thrown instanceof InvalidProject) {
    terminal.answer({ error: { code: "invalid_definition", message: thrown.message, details: thrown.problems } });
    terminal.note(problemText(terminal, thrown.problems));
    return exitCodes.usage;
  }
  if (thrown instanceof UsageError) {
    say(terminal, { code: "usage", message: thrown.message, hint: thrown.hint });
    return exitCodes.usage;
  }
  if (isAppError(thrown)) {
    const { code, message, hint, details } = thrown;
    say(terminal, {
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
      ...(details === undefined ? {} : { details }),
    });
    return usageCodes.has(code) ? exitCodes.usage : exitCodes.failed;
  }
  if (isFileFailure(thrown)) {
    say(terminal, { code: "invalid_request", message: fileFailureText(thrown), hint: fileHints[thrown.code] ?? "" });
    return exitCodes.usage;
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  say(terminal, { code: "internal", message, hint: "This is a mistake in Holdfast: please report it." });
  if (thrown instanceof Error && thrown.stack !== undefined) terminal.note(terminal.colors.dim(thrown.stack));
  return exitCodes.failed;
}

interface FileFailure extends Error {
  readonly code: string;
  readonly path: string;
  readonly syscall: string;
}

/** What the system says of a person's files and folders, and what to do. */
const fileHints: Readonly<Record<string, string>> = {
  ENOENT: "Nothing can be made there: choose another folder, with -C.",
  EACCES: "Check whose it is and what this user may do there, or choose another folder with -C.",
  EPERM: "Check whose it is and what this user may do there, or choose another folder with -C.",
  EROFS: "Choose a folder that can be written in, with -C.",
  EEXIST: "Something of that name is there already: choose another, or move it away.",
  ENOTDIR: "A part of the path is a file, not a folder: choose another, or move it away.",
  EISDIR: "A file is wanted there, and it is a folder.",
  ENOSPC: "Make room on that disk.",
  EDQUOT: "Make room within this user's quota on that disk.",
};

function isFileFailure(thrown: unknown): thrown is FileFailure {
  if (!(thrown instanceof Error)) return false;
  const { code, path, syscall } = thrown as Partial<FileFailure>;
  // Of other calls it says that something is missing which Holdfast wants, not the person.
  if (code === "ENOENT" && syscall !== "mkdir") return false;
  return typeof code === "string" && code in fileHints && typeof path === "string";
}

function fileFailureText({ code, path, message }: FileFailure): string {
  const what = /^[A-Z]+: ([^,]+)/.exec(message)?.[1] ?? code;
  return `${path}: ${what}.`;
}

/** Refusals of what the caller wrote, as opposed to what happened. */
const usageCodes: ReadonlySet<string> = new Set([
  "invalid_request",
  "invalid_definition",
  "invalid_input",
  "ambiguous_id",
  "key_conflict",
  "unsupported",
]);

interface Said {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details?: unknown;
}

function say(terminal: Terminal, error: Said): void {
  const { colors } = terminal;
  terminal.answer({ error: error.hint === undefined ? error : { ...error, hint: terminal.typed(error.hint) } });
  const code = error.code === "usage" ? "" : ` ${colors.dim(`(${error.code})`)}`;
  terminal.note(`${colors.red("error")} ${error.message}${code}`);
  if (error.hint !== undefined && error.hint !== "") terminal.note(`  ${error.hint}`);
}

/** Each mistake with its place, what is wrong, and what is likely meant. */
export function problemText({ colors }: Terminal, problems: readonly Problem[]): string {
  const lines = problems.flatMap(({ file, line, column, message, hint }) => {
    const numbers = [line, column].filter((number) => number !== undefined && number > 0).join(":");
    const place = file === "" ? "" : numbers === "" ? `${file}: ` : `${file}:${numbers}: `;
    return [`${colors.red("error")} ${colors.bold(place)}${message}`, ...(hint === "" ? [] : [`  ${hint}`])];
  });
  return lines.join("\n");
}
