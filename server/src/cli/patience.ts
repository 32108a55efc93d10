import { durationMs, isAppError, isStoreGone } from "@holdfast/protocol";
import { UsageError } from "./failures.ts";
import { lengthText } from "./times.ts";

const retryMs = 500;
const defaultLimitMs = 600_000;

/** Flags of commands that follow what happens. */
export interface FollowFlags {
  readonly patience?: string;
}

export interface PatienceOptions {
  /** How long an outage may last before a question is given up. */
  readonly limitMs: number;
  /** Hears that nobody answers, and that somebody does again. */
  readonly say: (text: string) => void;
  /** True: a store that was removed is waited for as one that is away, since it may be put back. */
  readonly outlivesStore?: boolean;
}

/**
 * Goes on asking while a server is restarted or a store is away. To follow is only to look: whatever is followed goes on
 * meanwhile, so nothing is lost by asking again from the same place.
 */
export class Patience {
  readonly #limitMs: number;
  readonly #say: (text: string) => void;
  readonly #outlivesStore: boolean;
  #awaySince: number | undefined;
  #isOver = false;

  constructor({ limitMs, say, outlivesStore = false }: PatienceOptions) {
    this.#outlivesStore = outlivesStore;
    this.#limitMs = limitMs;
    this.#say = say;
  }

  /** The answer; undefined when the signal fires before. Throws `store_unavailable` when the outage lasts too long, or can have no end. */
  async ask<T>(question: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    for (;;) {
      try {
        const answer = await question();
        this.#back();
        return answer;
      } catch (error) {
        if (signal.aborted || this.#isOver) return undefined;
        if (!isAppError(error, "store_unavailable") || (isStoreGone(error) && !this.#outlivesStore)) throw error;
        this.#away(error.message);
        if (this.#awayMs() >= this.#limitMs) throw error;
        await this.pause(retryMs, signal);
      }
    }
  }

  /** Nobody waits for answers any more: questions under way come to none, and nothing more is said. */
  end(): void {
    this.#isOver = true;
  }

  /** Resolves after a time, or when the signal fires. */
  pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted) done();
    });
  }

  #away(message: string): void {
    if (this.#awaySince !== undefined) return;
    this.#awaySince = performance.now();
    this.#say(`${message} Still asking, for ${lengthText(this.#limitMs)}; what runs goes on without being looked at.`);
  }

  #back(): void {
    if (this.#awaySince === undefined) return;
    this.#say(`There is an answer again, after ${lengthText(this.#awayMs())}.`);
    this.#awaySince = undefined;
  }

  #awayMs(): number {
    return this.#awaySince === undefined ? 0 : performance.now() - this.#awaySince;
  }
}

/** How long `--patience` says that an outage may last. Throws UsageError. */
export function readPatience({ patience }: FollowFlags): number {
  if (patience === undefined) return defaultLimitMs;
  const ms = durationMs(patience);
  if (ms !== undefined) return ms;
  throw new UsageError(`--patience is "${patience}".`, 'Write a duration such as "30s", "10m" or "2h".');
}
