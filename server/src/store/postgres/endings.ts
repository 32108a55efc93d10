import type { Json, RunError, RunStatus } from "@holdfast/protocol";
import { type Ending, expiryData, expiryEnding, Ledger } from "../../core/index.ts";
import type { RingTopic } from "../store.ts";
import { textArray } from "./arrays.ts";
import { jsonOf, toRun } from "./run-rows.ts";
import type { Runner, Transaction } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";
import { decideAndWrite, lockRuns, nowOf } from "./settling.ts";

/** The roots of runs: they never change. */
export function findRoots(db: Runner, ids: readonly string[]): Promise<{ root_id: string }[]> {
  return db.run("findRoots", rootsText, [textArray(ids)]);
}

const rootsText = `select distinct r.root_id from unnest($1::text[]) w(id) join holdfast.runs r on r.id = w.id`;

/** Ids of the live runs of trees. */
export function listLiveTrees(db: Runner, rootIds: readonly string[]): Promise<{ id: string }[]> {
  return db.run("listLiveTrees", liveTreesText, [textArray(rootIds)]);
}

const liveTreesText = `
  select r.id from unnest($1::text[]) w(id) join holdfast.runs r on r.root_id = w.id
    where r.parent_id is not null and r.ended_at is null
  union all select unnest($1::text[])`;

/** See `Store.orderEnd`. */
export async function orderEnd(
  pool: SessionPool,
  { runId, ending, data }: { runId: string; ending: Ending; data: Json },
): Promise<{ answer: { requested: number; status: RunStatus } | undefined; topics: readonly RingTopic[] }> {
  return pool.transaction(async (transaction) => {
    const ledger = await lockTrees(transaction, [runId]);
    const { value, topics } = await decideAndWrite(transaction, ledger, () => ledger.order(runId, ending, data));
    const run = ledger.row(runId);
    return { answer: run === undefined ? undefined : { requested: value, status: run.status }, topics };
  });
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
    due.length === 0 ? { expired: 0, topics: [] } : await pool.transaction((transaction) => expire(transaction, due));
  const next = await findNextExpiry(pool);
  return { expired, nextInMs: next[0]?.in_ms ?? null, topics };
}

async function expire(transaction: Transaction, due: readonly string[]) {
  const ledger = await lockTrees(transaction, due);
  const { value, topics } = await decideAndWrite(transaction, ledger, () => {
    let expired = 0;
    for (const id of due) {
      const run = ledger.row(id);
      if (run !== undefined && ledger.order(id, expiryEnding(run), expiryData) > 0) expired += 1;
    }
    return expired;
  });
  return { expired: value, topics };
}

/**
 * Locks every live run of the trees of `ids`. A parent that is at work may be putting children in place: they are seen once
 * its row is held, so the trees are looked through again until nothing new turns up.
 */
async function lockTrees(transaction: Transaction, ids: readonly string[]): Promise<Ledger> {
  const roots = (await findRoots(transaction, ids)).map((root) => root.root_id);
  const rows = await lockRuns(transaction, ids);
  const known = new Set(rows.map((row) => row.id));
  for (;;) {
    const found = (await listLiveTrees(transaction, roots)).map(({ id }) => id).filter((id) => !known.has(id));
    if (found.length === 0) break;
    for (const id of found) known.add(id);
    rows.push(...(await lockRuns(transaction, found)));
  }
  const ledger = new Ledger(nowOf(rows));
  ledger.load(rows.map(toRun));
  return ledger;
}

/** Makes claimable what was due, and passes over rows that others hold. */
export function wakeDue(db: Runner, limitRows: number): Promise<{ woken: number }[]> {
  return db.run("wakeDue", wakeText, [limitRows]);
}

const wakeText = `
  with due as materialized (
    select r.id from holdfast.runs r
    where r.status = 'ready' and r.wake_at is not null and r.wake_at <= (select holdfast.clock_ms())
    order by r.wake_at, r.ord limit $1 for update of r skip locked
  ),
  woken as (update holdfast.runs r set wake_at = null from due where r.id = due.id returning r.id)
  select count(*) as woken from woken`;

/** How long until the next run is due. */
export function findNextWake(db: Runner): Promise<{ in_ms: number }[]> {
  return db.run("findNextWake", nextWakeText);
}

const nextWakeText = `
  select greatest(0, r.wake_at - holdfast.clock_ms()) as in_ms from holdfast.runs r
  where r.status = 'ready' and r.wake_at is not null order by r.wake_at, r.ord limit 1`;

/** See `Store.wakeRuns`. */
export async function wakeRuns(db: Runner, limitRows: number): Promise<{ woken: number; nextInMs: number | null }> {
  const [woken] = await wakeDue(db, limitRows);
  const [next] = await findNextWake(db);
  return { woken: woken?.woken ?? 0, nextInMs: next?.in_ms ?? null };
}

/** What a member holds that is to be ended. */
export async function listCancelling(
  db: Runner,
  { memberId, limitRows }: { memberId: string; limitRows: number },
): Promise<{ runId: string; epoch: number; error: RunError }[]> {
  const rows = await db.run<{ id: string; epoch: number; ending: string }>("listCancelling", cancellingText, [
    memberId,
    limitRows,
  ]);
  return rows.map(({ id, epoch, ending }) => ({
    runId: id,
    epoch,
    error: (jsonOf(ending) as unknown as Ending).error,
  }));
}

const cancellingText = `
  select r.id, r.epoch, r.ending from holdfast.runs r
  where r.claimed_by = $1 and r.status = 'cancelling' and r.ending is not null order by r.ord limit $2`;

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
