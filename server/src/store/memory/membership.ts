import { memberGone } from "../../core/index.ts";
import type { MemberRow } from "../store.ts";
import { memberGoneError } from "./activations.ts";
import type { Memory } from "./memory.ts";

// P2: expiry of a lease permits takeover; only the takeover, which raises the epoch, invalidates.

export function joinMember(
  memory: Memory,
  { leaseMs, ...member }: { id: string; kind: "node" | "worker"; name: string; namespace: string; leaseMs: number },
): MemberRow {
  const now = memory.now();
  const before = memory.members.get(member.id);
  if (before !== undefined && before.endedAt !== null) throw memberGoneError(member.id);
  const joinedAt = before?.joinedAt ?? now;
  const row: MemberRow = Object.freeze({ ...member, joinedAt, leaseUntil: now + leaseMs, endedAt: null });
  memory.members.set(row.id, row);
  return row;
}

/** Renews a lease, also an expired one. False: judged gone. */
export function renewMember(memory: Memory, { id, leaseMs }: { id: string; leaseMs: number }): boolean {
  const member = memory.members.get(id);
  if (member === undefined || member.endedAt !== null) return false;
  memory.members.set(id, Object.freeze({ ...member, leaseUntil: memory.now() + leaseMs }));
  return true;
}

export function leaveMember(memory: Memory, id: string): { takenBack: number } {
  const now = memory.now();
  const member = memory.members.get(id);
  if (member === undefined) return { takenBack: 0 };
  end(memory, member, now);
  return { takenBack: takeOver(memory, id, now, Number.POSITIVE_INFINITY) };
}

export function judgeMembers(
  memory: Memory,
  { by, limitRows }: { by: string; limitRows: number },
): { judged: string[]; taken: number; more: boolean } {
  if (!memory.isMember(by)) throw memberGoneError(by);
  const now = memory.now();
  const lapsed = [...memory.members.values()].filter(
    (member) => member.endedAt === null && member.leaseUntil < now && member.id !== by,
  );
  const judged = lapsed.slice(0, limitRows);
  for (const member of judged) end(memory, member, now);
  let taken = 0;
  for (const holder of [...memory.runs.holders]) {
    if (!memory.isMember(holder)) taken += takeOver(memory, holder, now, limitRows - taken);
  }
  const left = [...memory.runs.holders].some((holder) => !memory.isMember(holder));
  return { judged: judged.map(({ id }) => id), taken, more: left || lapsed.length > judged.length };
}

/** In the order of joining. */
export function listMembers(memory: Memory, namespace: string): MemberRow[] {
  return [...memory.members.values()].filter((member) => member.namespace === namespace);
}

function end(memory: Memory, member: MemberRow, now: number): void {
  if (member.endedAt === null) memory.members.set(member.id, Object.freeze({ ...member, endedAt: now }));
}

function takeOver(memory: Memory, memberId: string, now: number, limitRows: number): number {
  const held = memory.runs.claimedBy(memberId).slice(0, limitRows);
  const ledger = memory.newLedger(now);
  ledger.load(held);
  for (const run of held) ledger.takeOver(run.id, memberGone(memberId));
  memory.commit(ledger);
  return held.length;
}
