import type { ObligationChange, ObligationRow } from "../../core/index.ts";
import type { ObligationNote } from "../obligation-verbs.ts";
import type { Store } from "../store.ts";
import { msArray, textArray } from "./arrays.ts";
import type { Runner } from "./session.ts";

// What orders have to bring to an end (core/obligations.ts). Whoever changes runs holds these before it writes their obligations, in
// the order of their names; whoever notes or meets them passes over what somebody else holds, and comes again.

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];

const columns = `o.kind, o.run_id as "runId", o.root_id as "rootId", o.namespace, o.subject, o.member_id as "memberId", o.reason,
  o.ordered_at as "orderedAt", o.forced_at as "forcedAt", o.tries, o.last_try_at as "lastTryAt", o.error, o.met_at as "metAt"`;
const order = "order by o.ordered_at, o.run_id, o.kind, o.subject";

/** Writes down what changes of runs mean. */
export function followObligations(db: Runner, changes: readonly ObligationChange[]): Promise<unknown> {
  const rows = changes.map(({ row }) => row);
  return db.run("followObligations", followText, [
    textArray(rows.map(({ runId }) => runId)),
    textArray(rows.map(({ kind }) => kind)),
    textArray(rows.map(({ subject }) => subject)),
    textArray(rows.map(({ rootId }) => rootId)),
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ memberId }) => memberId)),
    textArray(rows.map(({ reason }) => reason)),
    msArray(rows.map(({ orderedAt }) => orderedAt)),
    msArray(rows.map(({ forcedAt }) => forcedAt)),
    msArray(rows.map(({ metAt }) => metAt)),
  ]);
}

const followText = `
  insert into holdfast.obligations as o
    (run_id, kind, subject, root_id, namespace, member_id, reason, ordered_at, forced_at, met_at)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bigint[], $9::bigint[], $10::bigint[]) n(run_id, kind, subject) order by n.run_id, n.kind, n.subject
  on conflict (run_id, kind, subject) do update
    set forced_at = coalesce(excluded.forced_at, o.forced_at), met_at = excluded.met_at
    where o.met_at is null and coalesce(excluded.forced_at, excluded.met_at) is not null`;

/** See `Store.listOwed`. */
export async function listOwed(db: Runner, { memberId, kind, limitRows }: Args<"listOwed">): Promise<ObligationRow[]> {
  const rows =
    memberId === null
      ? await db.run<ObligationRow>("listOwedByAny", owedByAnyText, [kind, limitRows])
      : await db.run<ObligationRow>("listOwed", owedText, [kind, limitRows, memberId]);
  return [...rows];
}

const owedText = `
  select ${columns} from holdfast.obligations o
  where o.member_id = $3 and o.kind = $1 and o.met_at is null ${order} limit $2`;
const owedByAnyText = `
  select ${columns} from holdfast.obligations o
  where o.member_id is null and o.kind = $1 and o.met_at is null ${order} limit $2`;

/** See `Store.noteObligations`; answers one row for each that was noted. */
export function noteObligations(db: Runner, rows: readonly ObligationNote[]): Promise<object[]> {
  return db.run("noteObligations", noteText, [
    textArray(rows.map(({ runId }) => runId)),
    textArray(rows.map(({ kind }) => kind)),
    textArray(rows.map(({ subject }) => subject)),
    textArray(rows.map(({ outcome }) => outcome)),
    textArray(rows.map((row) => (row.outcome === "tried" ? row.error : null))),
  ]);
}

const noteText = `
  with given as materialized (
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) n(run_id, kind, subject, outcome, error)
  ),
  held as materialized (
    select o.run_id, o.kind, o.subject, g.outcome, g.error
    from given g join holdfast.obligations o on o.run_id = g.run_id and o.kind = g.kind and o.subject = g.subject
    where o.met_at is null and (g.outcome = 'tried' or (o.forced_at is not null and o.kind = 'activation')) for update of o skip locked
  )
  update holdfast.obligations o set
    tries = o.tries + case h.outcome when 'tried' then 1 else 0 end,
    last_try_at = case h.outcome when 'tried' then c.now else o.last_try_at end,
    error = case h.outcome when 'tried' then h.error else o.error end,
    met_at = case h.outcome when 'met' then c.now end
  from held h, (select holdfast.clock_ms() as now) c
  where o.run_id = h.run_id and o.kind = h.kind and o.subject = h.subject
  returning 1`;

/** See `Store.listObligations`. */
export async function listObligations(
  db: Runner,
  { namespace, rootId, limitRows }: Args<"listObligations">,
): Promise<ObligationRow[]> {
  const rows =
    rootId === undefined
      ? await db.run<ObligationRow>("listOpenObligations", openText, [namespace, limitRows])
      : await db.run<ObligationRow>("listTreeObligations", treeText, [namespace, limitRows, rootId]);
  return [...rows];
}

const openText = `
  select ${columns} from holdfast.obligations o where o.namespace = $1 and o.met_at is null ${order} limit $2`;
const treeText = `
  select ${columns} from holdfast.obligations o where o.root_id = $3 and o.namespace = $1 ${order} limit $2`;

/** Meets what members owe who are gone, or so long that their rows are, and for whom no run waits any more. */
export function meetOfEnded(db: Runner): Promise<unknown> {
  return db.run("meetOfEnded", meetText);
}

const meetText = `
  with held as materialized (
    select o.run_id, o.kind, o.subject from holdfast.obligations o
    where o.met_at is null and o.forced_at is not null and o.member_id is not null
      and not exists (select 1 from holdfast.members m where m.id = o.member_id and m.ended_at is null)
    for update of o skip locked
  )
  update holdfast.obligations o set met_at = holdfast.clock_ms() from held h
  where o.run_id = h.run_id and o.kind = h.kind and o.subject = h.subject`;
