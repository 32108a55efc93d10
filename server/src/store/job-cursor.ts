import { AppError } from "@holdfast/protocol";
import type { JobRow } from "../core/index.ts";

// Where a list of jobs goes on: after the row that was opened then, of that id.

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
