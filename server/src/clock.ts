/** Time as it comes into every part by constructor, so that the engine runs in a simulation as it runs in the world. */
export interface Clock {
  /** Milliseconds since 1970. Only for ids and for stores that live in this process: comparisons use the store's clock (P9). */
  now(): number;
  /** Milliseconds that never go back: how a process measures its own lease and waits. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` fires; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

const longestTimerMs = 2 ** 31 - 1;

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(ms, longestTimerMs));
      signal?.addEventListener("abort", done, { once: true });
    }),
};
