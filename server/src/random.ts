import { randomBytes } from "node:crypto";

/** Randomness as it comes in by constructor. */
export interface Random {
  /** From [0, 1). */
  fraction(): number;
  bytes(count: number): Uint8Array;
}

const drawnBytes = 4_096;

/** Draws from the system for many at a time: each draw costs more than all else that an id needs. No byte is given twice. */
class DrawnAhead implements Random {
  #drawn: Uint8Array = new Uint8Array();

  fraction(): number {
    return Math.random();
  }

  bytes(count: number): Uint8Array {
    if (count > this.#drawn.length) this.#drawn = randomBytes(Math.max(count, drawnBytes));
    const given = this.#drawn.subarray(0, count);
    this.#drawn = this.#drawn.subarray(count);
    return given;
  }
}

/** The machine's own randomness. */
export const systemRandom: Random = new DrawnAhead();
