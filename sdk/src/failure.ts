import { inspect } from "node:util";
import { isAppError, type Json, limits, type RunError, storableText } from "@holdfast/protocol";
import { type ExternalJobError, isExternalJobError } from "./external/external-error.ts";
import { isCallError, isWaitTimedOut } from "./wait-errors.ts";

// What a person reads of a thrown value: its class, its message, and the part of its stack that is user code.

const messageCharacters = Math.floor(limits.errorTextBytes / 12);
const stackCharacters = Math.floor(limits.errorTextBytes / 4);
const deepestCause = 5;

/** The SDK's own folder, whose frames say nothing to a user. */
const ownFolder = new URL(".", import.meta.url).href;

/**
 * A thrown value as the error of a run. Frames of Node and of Holdfast are left out of the stack; files under
 * `projectRoot` (an absolute path) are named relative to it. An AppError keeps its code, hint and details.
 */
export function runError(thrown: unknown, projectRoot: string): RunError {
  if (!(thrown instanceof Error) && !isErrorLike(thrown)) {
    return {
      code: "task_failed",
      message: clean(`The body threw ${inspect(thrown, { depth: 2 })}`, messageCharacters),
    };
  }
  const stack = clean(stackText(thrown, projectRoot, 0), stackCharacters);
  return {
    code: codeOf(thrown),
    message: clean(String(thrown.message), messageCharacters),
    name: clean(String(thrown.name), 200),
    ...(stack !== "" && { stack }),
    ...hintOf(thrown),
    ...(isCallError(thrown) && { details: { runId: String(thrown.runId) } }),
    ...(isExternalJobError(thrown) && { details: jobDetails(thrown) }),
  };
}

/** What to do about it: of a called run, what that one's error says. */
function hintOf(thrown: object): { readonly hint?: string } {
  const said = isCallError(thrown) ? thrown.error : isAppError(thrown) || isExternalJobError(thrown) ? thrown : null;
  const hint = said?.hint;
  return hint === undefined ? {} : { hint: clean(String(hint), messageCharacters) };
}

/** Which job it was, for whoever looks for it. */
function jobDetails({ service, id, externalId, status, code }: ExternalJobError): Json {
  return { service, jobId: id, externalId, status, code };
}

function codeOf(thrown: unknown): string {
  if (isExternalJobError(thrown)) return "external_failed";
  if (isCallError(thrown)) return "child_failed";
  if (isWaitTimedOut(thrown)) return "wait_timed_out";
  return isAppError(thrown) ? thrown.code : "task_failed";
}

interface ErrorLike {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: unknown;
}

/** Errors of another realm (node:vm) are no instance of this realm's Error. */
function isErrorLike(value: unknown): value is ErrorLike {
  return typeof value === "object" && value !== null && "message" in value && "name" in value && "stack" in value;
}

function stackText(error: ErrorLike, projectRoot: string, depth: number): string {
  const all = ownStack(error)
    .split("\n")
    .filter((line) => /^\s+at /.test(line));
  // What called the SDK is whoever runs the body.
  const last = all.findLastIndex(isOwnFrame);
  const frames = (last === -1 ? all : all.slice(0, last)).filter(isUserFrame).map((line) => shorten(line, projectRoot));
  const text = [`${error.name}: ${error.message}`, ...frames].join("\n");
  const cause = error.cause;
  if (cause === undefined || depth === deepestCause) return text;
  if (!isErrorLike(cause)) return `${text}\nCaused by: ${inspect(cause, { depth: 1 })}`;
  return `${text}\nCaused by: ${stackText(cause, projectRoot, depth + 1)}`;
}

function ownStack(error: ErrorLike): string {
  try {
    return typeof error.stack === "string" ? error.stack : "";
  } catch {
    return ""; // a getter, or a prepareStackTrace, of user code that throws
  }
}

function isUserFrame(line: string): boolean {
  if (line.includes("(node:") || line.includes("at node:")) return false;
  if (line.includes("(<anonymous>)") || line.includes("native)")) return false;
  if (isOwnFrame(line)) return false;
  return !/\/node_modules\/(@holdfast|holdfast)\//.test(line);
}

function isOwnFrame(line: string): boolean {
  return line.includes(ownFolder) || line.includes(ownFolder.slice("file://".length));
}

function shorten(line: string, projectRoot: string): string {
  const folder = projectRoot.replace(/\/$/, "");
  const path = line.replace("file://", "");
  return folder === "" ? path : path.replace(`${folder}/`, "");
}

function clean(text: string, maxCharacters: number): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}… (cut: ${text.length} characters)` : text;
  return storableText(cut);
}
