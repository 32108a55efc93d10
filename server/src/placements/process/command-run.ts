import {
  type AppError,
  type ChannelMethod,
  type ChannelParams,
  isAppError,
  isRefusedOutcome,
  type Json,
  limits,
  nestsDeeper,
  tooDeep,
} from "@holdfast/protocol";
import type { Clock } from "../../clock.ts";
import type { ActivationVerdict } from "../placement.ts";
import { commandWords, type ProcessEnd } from "./exit-words.ts";
import { LineSplitter } from "./output.ts";
import { ResultLine } from "./result-line.ts";

// The runner of a plain command: it listens to what the command prints, and says on its behalf how it went (P4): success
// on exit code 0, and only when the result that it printed, if any, can be one.

const lastLines = 10;
const lastLineCharacters = 1_000;
const firstPauseMs = 50;
const longestPauseMs = 5_000;

/** What the runner says for a command that has ended by itself. */
export type CommandOutcome =
  | { readonly method: "run.succeed"; readonly params: ChannelParams<"run.succeed"> }
  | { readonly method: "run.fail"; readonly params: ChannelParams<"run.fail"> };

export class CommandRun {
  readonly #result = new ResultLine();
  readonly #errors = new LineSplitter();
  #lastErrors: string[] = [];

  /** What the command printed. */
  take(stream: "stdout" | "stderr", bytes: Buffer): void {
    if (stream === "stdout") this.#result.push(bytes);
    else for (const line of this.#errors.push(bytes)) this.#remember(line);
  }

  /** The end of a command with another exit code than 0, or by a signal. */
  failed(end: ProcessEnd): ActivationVerdict {
    this.#remember(this.#errors.flush() ?? "");
    const { lost, message, hint } = commandWords(end);
    const said = this.#lastErrors.at(-1);
    return {
      how: "exited",
      ...end,
      lost,
      message: said === undefined ? message : `${message} Its last line on stderr: ${said}`,
      ...(hint !== undefined && { hint }),
      ...(said !== undefined && { details: { stderr: this.#lastErrors } }),
    };
  }

  /** What is to be said of a command that ended with exit code 0. */
  returned(): CommandOutcome {
    const found = this.#result.finish();
    if (found === undefined) return { method: "run.succeed", params: { output: null } };
    if ("problem" in found) return invalid(found.problem);
    const { output, lost } = parse(found.text);
    if (lost !== undefined) {
      return invalid(`It has the number ${excerpt(lost)}, which readers of JSON cannot keep: print it as text.`);
    }
    if (output === undefined) return invalid(`It is no JSON: ${excerpt(found.text)}`);
    // More than that is no JSON that a channel carries.
    if (nestsDeeper(output, limits.nestingLevels)) return invalid(tooDeep("It", limits.nestingLevels).message);
    return { method: "run.succeed", params: { output } };
  }

  #remember(line: string): void {
    if (line.trim() === "") return;
    this.#lastErrors = [...this.#lastErrors.slice(1 - lastLines), line.slice(0, lastLineCharacters).toWellFormed()];
  }
}

export interface Saying {
  readonly outcome: CommandOutcome;
  readonly call: (method: ChannelMethod, params: unknown) => Promise<unknown>;
  readonly clock: Clock;
  /** False once nobody wants to hear it any more. */
  readonly isWanted: () => boolean;
}

/**
 * Says the outcome until it is acknowledged: while the store is away it is said again. An output that is refused becomes a
 * failure that says so. Rejects with what cannot be mended, and when it is no longer wanted with the last refusal.
 */
export async function say({ outcome, call, clock, isWanted }: Saying): Promise<void> {
  let said = outcome;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      await call(said.method, said.params);
      return;
    } catch (error) {
      if (isAppError(error, "store_unavailable") && isWanted()) await clock.sleep(pauseMs);
      else if (said === outcome && isRefusedOutcome(error)) said = refused(error);
      else throw error;
    }
  }
}

function refused({ code, message, hint }: AppError): CommandOutcome {
  const text =
    code === "invalid_output" || code === "unsupported"
      ? message
      : `The output of the command cannot be kept: ${message}`;
  const error = { code: "result_invalid", message: text, ...(hint !== undefined && { hint }) };
  return { method: "run.fail", params: { error } };
}

function invalid(why: string): CommandOutcome {
  const message = `The command printed an output line that cannot be its output. ${why}`;
  const hint = `Print one line, HOLDFAST_OUTPUT: and JSON of at most ${limits.outputBytes} bytes behind it.`;
  return { method: "run.fail", params: { error: { code: "result_invalid", message, hint } } };
}

/** `lost`: a number that would be another one, as it was written. */
function parse(text: string): { readonly output?: Json; readonly lost?: string } {
  let lost: string | undefined;
  const look = (_: string, value: unknown, context?: { readonly source?: string }) => {
    const { source = "" } = context ?? {};
    if (typeof value === "number" && isLost(value, source)) lost ??= source;
    return value;
  };
  try {
    const output = JSON.parse(text, look) as Json;
    return lost === undefined ? { output } : { lost };
  } catch {
    return {};
  }
}

/** What has no place in a double: over all of them, or a whole number of more digits than it keeps. */
function isLost(value: number, source: string): boolean {
  return !Number.isFinite(value) || (/^-?\d+$/.test(source) && !Number.isSafeInteger(value));
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
