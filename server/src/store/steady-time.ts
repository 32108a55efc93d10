/** Where `monotonicMs` is told, a store's time goes on also while `now` has been set back. */
export interface StoreClock {
  now(): number;
  monotonicMs?(): number;
}

/**
 * The time of a store that has no server's clock: never earlier than it was (P9). After the machine's clock was set back, it
 * goes on at half its pace until the machine's has come up with it: were it to stand still, what waits for a moment would wait
 * for as long as the clock was wrong.
 */
export class SteadyTime {
  /** With the parts of milliseconds. */
  #exactNow: number;
  #monotonicMs: number | undefined;

  constructor(from: number) {
    this.#exactNow = from;
  }

  /** Told what the clocks say, answers what time it is. */
  tell(clockNow: number, monotonicMs: number | undefined): number {
    const passedMs = (monotonicMs ?? 0) - (this.#monotonicMs ?? monotonicMs ?? 0);
    this.#monotonicMs = monotonicMs;
    this.#exactNow = Math.max(clockNow, this.#exactNow + passedMs / 2);
    return Math.floor(this.#exactNow);
  }
}
