import type { StateKind } from "@holdfast/protocol";
import type { StateTransaction } from "../core/index.ts";
import type { Store } from "./store.ts";

/** How long values of a kind are kept from their writing where nobody says; null: until they are deleted. Absent: as the kind says. */
export type StateRetention = Readonly<Partial<Record<StateKind, number | null>>>;

/**
 * The same store, whose writes of state keep values so long where they do not say themselves: those of bodies, of people and under an
 * Idempotency-Key alike. What has been written keeps its own moment.
 */
export function keepState(store: Store, retentionMs: StateRetention): Store {
  const kept = (rows: readonly StateTransaction[]) =>
    rows.map((row) => ({ ...row, retentionMs: { ...retentionMs, ...row.retentionMs } }));
  return {
    ...store,
    transactState: ({ rows }) => store.transactState({ rows: kept(rows) }),
    carryOutOnce: ({ request, call }) =>
      store.carryOutOnce({
        request,
        call: call.verb === "transactState" ? { ...call, args: { rows: kept(call.args.rows) } } : call,
      }),
  };
}
