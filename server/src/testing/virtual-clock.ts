import type { Clock } from "../clock.ts";

interface Sleeper {
  readonly dueMs: number;
  readonly order: number;
  readonly wake: () => void;
}

const startMs = Date.UTC(2026, 0, 1);

/**
 * A clock that stands still until it is told to go on. Everything that sleeps on it wakes in order of time, and what a waking
 * sets off is over before the next one wakes.
 */
export class VirtualClock implements Clock {
  #elapsedMs = 0;
  #order = 0;
  // Sorted by due time, then by order of arrival; the next to wake is last.
  #sleepers: Sleeper[] = [];

  now(): number {
    return startMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  /** Milliseconds until the next sleeper is due; undefined when nothing sleeps. */
  get nextInMs(): number | undefined {
    const next = this.#sleepers.at(-1);
    return next === undefined ? undefined : next.dueMs - this.#elapsedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const leave = () => {
        this.#remove(sleeper);
        resolve();
      };
      const wake = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const sleeper: Sleeper = { dueMs: this.#elapsedMs + Math.max(0, ms), order: this.#order++, wake };
      signal?.addEventListener("abort", leave, { once: true });
      this.#insert(sleeper);
    });
  }

  /** Goes on by `ms`, waking all that is due on the way. `settle` waits until what a waking set off is over. */
  async advanceMs(ms: number, settle: () => Promise<void> = untilQuiet): Promise<void> {
    const targetMs = this.#elapsedMs + ms;
    await settle();
    while (this.#wakeNext(targetMs)) await settle();
    this.#elapsedMs = targetMs;
  }

  /** Goes on to the next sleeper and wakes it. False when nothing sleeps. */
  step(): boolean {
    return this.#wakeNext(Number.POSITIVE_INFINITY);
  }

  #wakeNext(untilMs: number): boolean {
    const next = this.#sleepers.at(-1);
    if (next === undefined || next.dueMs > untilMs) return false;
    this.#sleepers.pop();
    this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
    next.wake();
    return true;
  }

  #insert(sleeper: Sleeper): void {
    let low = 0;
    let high = this.#sleepers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#sleepers[middle];
      if (other !== undefined && wakesBefore(sleeper, other)) low = middle + 1;
      else high = middle;
    }
    this.#sleepers.splice(low, 0, sleeper);
  }

  #remove(sleeper: Sleeper): void {
    const index = this.#sleepers.indexOf(sleeper);
    if (index !== -1) this.#sleepers.splice(index, 1);
  }
}

/** Resolves when every promise that could go on has gone on. */
export function untilQuiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function wakesBefore(a: Sleeper, b: Sleeper): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
