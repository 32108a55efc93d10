import { limits } from "@holdfast/protocol";
import { aftermathOf, type Ledger, memberGone, renewedPresence } from "../../core/index.ts";
import type { Joining, Judgement, MemberRow } from "../store.ts";
import { memberGoneError } from "./activations.ts";
import type { Memory } from "./memory.ts";

// P2: expiry of a lease permits takeover; only the takeover, which raises the epoch, invalidates.

export function joinMember(memory: Memory, { leaseMs, ...member }: Joining & { readonly leaseMs: number }): MemberRow {
  const now = memory.now();
  const before = memory.members.get(member.id);
  if (before !== undefined && before.endedAt !== null) throw memberGoneError(member.id);
  const joinedAt = before?.joinedAt ?? now;
  const row: MemberRow = Object.freeze({ ...member, joinedAt, leaseUntil: now + leaseMs, endedAt: null });
  memory.members.set(row.id, row);
  memory.presences.set(row.id, renewedPresence(undefined, { leaseMs, now }));
  return row;
}

/** Renews a lease, also an expired one. False: judged gone. */
export function renewMember(memory: Memory, { id, leaseMs }: { id: string; leaseMs: number }): boolean {
  const member = memory.members.get(id);
  if (member === undefined || member.endedAt !== null) return false;
  const now = memory.now();
  memory.members.set(id, Object.freeze({ ...member, leaseUntil: now + leaseMs }));
  memory.presences.set(id, renewedPresence(memory.presences.get(id), { leaseMs, now }));
  return true;
}

export function leaveMember(memory: Memory, id: string): { takenBack: number } {
  const now = memory.now();
  const member = memory.members.get(id);
  if (member === undefined) return { takenBack: 0 };
  endMember(memory, member, now);
  const { taken } = takeOver(memory, id, now, Number.POSITIVE_INFINITY);
  giveJobsBack(memory, limits.batchRows);
  meetOfEnded(memory, now);
  return { takenBack: taken };
}

export function judgeMembers(memory: Memory, { by, limitRows }: { by: string; limitRows: number }): Judgement {
  if (!memory.isMember(by)) throw memberGoneError(by);
  const now = memory.now();
  const lapsed = lapsedMembers(memory, by, now);
  const judged = lapsed.slice(0, limitRows);
  for (const member of judged) endMember(memory, member, now);
  const { more, ...over } = takeOverFromEnded(memory, now, limitRows);
  return { judged: judged.map(({ id }) => id), ...over, more: more || lapsed.length > judged.length };
}

/** Takes over runs that ended members hold; `more` when some are left. */
export function takeOverFromEnded(memory: Memory, now: number, limitRows: number): Omit<Judgement, "judged"> {
  let taken = 0;
  const ledgers: Ledger[] = [];
  for (const holder of [...memory.runs.holders]) {
    if (memory.isMember(holder)) continue;
    const over = takeOver(memory, holder, now, limitRows - taken);
    taken += over.taken;
    ledgers.push(over.ledger);
  }
  const left = giveJobsBack(memory, limitRows);
  meetOfEnded(memory, now);
  const more = left || [...memory.runs.holders].some((holder) => !memory.isMember(holder));
  return { ...aftermathOf(ledgers), taken, more };
}

/** In the order of joining. */
export function listMembers(memory: Memory, namespace: string): MemberRow[] {
  return [...memory.members.values()].filter((member) => member.namespace === namespace);
}

function lapsedMembers(memory: Memory, by: string, now: number): MemberRow[] {
  const judge = memory.presences.get(by);
  return [...memory.members.values()].filter(({ id, endedAt }) => {
    const presence = memory.presences.get(id);
    if (endedAt !== null || id === by || judge === undefined || presence === undefined) return false;
    return memory.decisions.mayJudge(judge, presence, now);
  });
}

/** Ends a membership, once. */
export function endMember(memory: Memory, member: MemberRow, now: number): void {
  if (member.endedAt === null) memory.members.set(member.id, Object.freeze({ ...member, endedAt: now }));
  memory.presences.delete(member.id);
}

/** Jobs that ended members track are anybody's again, and are otherwise as they were. True when some are left. */
function giveJobsBack(memory: Memory, limitRows: number): boolean {
  const found = memory.jobs.trackedBy((memberId) => !memory.isMember(memberId), limitRows + 1);
  const given = found.slice(0, limitRows);
  for (const job of given) memory.jobs.put({ ...job, memberId: null, epoch: job.epoch + 1 });
  if (given.length > 0) memory.bell.ring(["jobs"]);
  return found.length > limitRows;
}

/** Whoever is gone, or was so long ago that nobody remembers, works on nothing. */
function meetOfEnded(memory: Memory, now: number): void {
  memory.obligations.meetOf((memberId) => !memory.isMember(memberId), now);
}

function takeOver(
  memory: Memory,
  memberId: string,
  now: number,
  limitRows: number,
): { readonly taken: number; readonly ledger: Ledger } {
  const held = memory.runs.claimedBy(memberId).slice(0, limitRows);
  const ledger = memory.decisions.newLedger(now);
  ledger.load(memory.runs.withParents(held.map(({ id }) => id)));
  for (const run of held) ledger.takeOver(run.id, memberGone(memberId));
  memory.commit(ledger);
  return { taken: held.length, ledger };
}
