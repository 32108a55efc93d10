import { limits } from "@holdfast/protocol";
import { aftermathOf, gapShare, memberGone } from "../../core/index.ts";
import type { Joining, Judgement, MemberRow, RingTopic, Serving } from "../store.ts";
import { memberGoneError } from "./claim.ts";
import { giveJobsBack } from "./jobs.ts";
import { meetOfEnded } from "./obligations.ts";
import type { Runner, Transaction } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";
import { settle } from "./settling.ts";

// P2: expiry of a lease permits takeover; only the takeover, which raises the epoch, invalidates. A member's row is locked for
// update by whoever ends it: that waits for claims under way, which hold it for key share, but not for renewals' readers.

interface StoredMember {
  readonly id: string;
  readonly kind: MemberRow["kind"];
  readonly name: string;
  readonly namespace: string;
  readonly serves: string | null;
  readonly joined_at: number;
  readonly lease_until: number;
  readonly ended_at: number | null;
}

const columns = "m.id, m.kind, m.name, m.namespace, m.serves, m.joined_at, m.lease_until, m.ended_at";

/** See `Store.joinMember`; `member_gone` for an id that was judged. */
export async function joinMember(
  db: Runner,
  { id, kind, name, namespace, serves, leaseMs }: Joining & { readonly leaseMs: number },
): Promise<MemberRow> {
  const rows = await db.run<StoredMember>("joinMember", joinText, [
    id,
    kind,
    name,
    namespace,
    Math.ceil(leaseMs),
    serves === null ? null : JSON.stringify(serves),
  ]);
  const [row] = rows;
  if (row === undefined) throw memberGoneError(id);
  return toMember(row);
}

const joinText = `
  insert into holdfast.members as m (id, kind, name, namespace, serves, joined_at, lease_until, lease_ms, unbroken_since)
  select $1, $2, $3, $4, $6, c.now, c.now + $5::bigint, $5::bigint, c.now from (select holdfast.clock_ms() as now) c
  on conflict (id) do update set lease_until = excluded.lease_until, lease_ms = excluded.lease_ms,
      unbroken_since = excluded.unbroken_since, kind = excluded.kind, name = excluded.name, serves = excluded.serves
    where m.ended_at is null
  returning ${columns}`;

/** That a member's last renewal is no gap away (core's `Presence`), by the moment `c.now`. */
function isFresh(member: "m" | "j"): string {
  return `c.now - (${member}.lease_until - ${member}.lease_ms) <= ${member}.lease_ms * ${gapShare}`;
}

/** See `Store.renewMember`. */
export async function renewMember(db: Runner, { id, leaseMs }: { id: string; leaseMs: number }): Promise<boolean> {
  const rows = await db.run<{ id: string }>("renewMember", renewText, [id, Math.ceil(leaseMs)]);
  return rows.length === 1;
}

const renewText = `
  update holdfast.members m set lease_until = c.now + $2::bigint, lease_ms = $2::bigint,
    unbroken_since = case when ${isFresh("m")} then m.unbroken_since else c.now end
  from (select holdfast.clock_ms() as now) c where m.id = $1 and m.ended_at is null returning m.id`;

/** Ends a membership; answers the member, also one that had ended before. */
export function endMember(db: Runner, id: string): Promise<{ id: string }[]> {
  return db.run("endMember", endText, [id]);
}

const endText = `
  with held as materialized (select m.id from holdfast.members m where m.id = $1 for update of m)
  update holdfast.members m set ended_at = coalesce(m.ended_at, holdfast.clock_ms()) from held where m.id = held.id
  returning m.id`;

/** Ends members that this one may judge gone (core's `mayJudge`); one that is claiming at this moment is passed over until the next time. */
export function endLapsed(db: Runner, by: string, limitRows: number): Promise<{ id: string }[]> {
  return db.run("endLapsed", endLapsedText, [by, limitRows]);
}

const endLapsedText = `
  with judge as materialized (
    select j.lease_ms, j.unbroken_since, c.now from holdfast.members j, (select holdfast.clock_ms() as now) c
    where j.id = $1 and ${isFresh("j")}
  ),
  lapsed as materialized (
    select m.id from judge j join holdfast.members m on m.lease_until < j.now
    where m.ended_at is null and m.id <> $1
      and j.now > greatest(m.lease_until - m.lease_ms, j.unbroken_since) + greatest(m.lease_ms, j.lease_ms)
    order by m.lease_until, m.id limit $2 for update of m skip locked
  )
  update holdfast.members m set ended_at = holdfast.clock_ms() from lapsed where m.id = lapsed.id
  returning m.id`;

