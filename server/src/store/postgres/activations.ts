import { type Expansion, type Finish, type FinishResult, withAftermath } from "../../core/index.ts";
import type { RingTopic } from "../store.ts";
import { finishKnownRoots } from "./finishing.ts";
import type { KnownRoots } from "./known-roots.ts";
import type { SessionPool } from "./session-pool.ts";
import { settle } from "./settling.ts";

export interface Ended {
  readonly results: FinishResult[];
  readonly topics: readonly RingTopic[];
}

/** See `Store.finishActivations`. */
export async function finishActivations(pool: SessionPool, rows: readonly Finish[], roots: KnownRoots): Promise<Ended> {
  const runs = roots.take(rows);
  if (runs === undefined) return settleFinishes(pool, rows);
  const ended = await finishKnownRoots(pool, rows, runs);
  const others = rows.filter((_, index) => ended[index] === undefined);
  const settled = await settleFinishes(pool, others);
  const results = ended.flatMap((result) => result ?? settled.results.shift() ?? []);
  return { results, topics: ["ended", "events", ...settled.topics] };
}

async function settleFinishes(pool: SessionPool, rows: readonly Finish[]): Promise<Ended> {
  if (rows.length === 0) return { results: [], topics: [] };
  const { value, topics } = await pool.transaction((transaction) =>
    settle(transaction, idsOf(rows), (ledger) => ({ ledger, results: rows.map((row) => ledger.finish(row)) })),
  );
  // The ends have been carried on since they were decided.
  return { results: withAftermath(value.results, rows, value.ledger), topics };
}

/** See `Store.expandRuns`. */
export async function expandRuns(pool: SessionPool, rows: readonly Expansion[]): Promise<Ended> {
  const { value, topics } = await pool.transaction((transaction) =>
    settle(transaction, idsOf(rows), (ledger) => ({ ledger, results: rows.map((row) => ledger.expand(row)) })),
  );
  return { results: withAftermath(value.results, rows, value.ledger), topics };
}

function idsOf(rows: readonly { readonly runId: string }[]): string[] {
  return [...new Set(rows.map((row) => row.runId))];
}
