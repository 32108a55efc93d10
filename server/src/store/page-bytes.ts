import { limits } from "@holdfast/protocol";

/**
 * How many of the first rows make a page: those before which there is room yet, so that one at least is shown, however large
 * it is. `bytesOf`: of a row's values; it is asked for no more rows than it has to be.
 */
export function fittingRows<T>(
  rows: readonly T[],
  bytesOf: (row: T) => number,
  pageBytes: number = limits.pageBytes,
): number {
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    if (bytes >= pageBytes) return index;
    bytes += bytesOf(row);
  }
  return rows.length;
}
