import type { Reason, RunBrief } from "@holdfast/protocol";
import type { RunRow } from "../core/index.ts";

// The words in which reasons are told.

export function reason(of: {
  readonly code: Reason["code"];
  readonly message: string;
  readonly remedy?: string | null;
  readonly runs?: readonly RunRow[];
  readonly until?: string | null;
}): Reason {
  const { code, message, remedy = null, runs = [], until = null } = of;
  return { code, message, remedy, runs: runs.map(brief), until };
}

export function brief({ id, name, definition, status }: RunRow): RunBrief {
  return { id, name, definition, status };
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A length of time for people: `12 s`, `3 min`, `5 h`. */
export function lengthText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