/** Holds a member that has not ended in place until the transaction ends. */
export function holdMember(db: Runner, id: string): Promise<{ id: string }[]> {
  return db.run("holdMember", holdText, [id]);
}

const holdText = `select m.id from holdfast.members m where m.id = $1 and m.ended_at is null for key share of m`;

/** Runs that ended members still hold. */
export function listOrphans(db: Runner, limitRows: number): Promise<Orphan[]> {
  return db.run("listOrphans", orphansText, [limitRows]);
}

interface Orphan {
  readonly id: string;
  readonly claimed_by: string;
}

const orphansText = `
  select r.id, r.claimed_by from holdfast.runs r join holdfast.members m on m.id = r.claimed_by
  where r.claimed_by is not null and m.ended_at is not null limit $1`;

/** Runs that a member holds. */
export function listHeld(db: Runner, memberId: string): Promise<Orphan[]> {
  return db.run("listHeld", heldText, [memberId]);
}

const heldText = `select r.id, r.claimed_by from holdfast.runs r where r.claimed_by = $1`;

/** See `Store.leaveMember`. */
export async function leaveMember(
  pool: SessionPool,
  id: string,
): Promise<{ takenBack: number; topics: readonly RingTopic[] }> {
  return pool.transaction(async (transaction) => {
    await endMember(transaction, id);
    const { taken, topics } = await takeOver(transaction, await listHeld(transaction, id));
    const [given] = await giveJobsBack(transaction, limits.batchRows);
    await meetOfEnded(transaction);
    return { takenBack: taken, topics: [...topics, ...ringFor(given)] };
  });
}

/** See `Store.judgeMembers`. */
export async function judgeMembers(
  pool: SessionPool,
  { by, limitRows }: { by: string; limitRows: number },
): Promise<{ judgement: Judgement; topics: readonly RingTopic[] }> {
  return pool.transaction(async (transaction) => {
    const judges = await holdMember(transaction, by);
    if (judges.length === 0) throw memberGoneError(by);
    const judged = await endLapsed(transaction, by, limitRows);
    const orphans = await listOrphans(transaction, limitRows + 1);
    const { taken, ledger, topics } = await takeOver(transaction, orphans.slice(0, limitRows));
    const [given] = await giveJobsBack(transaction, limitRows);
    await meetOfEnded(transaction);
    const isLeft = (given?.found ?? 0) > limitRows;
    const more = orphans.length > limitRows || judged.length === limitRows || isLeft;
    const judgement = { ...aftermathOf([ledger]), judged: judged.map(({ id }) => id), taken, more };
    return { judgement, topics: [...topics, ...ringFor(given)] };
  });
}

/** Jobs that were given back are anybody's. */
function ringFor(given: { readonly found: number } | undefined): RingTopic[] {
  return given === undefined || given.found === 0 ? [] : ["jobs"];
}

async function takeOver(transaction: Transaction, orphans: readonly Orphan[]) {
  const ids = orphans.map((orphan) => orphan.id);
  const { value, topics } = await settle(transaction, ids, (ledger) => {
    let taken = 0;
    for (const { id, claimed_by } of orphans) {
      // It may have ended, or have been claimed by somebody else, before its row was locked.
      if (ledger.row(id)?.claimedBy !== claimed_by) continue;
      if (ledger.takeOver(id, memberGone(claimed_by))) taken += 1;
    }
    return { taken, ledger };
  });
  return { ...value, topics };
}

/** Members of a namespace in the order of joining. */
export async function listMembers(db: Runner, namespace: string): Promise<MemberRow[]> {
  return (await db.run<StoredMember>("listMembers", listText, [namespace])).map(toMember);
}

const listText = `
  select ${columns} from holdfast.members m where m.namespace = $1 order by m.joined_at, m.id`;

function toMember(row: StoredMember): MemberRow {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    namespace: row.namespace,
    serves: row.serves === null ? null : (JSON.parse(row.serves) as Serving),
    joinedAt: row.joined_at,
    leaseUntil: row.lease_until,
    endedAt: row.ended_at,
  };
}
