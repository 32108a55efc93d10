import type { Finish, RunRow } from "../../core/index.ts";

/** About so many are remembered; a run that is not only costs its look-up. */
const limitRuns = 10_000;

/** Nothing changes with its end but itself: neither a parent, nor who stands in line for its slots. */
function isAlone({ parentId, claimedBy, limits, waiting, openChildren }: RunRow): boolean {
  if (parentId !== null || waiting !== null || openChildren > 0) return false;
  return claimedBy !== null && limits.length === 0;
}

/**
 * Runs without a parent that were claimed here, as the claim answered them. Nothing hangs on a root without limits, so that its end can be
 * decided on this image and written if the run still stands as it did then: one statement instead of a transaction.
 */
export class KnownRoots {
  readonly #runs = new Map<string, RunRow>();

  remember(runs: Iterable<RunRow>): void {
    // Runs whose end was not said here are left over; forgetting everything is cheaper than knowing which.
    if (this.#runs.size >= limitRuns) this.#runs.clear();
    // An input may be large, and no end needs it.
    for (const run of runs) if (isAlone(run)) this.#runs.set(run.id, { ...run, input: undefined });
  }

  /** Takes out the runs of these activations. Undefined unless each of them ends a run that is known, and no run twice. */
  take(rows: readonly Finish[]): RunRow[] | undefined {
    const runs: RunRow[] = [];
    for (const { runId, epoch, next } of rows) {
      const run = this.#runs.get(runId);
      this.#runs.delete(runId);
      if (run?.epoch === epoch && next.to === "ended") runs.push(run);
    }
    return runs.length === rows.length ? runs : undefined;
  }
}
