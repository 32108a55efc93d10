/** How long what ran over its bound is held to less, the first time; each further time doubles it. */
const firstMs = 10_000;
const mostTimes = 6;
/** The bounds, in milliseconds of running time: of what is not known to be slow, and the least. */
export const longestWorkMs = 1_000;
const leastWorkMs = 25;

interface Slow {
  readonly times: number;
  readonly untilMs: number;
}

/**
 * Which schemas and expressions have run over their bound of late. What has is trusted with half the time at each further
 * time, so that many values for which it never ends cost little together, while those for which it is quick still pass.
 */
export class Slowness {
  readonly #slow = new WeakMap<object, Slow>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** How long a piece of it may take; undefined: it is not known to be slow. */
  boundMs(subject: object): number | undefined {
    const slow = this.#find(subject);
    return slow === undefined ? undefined : Math.max(leastWorkMs, Math.floor(longestWorkMs / 2 ** slow.times));
  }

  /** How long it is still held to less than others, in milliseconds. */
  leftMs(subject: object): number {
    return Math.max(0, (this.#find(subject)?.untilMs ?? 0) - this.#nowMs());
  }

  /** It has run over its bound. */
  note(subject: object): void {
    const times = Math.min((this.#find(subject)?.times ?? 0) + 1, mostTimes);
    this.#slow.set(subject, { times, untilMs: this.#nowMs() + firstMs * 2 ** (times - 1) });
  }

  #find(subject: object): Slow | undefined {
    const slow = this.#slow.get(subject);
    if (slow === undefined || this.#nowMs() < slow.untilMs) return slow;
    this.#slow.delete(subject);
    return undefined;
  }
}
