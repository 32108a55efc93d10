import { quantile } from "../quantile.ts";
import { goThrough, type Side } from "./operations.ts";

const warmUpRounds = 8;

/** An operation beside nothing and beside ended runs: medians in milliseconds. */
export interface Comparison {
  readonly operation: string;
  readonly aloneMs: number;
  readonly besideMs: number;
}

/** Both sides in turn, each first as often as the other, so that a slow moment of the machine meets both. */
export async function compare(alone: Side, beside: Side, rounds: number): Promise<Comparison[]> {
  const lengths = new Map<string, [number[], number[]]>();
  const sides = [alone, beside] as const;
  for (let round = -warmUpRounds; round < rounds; round++) {
    for (const which of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      await goThrough(sides[which], async (operation, act) => {
        const startedMs = performance.now();
        const value = await act();
        const ms = performance.now() - startedMs;
        const both = lengths.get(operation) ?? [[], []];
        lengths.set(operation, both);
        if (round >= 0) both[which].push(ms);
        return value;
      });
    }
  }
  return [...lengths].map(([operation, [alone, beside]]) => {
    return { operation, aloneMs: quantile(alone, 0.5), besideMs: quantile(beside, 0.5) };
  });
}
