import { aftermathOf, type Ledger, type ObligationKind, type WaitName } from "../../core/index.ts";
import type { Forced } from "../obligation-verbs.ts";
import type { RingTopic } from "../store.ts";
import { findJobNames, lockJobs } from "./job-rows.ts";
import type { Runner, Work } from "./session.ts";
import { settle } from "./settling.ts";
import { findWaits } from "./wait-rows.ts";

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
  const found = await listOverdue(pool, afterMs, limitRows + 1);
  const taken = found.slice(0, limitRows);
  const jobs = taken.flatMap(({ kind, subject }) => (kind === "external_job" ? subject : []));
  const ids = [...new Set(taken.map(({ id }) => id))].map((id) => ({ id }));
  return { ...(await force(pool, ids, limitRows, jobs)), more: found.length > limitRows };
}

async function force(
  pool: Work,
  found: readonly { id: string }[],
  limitRows: number,
  jobIds: readonly string[] = [],
): Promise<Forcing> {
  const ids = found.slice(0, limitRows).map(({ id }) => id);
  const more = found.length > limitRows;
  if (ids.length === 0) return { forced: [], more, topics: [] };
  const { value, topics } = await pool.transaction(async (transaction) => {
    const names = jobIds.length === 0 ? [] : await findJobNames(transaction, jobIds);
    const decide = (ledger: Ledger) => {
      const forced = ids.filter((id) => ledger.force(id));
      // What is left is waited for by runs that go on.
      for (const { id, runId } of names) if (ledger.row(runId)?.status !== "cancelling") ledger.letGoJob(id);
      return { ledger, forced };
    };
    return settle(transaction, ids, decide, () => loadJobs(transaction, names));
  });
  return { forced: value.forced, more, ...aftermathOf([value.ledger]), topics };
}

/** Locks jobs, whose runs are held, with what waits for them. */
export async function loadJobs(
  transaction: Runner,
  names: readonly (WaitName & { readonly id: string })[],
): Promise<(ledger: Ledger) => void> {
  if (names.length === 0) return () => undefined;
  const ids = names.map(({ id }) => id);
  const [jobs, waits] = await Promise.all([lockJobs(transaction, ids), findWaits(transaction, names)]);
  return (ledger) => {
    ledger.loadJobs({ jobs });
    ledger.loadWaits({ waits });
  };
}

/** Of a run and all below it those that are being ended while somebody, or something outside, works for them. */
export function listStubborn(db: Runner, runId: string, limitRows: number): Promise<{ id: string }[]> {
  return db.run("listStubborn", stubbornText, [runId, limitRows]);
}

const stubbornText = `
  with recursive below as (
    select r.id, r.status, r.claimed_by, r.waiting from holdfast.runs r where r.id = $1 and r.ended_at is null
    union all
    select c.id, c.status, c.claimed_by, c.waiting from below b join holdfast.runs c on c.parent_id = b.id
    where c.parent_id is not null and c.ended_at is null
  )
  select b.id from below b where b.status = 'cancelling'
    and (b.claimed_by is not null or coalesce((b.waiting::jsonb ->> 'externals')::int, 0) > 0)
  order by b.id limit $2`;

interface Overdue {
  readonly id: string;
  readonly kind: ObligationKind;
  readonly subject: string;
}

/** What runs have waited for longer than `afterMs`. */
export function listOverdue(db: Runner, afterMs: number, limitRows: number): Promise<(Overdue & object)[]> {
  return db.run("listOverdue", overdueText, [Math.floor(afterMs), limitRows]);
}

const overdueText = `
  select o.run_id as id, o.kind, o.subject from holdfast.obligations o
  where o.met_at is null and o.forced_at is null and o.ordered_at <= (select holdfast.clock_ms()) - $1::bigint
  order by o.ordered_at, o.run_id limit $2`;
