import { fileURLToPath } from "node:url";

/** A place in a source file; lines and columns count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const ownFolder = new URL(".", import.meta.url).href;
const framePattern = /^\s*at (?:.*? \()?(?:async )?(.+?):(\d+):(\d+)\)?$/;

/** Where the user's code called the SDK: the first frame outside of it. Undefined when the stack shows none. */
export function callerPosition(): Position | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 25;
  const stack = new Error("position").stack ?? "";
  Error.stackTraceLimit = limit;
  return positionInStack(stack);
}

/** The first frame of a stack that lies in a file of the user's. */
export function positionInStack(stack: string): Position | undefined {
  for (const text of stack.split("\n")) {
    const match = framePattern.exec(text);
    if (match === null) continue;
    const [, place = "", line = "", column = ""] = match;
    if (place.startsWith("node:") || place.includes("/node_modules/") || isOwn(place)) continue;
    const file = place.startsWith("file:") ? fileURLToPath(place) : place;
    if (!file.startsWith("/") && !/^[A-Za-z]:[\\/]/.test(file)) continue;
    return { file, line: Number(line), column: Number(column) };
  }
  return undefined;
}

function isOwn(place: string): boolean {
  const href = place.startsWith("/") ? `file://${place}` : place;
  return href.startsWith(ownFolder) && !href.includes(".test.");
}
