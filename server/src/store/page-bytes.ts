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
  return measured(input) + measured(output) + (error === null ? 0 : measured(error));
}

/** Values that never change any more, which the memory store hands out again and again: measured once. */
const sizes = new WeakMap<object, number>();

function measured(value: unknown): number {
  if (typeof value !== "object" || value === null || !Object.isFrozen(value)) return jsonBytes(value);
  const known = sizes.get(value) ?? jsonBytes(value);
  sizes.set(value, known);
  return known;
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
