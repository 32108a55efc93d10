import { limits } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Store } from "../store/store.ts";

// Many callers wait for the ends of runs, and a ring says only that some have ended. So one look, at all that are awaited
// and without their values, serves all who wait; each then reads its own run once. Who comes anew is looked at at once, together
// with all who have come during the look before: whoever awaits a thousand runs asks the store a few times, not a thousand.

export interface EndWatchOptions {
  readonly store: Store;
  readonly namespace: string;
  readonly clock: Clock;
  /** How often to look should every ring be lost. */
  readonly pollMs: number;
}

interface Waiter {
  readonly tell: () => void;
  readonly fail: (error: unknown) => void;
}

/** Waits for the ends of runs, for everybody in this process. */
export class EndWatch {
  readonly #options: EndWatchOptions;
  readonly #waiters = new Map<string, Set<Waiter>>();
  /** Awaited since the last look. */
  #fresh = new Set<string>();
  /** Any of those who are awaited may have ended: a ring has said so, or too long nothing was heard. */
  #mayHaveEnded = false;
  #bell = new AbortController();
  #watching = false;

  constructor(options: EndWatchOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the run has ended or is not there (any more, or in this namespace), after `waitMs`, or when `signal` fires.
   * Rejects when the store fails.
   */
  async ended(runId: string, waitMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { tell: resolve, fail: reject };
    const waiters = this.#waiters.get(runId) ?? new Set();
    this.#waiters.set(runId, waiters.add(waiter));
    this.#fresh.add(runId);
    if (this.#watching) this.#bell.abort(rung);
    else void this.#watch();
    try {
      await Promise.race([promise, this.#options.clock.sleep(waitMs, AbortSignal.any([over.signal, signal]))]);
    } finally {
      over.abort(rung);
      waiters.delete(waiter);
      if (waiters.size === 0 && this.#waiters.get(runId) === waiters) this.#waiters.delete(runId);
      if (this.#waiters.size === 0) this.#bell.abort(rung);
    }
  }

  /** Looks at who comes, and at all after each ring and each poll, for as long as anybody waits. */
  async #watch(): Promise<void> {
    const { store, clock, pollMs } = this.#options;
    this.#watching = true;
    const stop = store.onRing((topics) => {
      if (!topics.includes("ended")) return;
      this.#mayHaveEnded = true;
      this.#bell.abort(rung);
    });
    do {
      // What rings, and who comes, during a look is heard after it.
      if (!this.#bell.signal.aborted && this.#fresh.size === 0) {
        await clock.sleep(pollMs, this.#bell.signal);
        if (!this.#bell.signal.aborted) this.#mayHaveEnded = true;
      }
      this.#bell = new AbortController();
      await this.#look(this.#takeAwaited());
    } while (this.#waiters.size > 0);
    stop();
    this.#watching = false;
  }

  /** Those to look at now, while anybody waits for them. */
  #takeAwaited(): string[] {
    const ids = this.#mayHaveEnded ? [...this.#waiters.keys()] : [...this.#fresh].filter((id) => this.#waiters.has(id));
    this.#fresh = new Set();
    this.#mayHaveEnded = false;
    return ids;
  }

  async #look(ids: readonly string[]): Promise<void> {
    try {
      for (let from = 0; from < ids.length; from += limits.batchRows) {
        const { store, namespace } = this.#options;
        const ended = await store.listEnded({ ids: ids.slice(from, from + limits.batchRows), namespace });
        for (const id of ended) for (const waiter of this.#take(id)) waiter.tell();
      }
    } catch (error) {
      for (const id of ids) for (const waiter of this.#take(id)) waiter.fail(error);
    }
  }

  #take(runId: string): Iterable<Waiter> {
    const waiters = this.#waiters.get(runId) ?? [];
    this.#waiters.delete(runId);
    return waiters;
  }
}

// A reason of our own: to make the default one, an error with a stack, costs more than the whole wait.
const rung = "rung";
