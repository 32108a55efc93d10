import { AppError, isEndedJob } from "@holdfast/protocol";
import type { JobRow } from "../core/index.ts";
import type { JobFilter } from "./job-verbs.ts";

// What lists of jobs ask for, and where they go on: after the row that was opened then, of that id.

/** Whether only jobs that have not ended are asked for. */
export function isOfOpenOnes({ statuses }: Pick<JobFilter, "statuses">): boolean {
  return statuses !== undefined && !statuses.some(isEndedJob);
}

/** The place after a page; null where nothing comes after it. */
export function jobCursor(last: Pick<JobRow, "id" | "openedAt"> | undefined, more: boolean): string | null {
  return last === undefined || !more ? null : `${last.openedAt}/${last.id}`;
}

/** Throws `invalid_request` for what is no such place. */
export function jobPlace(cursor: string): { readonly openedAt: number; readonly id: string } {
  const [, openedAt, id] = /^(\d+(?:\.\d+)?)\/(\w+)$/.exec(cursor) ?? [];
  if (openedAt === undefined || id === undefined) {
    throw new AppError("invalid_request", `"${cursor}" is no place in a list of jobs.`, {
      hint: "Give the cursor of the page before, as it was answered.",
    });
  }
  return { openedAt: Number(openedAt), id };
}
