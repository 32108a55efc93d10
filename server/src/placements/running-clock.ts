import type { Clock } from "../clock.ts";

const longestSleepMs = 2 ** 31 - 1;
/** Given as the reason, since the default is an error made anew each time, with its stack. */
const stopped = "stopped";

/** Running time of one activation: a stopwatch that stands still while the activation is frozen, with a limit. */
export class RunningClock {
  readonly #clock: Clock;
  readonly #limitMs: number | undefined;
  readonly #onLimit: () => void;
  #before = 0;
  #since: number | undefined;
  #stopSleep: AbortController | undefined;

  constructor(clock: Clock, limitMs: number | undefined, onLimit: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onLimit = onLimit;
  }

  get ranMs(): number {
    return Math.round(this.#exact());
  }

  /** Starts, or goes on after `stop`. */
  run(): void {
    if (this.#since !== undefined) return;
    this.#since = this.#clock.monotonicMs();
    if (this.#limitMs !== undefined) void this.#watch(this.#limitMs);
  }

  stop(): void {
    this.#before = this.#exact();
    this.#since = undefined;
    this.#stopSleep?.abort(stopped);
  }

  #exact(): number {
    return this.#before + (this.#since === undefined ? 0 : this.#clock.monotonicMs() - this.#since);
  }

  async #watch(limitMs: number): Promise<void> {
    const stopSleep = new AbortController();
    this.#stopSleep = stopSleep;
    while (this.#exact() < limitMs) {
      const leftMs = Math.ceil(limitMs - this.#exact());
      await this.#clock.sleep(Math.min(leftMs, longestSleepMs), stopSleep.signal);
      if (stopSleep.signal.aborted) return;
    }
    this.#onLimit();
  }
}
