import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Problem } from "@holdfast/protocol";
import { positionInStack } from "@holdfast/sdk/definitions";
import type { CompileNote } from "./answer.ts";

let tell: (file: string) => void = () => undefined;

/** `listener` hears of each file before it is loaded. */
export function onLoading(listener: (file: string) => void): void {
  tell = listener;
}

/** A module's exports, or why it cannot be loaded. */
export type Loaded =
  | { readonly exports: Readonly<Record<string, unknown>>; readonly problem?: undefined }
  | { readonly problem: Problem };

/** Imports a file of the user's. */
export async function load(file: string): Promise<Loaded> {
  tell(file);
  const note: CompileNote = { kind: "loading", file };
  // Written at once: the file may never let go of this thread.
  writeSync(3, `${JSON.stringify(note)}\n`);
  try {
    return { exports: (await import(pathToFileURL(file).href)) as Record<string, unknown> };
  } catch (error) {
    return { problem: loadProblem(file, error) };
  }
}

/** What is to be said when loading threw. */
export function loadProblem(file: string, error: unknown): Problem {
  if (!(error instanceof Error)) {
    return {
      file,
      line: 1,
      message: `Loading the file threw ${String(error)}.`,
      hint: "Code outside of tasks runs when a file is loaded.",
    };
  }
  const code = "code" in error ? String(error.code) : "";
  const place = placeOf(error) ?? { file, line: 1 };
  const message = `The file cannot be loaded: ${error.name}: ${messageOf(error)}`;
  return { ...place, message, hint: loadHint(code, error) };
}

function placeOf(error: Error): { file: string; line: number; column?: number } | undefined {
  if ("file" in error && "line" in error && typeof error.file === "string" && typeof error.line === "number") {
    return { file: error.file, line: error.line };
  }
  const stack = error.stack ?? "";
  const first = /^(?:file:\/\/)?(\/[^\n]*?):(\d+)\n/.exec(stack);
  if (first !== null && error instanceof SyntaxError)
    return { file: decodeURI(first[1] ?? ""), line: Number(first[2]) };
  return positionInStack(stack);
}

function loadHint(code: string, error: Error): string {
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND")
    return "Install the package, or correct the path of the import.";
  if (error instanceof ReferenceError && error.message.endsWith("before initialization")) {
    return "Do files import each other in a circle? Then one runs before the other is complete: move what both use into a third file.";
  }
  if (error instanceof SyntaxError) return "Correct the syntax, or the name that is imported.";
  return "Code outside of tasks runs when a file is loaded: keep it free of work, and of what only a task may reach.";
}

/** The first line of what was thrown. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
