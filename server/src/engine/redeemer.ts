import type { Clock } from "../clock.ts";
import type { Intents } from "../operations/intents.ts";
import type { Loop } from "./loop.ts";

/** After an intent more are to be expected: so soon it looks again, and then less and less often. */
const busyMs = 10;
const idleMs = 250;
/** How often rejected intents are looked at, whether their definition has changed. */
const reviewMs = 1_000;

/**
 * Carries out what users' own transactions have promised. No ring tells of their commits, so it polls: one indexed statement
 * that answers nothing, four times a second where nothing is promised.
 */
export class Redeemer implements Loop {
  readonly name = "redeemer";
  readonly #intents: Intents;
  readonly #clock: Clock;
  readonly #pollMs: number;
  #waitMs = busyMs;
  #reviewedMs = Number.NEGATIVE_INFINITY;

  constructor({ intents, clock, pollMs }: { intents: Intents; clock: Clock; pollMs: number }) {
    this.#intents = intents;
    this.#clock = clock;
    this.#pollMs = pollMs;
  }

  async tick(): Promise<number> {
    await this.#review();
    const { settled, more } = await this.#intents.redeem();
    if (more) return 0;
    this.#waitMs = settled > 0 ? busyMs : this.#waitMs * 1.5;
    this.#waitMs = Math.min(this.#waitMs, idleMs, this.#pollMs);
    return this.#waitMs;
  }

  async #review(): Promise<void> {
    const now = this.#clock.monotonicMs();
    if (now - this.#reviewedMs < reviewMs) return;
    await this.#intents.reopenJudged();
    this.#reviewedMs = now;
  }
}
