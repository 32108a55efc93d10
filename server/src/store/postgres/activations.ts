import type { Expansion, Finish, FinishResult } from "../../core/index.ts";
import type { RingTopic } from "../store.ts";
import type { KnownRoots } from "./known-roots.ts";
import type { SessionPool } from "./session-pool.ts";
import { settle, settleRoots } from "./settling.ts";

export interface Ended {
  readonly results: FinishResult[];
  readonly topics: readonly RingTopic[];
}

/** See `Store.finishActivations`. */
export async function finishActivations(pool: SessionPool, rows: readonly Finish[], roots: KnownRoots): Promise<Ended> {
  const ids = idsOf(rows);
  const settleThese = roots.forget(ids) ? settleRoots : settle;
  const { value, topics } = await pool.transaction((transaction) =>
    settleThese(transaction, ids, (ledger) => rows.map((row) => ledger.finish(row))),
  );
  return { results: value, topics };
}

/** See `Store.expandRuns`. */
export async function expandRuns(pool: SessionPool, rows: readonly Expansion[]): Promise<Ended> {
  const ids = idsOf(rows);
  const { value, topics } = await pool.transaction((transaction) =>
    settle(transaction, ids, (ledger) => rows.map((row) => ledger.expand(row))),
  );
  return { results: value, topics };
}

function idsOf(rows: readonly { readonly runId: string }[]): string[] {
  return [...new Set(rows.map((row) => row.runId))];
}
