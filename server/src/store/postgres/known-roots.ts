import type { RunRow } from "../../core/index.ts";

/** About so many are remembered; a run that is not only costs its look-up. */
const limitRuns = 50_000;

/**
 * Which runs, of those that were claimed here, have no parent. Nothing hangs on a root, and that never changes, so that its end
 * can do without looking for parents and dependents.
 */
export class KnownRoots {
  readonly #ids = new Set<string>();

  remember(runs: Iterable<RunRow>): void {
    // Runs whose end was not said here are left over; forgetting everything is cheaper than knowing which.
    if (this.#ids.size >= limitRuns) this.#ids.clear();
    for (const run of runs) if (run.parentId === null) this.#ids.add(run.id);
  }

  /** Forgets the runs, which are about to end. True when all of them were known to be roots. */
  forget(ids: readonly string[]): boolean {
    let known = 0;
    for (const id of ids) if (this.#ids.delete(id)) known += 1;
    return known === ids.length;
  }
}
