import { AppError } from "@holdfast/protocol";

/** The place that a cursor names; cursors are numbers of rows in the order of insertion. */
export function placeOf(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) {
    throw new AppError("invalid_request", "The cursor is not one that this store gave out.");
  }
  return Number(cursor);
}
