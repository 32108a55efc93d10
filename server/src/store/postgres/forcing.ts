import { aftermathOf, type Forcible, forceAll, type ObligationRow, overdueOf } from "../../core/index.ts";
import type { Forced } from "../obligation-verbs.ts";
import type { RingTopic } from "../store.ts";
import { findJobNames, loadJobs } from "./job-rows.ts";
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
  const found = await listStubborn(pool, runId, limitRows + 1);
  const runIds = found.slice(0, limitRows).map(({ id }) => id);
  return { ...(await force(pool, { runIds, jobIds: [] })), more: found.length > limitRows };
}

/** See `Store.forceOverdue`. */
export async function forceOverdue(
  pool: Work,
  { afterMs, limitRows }: { afterMs: number; limitRows: number },
): Promise<Forcing> {
  const found = await listOverdue(pool, afterMs, limitRows + 1);
  return { ...(await force(pool, overdueOf(found.slice(0, limitRows)))), more: found.length > limitRows };
}

async function force(pool: Work, { runIds, jobIds }: Forcible): Promise<Omit<Forcing, "more">> {
  if (runIds.length === 0) return { forced: [], topics: [] };
  const { value, topics } = await pool.transaction(async (transaction) => {
    const names = jobIds.length === 0 ? [] : await findJobNames(transaction, jobIds);
    return settle(
      transaction,
      runIds,
      (ledger) => ({ ledger, forced: forceAll(ledger, runIds, names) }),
      () => loadJobs(transaction, names),
    );
  });
  return { forced: value.forced, ...aftermathOf([value.ledger]), topics };
}

/** Of a run and all below it those that are being ended and have to wait for it: for somebody, something outside, a clean-up. */
export function listStubborn(db: Runner, runId: string, limitRows: number): Promise<{ id: string }[]> {
  return db.run("listStubborn", stubbornText, [runId, limitRows]);
}

const stubbornText = `
  with recursive below as (
    select r.id, r.status, r.claimed_by, r.waiting, r.cleans_up, r.ending from holdfast.runs r where r.id = $1 and r.ended_at is null
    union all
    select c.id, c.status, c.claimed_by, c.waiting, c.cleans_up, c.ending from below b join holdfast.runs c on c.parent_id = b.id
    where c.parent_id is not null and c.ended_at is null
  )
  select b.id from below b where b.status = 'cancelling'
    and (b.claimed_by is not null or coalesce((b.waiting::jsonb ->> 'externals')::int, 0) > 0
      or (b.cleans_up and b.ending::jsonb -> 'cleanUp' is distinct from 'null'::jsonb))
  order by b.id limit $2`;

type Overdue = Pick<ObligationRow, "runId" | "kind" | "subject">;

/** What runs have waited for longer than `afterMs`. */
export function listOverdue(db: Runner, afterMs: number, limitRows: number): Promise<Overdue[]> {
  return db.run("listOverdue", overdueText, [Math.floor(afterMs), limitRows]);
}

const overdueText = `
  select o.run_id as "runId", o.kind, o.subject from holdfast.obligations o
  where o.met_at is null and o.forced_at is null and o.ordered_at <= (select holdfast.clock_ms()) - $1::bigint
  order by o.ordered_at, o.run_id limit $2`;
