import type { TrackingFailure } from "@holdfast/protocol";
import type { Random } from "../../random.ts";

// How often what is asked of services. A look costs the service a call, and a look that comes late costs the run time: so a job is looked at
// after a tenth of the time that it has taken, and its end is seen before it has taken a tenth longer.

const agePart = 10;
const soonestMs = 1_000;
const latestMs = 60_000;
/** While the service tells of a job by itself, a look is only for what that misses. */
const watchedMs = 300_000;
/** No service decides that it is never asked again. */
const longestAskedMs = 15 * 60_000;
const firstBackOffMs = 1_000;

export interface Look {
  readonly ageMs: number;
  readonly isWatched: boolean;
  /** The service's own wish. */
  readonly nextPollMs?: number | undefined;
}

/** How long until the next look at a job that is not done. */
export function lookAfterMs({ ageMs, isWatched, nextPollMs = 0 }: Look, random: Random): number {
  const byAgeMs = Math.min(latestMs, Math.max(soonestMs, ageMs / agePart));
  const wantedMs = Math.max(isWatched ? watchedMs : byAgeMs, Math.min(nextPollMs, longestAskedMs));
  // Jobs that were opened together would be asked for together for ever.
  return wantedMs * (0.95 + random.fraction() * 0.1);
}

/** How long until something is tried again that has failed `tries` times in a row. At least what the service asks for. */
export function backOffMs(tries: number, failure: Pick<TrackingFailure, "retryAfterMs">, random: Random): number {
  const growingMs = Math.min(latestMs, firstBackOffMs * 2 ** Math.min(tries - 1, 16));
  const spreadMs = growingMs * (0.5 + random.fraction() / 2);
  return Math.max(spreadMs, Math.min(failure.retryAfterMs ?? 0, longestAskedMs));
}
