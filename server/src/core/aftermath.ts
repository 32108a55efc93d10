import type { JobNoteResult } from "./job-rows.ts";
import type { Ledger } from "./ledger.ts";
import type { FinishResult } from "./next.ts";
import type { RunRow } from "./run.ts";

/**
 * What a verb did to runs besides what its answer says of them, for those who tell others: rows without inputs and outputs. A
 * part that is absent is empty; in the order of ids.
 */
export interface Aftermath {
  /** Runs that ended. */
  readonly ended?: readonly RunRow[];
  /** Activations that were taken over, as they were before. */
  readonly lost?: readonly RunRow[];
}

/** Of a ledger whose ends have been carried on. `known`: runs of which the answer tells already. */
export function aftermathOf(ledgers: Iterable<Ledger>, known: ReadonlySet<string> = new Set()): Aftermath {
  const ended: RunRow[] = [];
  const lost: RunRow[] = [];
  for (const ledger of ledgers) {
    for (const run of ledger.endings()) if (!known.has(run.id)) ended.push(slim(run));
    for (const run of ledger.losses) lost.push(slim(run));
  }
  const byId = (a: RunRow, b: RunRow) => (a.id < b.id ? -1 : 1);
  return {
    ...(ended.length === 0 ? {} : { ended: ended.sort(byId) }),
    ...(lost.length === 0 ? {} : { lost: lost.sort(byId) }),
  };
}

/** The results of a call, the first that is finished with what the call ended besides. */
export function withAftermath(
  results: readonly FinishResult[],
  rows: readonly { readonly runId: string }[],
  ledger: Ledger,
): FinishResult[] {
  const { ended } = aftermathOf([ledger], new Set(rows.map(({ runId }) => runId)));
  const first = ended === undefined ? -1 : results.findIndex(({ outcome }) => outcome === "finished");
  return results.map((result, index) =>
    index === first && ended !== undefined && result.outcome === "finished" ? { ...result, ended } : result,
  );
}

/** The results of what was said of jobs, the first that is noted with the runs that the call ended. */
export function withJobAftermath(results: readonly JobNoteResult[], ledger: Ledger): JobNoteResult[] {
  const { ended } = aftermathOf([ledger]);
  const first = ended === undefined ? -1 : results.findIndex(({ outcome }) => outcome === "noted");
  return results.map((result, index) =>
    index === first && ended !== undefined && result.outcome === "noted" ? { ...result, ended } : result,
  );
}

function slim(run: RunRow): RunRow {
  return { ...run, input: undefined, output: undefined };
}
