import { isAppError, isStoreGone } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";

/** Work that is done again and again. `tick` does what is to be done now. */
export interface Loop {
  readonly name: string;
  /** Answers the milliseconds until it wants to run again if nothing wakes it earlier. */
  tick(): Promise<number>;
}

/** Wakes a loop that sleeps; a ring during a tick is kept until after it, unless it is hushed. */
export class Bell {
  #rung = false;
  #sleeper: AbortController | undefined;

  ring(): void {
    this.#rung = true;
    // A reason of our own: to make the default one, an error with a stack, costs more than the whole wait.
    this.#sleeper?.abort(rung);
  }

  /** Resolves after `ms`, or at once when it was rung since the last wait. Answers whether it was rung. */
  async wait(ms: number, clock: Clock): Promise<boolean> {
    if (!this.#rung) {
      this.#sleeper = new AbortController();
      await clock.sleep(ms, this.#sleeper.signal);
      this.#sleeper = undefined;
    }
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }

  /** Forgets the rings so far: what they tell of is about to be looked at. */
  hush(): void {
    this.#rung = false;
  }
}

const rung = "rung";

export interface LoopOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly bell: Bell;
  /** How long a ring waits for others, so that many become one piece of work, and what is more urgent goes first. */
  readonly gapMs?: number;
  /** Told how long each tick took and whether it failed. */
  readonly onTick?: (loop: string, seconds: number, failed: boolean) => void;
}

const failureDelayMs = 500;

/** Runs a loop until `signal` fires. A tick that fails is said in the log and tried again: a loop does not end by a failure. */
export async function runLoop(loop: Loop, { clock, signal, log, bell, gapMs = 0, onTick }: LoopOptions): Promise<void> {
  signal.addEventListener("abort", () => bell.ring(), { once: true });
  let isAway = false;
  while (!signal.aborted) {
    let waitMs = failureDelayMs;
    const began = clock.monotonicMs();
    const tell = (failed: boolean) => onTick?.(loop.name, (clock.monotonicMs() - began) / 1_000, failed);
    try {
      waitMs = await loop.tick();
      tell(false);
      isAway = false;
    } catch (error) {
      tell(true);
      // An outage is one event, however often it is met.
      const isKnown = isAway;
      isAway = isAppError(error, "store_unavailable");
      if (!isAway) log.error({ err: error, loop: loop.name }, `The ${loop.name} failed; it tries again.`);
      else if (!isKnown) {
        const what = isStoreGone(error) ? `. ${error.message}` : ", which is away.";
        log.warn({ loop: loop.name }, `The ${loop.name} waits for the store${what}`);
      }
      await clock.sleep(failureDelayMs, signal);
    }
    if ((await bell.wait(waitMs, clock)) && gapMs > 0) {
      await clock.sleep(gapMs, signal);
      bell.hush();
    }
  }
}
