import { aftermathOf } from "../../core/index.ts";
import type { Forced } from "../obligation-verbs.ts";
import type { RingTopic } from "../store.ts";
import type { Runner, Work } from "./session.ts";
import { settle } from "./settling.ts";

// Ends that do not wait for activations (P6).

interface Forcing extends Forced {
  readonly topics: readonly RingTopic[];
}

/** See `Store.forceEnds`. */
export async function forceEnds(
  pool: Work,
  { runId, limitRows }: { runId: string; limitRows: number },
): Promise<Forcing> {
  return force(pool, await listStubborn(pool, runId, limitRows + 1), limitRows);
}

/** See `Store.forceOverdue`. */
export async function forceOverdue(
  pool: Work,
  { afterMs, limitRows }: { afterMs: number; limitRows: number },
): Promise<Forcing> {
  return force(pool, await listOverdue(pool, afterMs, limitRows + 1), limitRows);
}

async function force(pool: Work, found: readonly { id: string }[], limitRows: number): Promise<Forcing> {
  const ids = found.slice(0, limitRows).map(({ id }) => id);
  const more = found.length > limitRows;
  if (ids.length === 0) return { forced: [], more, topics: [] };
  const { value, topics } = await pool.transaction((transaction) =>
    settle(transaction, ids, (ledger) => ({ ledger, forced: ids.filter((id) => ledger.force(id)) })),
  );
  return { forced: value.forced, more, ...aftermathOf([value.ledger]), topics };
}

/** Of a run and all below it those that are being ended while somebody holds them. */
export function listStubborn(db: Runner, runId: string, limitRows: number): Promise<{ id: string }[]> {
  return db.run("listStubborn", stubbornText, [runId, limitRows]);
}

const stubbornText = `
  with recursive below as (
    select r.id, r.status, r.claimed_by from holdfast.runs r where r.id = $1 and r.ended_at is null
    union all
    select c.id, c.status, c.claimed_by from below b join holdfast.runs c on c.parent_id = b.id
    where c.parent_id is not null and c.ended_at is null
  )
  select b.id from below b where b.status = 'cancelling' and b.claimed_by is not null order by b.id limit $2`;

/** Runs that have waited longer than `afterMs` for their activation to end. */
export function listOverdue(db: Runner, afterMs: number, limitRows: number): Promise<{ id: string }[]> {
  return db.run("listOverdue", overdueText, [Math.floor(afterMs), limitRows]);
}

const overdueText = `
  select o.run_id as id from holdfast.obligations o
  where o.met_at is null and o.forced_at is null and o.ordered_at <= (select holdfast.clock_ms()) - $1::bigint
  order by o.ordered_at, o.run_id limit $2`;
