import { limits } from "@holdfast/protocol";
import type { RunRow } from "../core/index.ts";
import { jsonBytes } from "./admission.ts";
import type { ScopeResult } from "./store.ts";

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

/** Bytes of what makes a run's row large. Nothing counts where there is nothing, not even a null. */
export function runBytes({ input, output, error }: Pick<RunRow, "input" | "output" | "error">): number {
  return jsonBytes(input) + jsonBytes(output) + (error === null ? 0 : jsonBytes(error));
}

/** Whether more may come after this page of `listTree`: it has as many rows as were asked for, or as many as fit. */
export function mayHaveMore(page: readonly RunRow[], limitRows: number): boolean {
  return page.length === limitRows || page.reduce((bytes, run) => bytes + runBytes(run), 0) >= limits.pageBytes;
}

/** What is answered in place of a scope's values, where these are too much. `soFar`: its bytes and those of the scopes before it. */
export function unreadScope(bytes: number, soFar: number): ScopeResult | undefined {
  if (bytes > limits.scopeBytes) return { outcome: "too_large", bytes };
  return soFar > limits.scopeBytes ? { outcome: "later" } : undefined;
}
