import type { Json, RunStatus } from "@holdfast/protocol";
import { belowOf, type Ending, expiryData, expiryEnding, Ledger } from "../../core/index.ts";
import type { RingTopic } from "../store.ts";
import { textArray } from "./arrays.ts";
import { passGates, reviewGates } from "./gates.ts";
import { letGoSome, listOver } from "./pauses.ts";
import { endStarts, findNextStartEnd } from "./rates.ts";
import { type StoredRun, slimRunColumns, toRun } from "./run-rows.ts";
import type { Runner, Transaction, Work } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";
import { decideAndWrite, lockRuns, nowOf } from "./settling.ts";
import { endDueWaits } from "./waits.ts";

/** For each of the parents in turn its live children that no order has reached, in the order of insertion. */
export function listUnreached(
  db: Runner,
  parentIds: readonly string[],
  limitRows: number,
): Promise<{ id: string; parentId: string }[]> {
  return db.run("listUnreached", unreachedText, [textArray(parentIds), limitRows]);
}

const unreachedText = `
  select c.id, c.parent_id as "parentId"
  from unnest($1::text[]) with ordinality w(id, place) cross join lateral (
    select r.id, r.parent_id, r.ord from holdfast.runs r
    where r.parent_id = w.id and r.parent_id is not null and r.ended_at is null and r.ending is null
    order by r.ord limit $2
  ) c
  order by w.place, c.ord limit $2`;

/** Runs whose order is on its way down, tree by tree, in the order of insertion. */
export function listSpreading(db: Runner, limitRows: number): Promise<{ id: string }[]> {
  return db.run("listSpreading", spreadingText, [limitRows]);
}

const spreadingText = `select r.id from holdfast.runs r where r.spreading order by r.root_id, r.ord limit $1`;

interface EndOrder {
  readonly runId: string;
  readonly ending: Ending;
  readonly data: Json;
  readonly limitRows: number;
}

interface EndOrdered {
  readonly answer: { requested: number; status: RunStatus } | undefined;
  readonly topics: readonly RingTopic[];
}

/** See `Store.orderEnd`. */
export async function orderEnd(pool: Work, order: EndOrder): Promise<EndOrdered> {
  return pool.transaction((transaction) => orderEndWithin(transaction, order));
}

/** The same as a part of a transaction. */
export async function orderEndWithin(
  transaction: Transaction,
  { runId, ending, data, limitRows }: EndOrder,
): Promise<EndOrdered> {
  const order = (ledger: Ledger) => (ledger.order(runId, ending, data) ? [runId] : []);
  const { ledger, topics } = await spread(transaction, { ids: [runId], limitRows }, order);
  const run = ledger.row(runId);
  return { answer: run === undefined ? undefined : { requested: ledger.reached, status: run.status }, topics };
}

/** See `Store.spreadOrders`. */
export async function spreadOrders(
  pool: SessionPool,
  limitRows: number,
): Promise<{ reached: number; more: boolean; topics: readonly RingTopic[] }> {
  const ids = (await listSpreading(pool, limitRows)).map(({ id }) => id);
  if (ids.length === 0) return { reached: 0, more: false, topics: [] };
  const { reached, topics } = await pool.transaction(async (transaction) => {
    const done = await spread(transaction, { ids, limitRows }, () => ids);
    return { reached: done.ledger.reached, topics: done.topics };
  });
  const more = (await listSpreading(pool, 1)).length > 0;
  // What lies beside a run that was ordered may be claimed again.
  return { reached, more, topics: more ? topics : [...topics, "ready"] };
}

/**
 * Locks runs and hands the orders of those that `decide` answers on to `limitRows` runs below, level by level. A parent that is at
 * work may be putting children in place: what lies below it is looked for once its row is held. The first level is locked
 * together with the runs themselves, in the one order of all locks, for its members may be ending at that very moment.
 */
async function spread(
  transaction: Transaction,
  { ids, limitRows }: { ids: readonly string[]; limitRows: number },
  decide: (ledger: Ledger) => readonly string[],
): Promise<{ ledger: Ledger; topics: readonly RingTopic[] }> {
  const near = (await listUnreached(transaction, ids, limitRows)).map(({ id }) => id);
  const rows = await lockRuns(transaction, [...new Set([...ids, ...near])]);
  const ledger = new Ledger(nowOf(rows));
  ledger.load(rows.map(toRun));
  let parents = decide(ledger).filter((id) => ledger.row(id)?.spreading === true);
  for (let left = limitRows; parents.length > 0 && left > 0; ) {
    const found = await listUnreached(transaction, parents, left);
    const unknown = found.map(({ id }) => id).filter((id) => ledger.row(id) === undefined);
    if (unknown.length > 0) ledger.load((await lockRuns(transaction, unknown)).map(toRun));
    parents = ledger.spread(belowOf(parents, found, left));
    left -= found.length;
  }
  const { topics } = await decideAndWrite(transaction, ledger, () => {});
  return { ledger, topics };
}

/** Live runs whose time is over, the longest overdue first. */
export function listExpired(db: Runner, limitRows: number): Promise<{ id: string }[]> {
  return db.run("listExpired", expiredText, [limitRows]);
}

