import { isAppError } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";

const firstDelayMs = 50;
const longestDelayMs = 2_000;

/**
 * Carries an idempotent write out however long the store is away or has no room, which says nothing of what is written, until `signal` says that nobody is bound to it any more;
 * then the last failure is thrown. Failures that repeating cannot mend are thrown at once.
 */
export async function persist<T>(clock: Clock, signal: AbortSignal, write: () => Promise<T>): Promise<T> {
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
    try {
      return await write();
    } catch (error) {
      const maySoon = isAppError(error, "store_unavailable") || isAppError(error, "store_full");
      if (!maySoon || signal.aborted) throw error;
      await clock.sleep(delayMs, signal);
    }
  }
}
