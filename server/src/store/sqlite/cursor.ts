import { AppError } from "@holdfast/protocol";

/** The place that a cursor names; undefined without one. Throws `invalid_request` for a text that no page has answered. */
export function placeOf(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new AppError("invalid_request", "The cursor is not one that this store gave out.");
}