const expiredText = `
  select r.id from holdfast.runs r
  where r.expires_at <= (select holdfast.clock_ms()) and r.expires_at is not null and r.ended_at is null
    and r.status <> 'cancelling'
  order by r.expires_at, r.ord limit $1`;

/** How long until the next run's time is over. */
export function findNextExpiry(db: Runner): Promise<{ in_ms: number }[]> {
  return db.run("findNextExpiry", nextExpiryText);
}

const nextExpiryText = `
  select greatest(0, r.expires_at - holdfast.clock_ms()) as in_ms from holdfast.runs r
  where r.expires_at is not null and r.ended_at is null and r.status <> 'cancelling'
  order by r.expires_at, r.ord limit 1`;

/** See `Store.expireRuns`. */
export async function expireRuns(
  pool: SessionPool,
  limitRows: number,
): Promise<{ expired: number; nextInMs: number | null; topics: readonly RingTopic[] }> {
  const due = (await listExpired(pool, limitRows)).map(({ id }) => id);
  const { expired, topics } =
    due.length === 0
      ? { expired: 0, topics: [] }
      : await pool.transaction((transaction) => expire(transaction, due, limitRows));
  const next = await findNextExpiry(pool);
  return { expired, nextInMs: next[0]?.in_ms ?? null, topics };
}

async function expire(transaction: Transaction, ids: readonly string[], limitRows: number) {
  let expired = 0;
  const { topics } = await spread(transaction, { ids, limitRows }, (ledger) => {
    for (const id of ids) {
      const run = ledger.row(id);
      if (run !== undefined && ledger.order(id, expiryEnding(run), expiryData)) expired += 1;
    }
    return ids;
  });
  return { expired, topics };
}

/** Makes claimable what was due, or puts it in line at its first gate, and passes over rows that others hold. */
export function wakeDue(db: Runner, limitRows: number): Promise<StoredRun[]> {
  return db.run("wakeDue", wakeText, [limitRows]);
}

const wakeText = `
  with due as materialized (
    select r.id from holdfast.runs r
    where r.status = 'ready' and r.wake_at is not null and r.wake_at <= (select holdfast.clock_ms())
    order by r.wake_at, r.ord limit $1 for update of r skip locked
  ),
  woken as (
    update holdfast.runs r set wake_at = null, gate = (
      select n.value ->> 'id' from jsonb_array_elements(r.limits::jsonb) with ordinality n(value, nth)
      where r.started_at is null or n.value ->> 'hold' = 'activation' order by n.nth limit 1)
    from due where r.id = due.id returning r.*
  )
  select ${slimRunColumns} from woken r`;

/** How long until the next run is due. */
export function findNextWake(db: Runner): Promise<{ in_ms: number }[]> {
  return db.run("findNextWake", nextWakeText);
}

const nextWakeText = `
  select greatest(0, r.wake_at - holdfast.clock_ms()) as in_ms from holdfast.runs r
  where r.status = 'ready' and r.wake_at is not null order by r.wake_at, r.ord limit 1`;

interface Woken {
  readonly woken: number;
  readonly admitted: number;
  readonly nextInMs: number | null;
  readonly lastGate: string;
  readonly topics: readonly RingTopic[];
}

/** See `Store.wakeRuns`. `afterGate`: where the review of gates goes on, as `lastGate` of the call before says. */
export async function wakeRuns(
  pool: SessionPool,
  { limitRows, afterGate }: { limitRows: number; afterGate: string },
): Promise<Woken> {
  const woken = await pool.transaction(async (transaction) => {
    const rows = await wakeDue(transaction, limitRows);
    const runs = rows.filter(({ gate }) => gate !== null).map(toRun);
    const gates = runs.map((run) => ({ run, frees: [], arrives: true }));
    if (gates.length > 0) await passGates(transaction, gates);
    return rows.length;
  });
  const waits = await endDueWaits(pool, limitRows);
  const [over] = await endStarts(pool, limitRows);
  const reviewed = await reviewGates(pool, afterGate);
  const released = (await listOver(pool)).length > 0 ? await letGoSome(pool, limitRows) : { letGo: 0, more: false };
  const moments = [...(await findNextWake(pool)), ...(await findNextStartEnd(pool))].map(({ in_ms: inMs }) => inMs);
  const soonest = Math.min(...moments, waits.nextInMs ?? Number.POSITIVE_INFINITY);
  const isMore = reviewed.more || released.more || over?.more === true || over?.freed === limitRows;
  return {
    woken: woken + waits.ended,
    admitted: (over?.admitted ?? 0) + reviewed.admitted + released.letGo,
    nextInMs: isMore ? 0 : soonest === Number.POSITIVE_INFINITY ? null : soonest,
    lastGate: reviewed.last,
    topics: waits.topics,
  };
}

/** What a member holds. */
export async function listClaimed(
  db: Runner,
  { memberId, limitRows }: { memberId: string; limitRows: number },
): Promise<{ runId: string; epoch: number }[]> {
  const rows = await db.run<{ id: string; epoch: number }>("listClaimed", claimedText, [memberId, limitRows]);
  return rows.map(({ id, epoch }) => ({ runId: id, epoch }));
}

const claimedText = `
  select r.id, r.epoch from holdfast.runs r where r.claimed_by = $1 order by r.claimed_at, r.ord limit $2`;
