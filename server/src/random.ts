import { randomBytes } from "node:crypto";

/** Randomness as it comes in by constructor. */
export interface Random {
  /** From [0, 1). */
  fraction(): number;
  bytes(count: number): Uint8Array;
}

/** The machine's own randomness. */
export const systemRandom: Random = {
  fraction: () => Math.random(),
  bytes: (count) => randomBytes(count),
};
