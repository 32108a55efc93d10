import { memberGoneError } from "../memory/activations.ts";
import { endMember, listMembers as inMemory, takeOverFromEnded } from "../memory/membership.ts";
import type { Memory } from "../memory/memory.ts";
import type { Joining, Judgement, MemberRow } from "../store.ts";

// Membership without time (P2), as in the other store with one owner: a member of the owner's own process ends with it, and the
// first join of the next boot says so. A member behind the socket may outlive the owner: it has `graceMs` from the next boot to
// renew, which its link does by itself when it connects again; a judge ends those that did not.

const graceMs = 5_000;

/** In which boot a member was last heard of, and whether from another process. */
export interface Residence {
  readonly boot: number;
  readonly remote: boolean;
}

/** Where the members of a file store live, beside their rows. */
export interface Household {
  readonly memory: Memory;
  readonly residences: Map<string, Residence>;
  readonly boot: number;
  /** When that boot began. */
  readonly bootAt: number;
  /** Notes where a member lives now. */
  readonly settle: (id: string, residence: Residence) => void;
}

export function joinMember(
  household: Household,
  args: Joining & { readonly leaseMs: number },
  remote: boolean,
): MemberRow {
  const { memory } = household;
  const { leaseMs, ...member } = args;
  const before = memory.members.get(member.id);
  if (before !== undefined && before.endedAt !== null) throw memberGoneError(member.id);
  const now = memory.now();
  for (const other of earlier(household, member.id)) {
    if (household.residences.get(other.id)?.remote !== true) endMember(memory, other, now);
  }
  const joinedAt = before?.joinedAt ?? now;
  const row: MemberRow = { ...member, joinedAt, leaseUntil: now + leaseMs, endedAt: null };
  memory.members.set(row.id, row);
  settle(household, row.id, remote);
  return row;
}

/** False: the member is gone. */
export function renewMember(
  household: Household,
  { id, leaseMs }: { id: string; leaseMs: number },
  remote: boolean,
): boolean {
  const { memory } = household;
  const member = memory.members.get(id);
  if (member === undefined || member.endedAt !== null) return false;
  memory.members.set(id, { ...member, leaseUntil: memory.now() + leaseMs });
  settle(household, id, remote);
  return true;
}

export function judgeMembers(household: Household, { by, limitRows }: { by: string; limitRows: number }): Judgement {
  const { memory, bootAt } = household;
  if (!memory.isMember(by)) throw memberGoneError(by);
  const now = memory.now();
  const silent = now < bootAt + graceMs ? [] : earlier(household, by);
  for (const member of silent) endMember(memory, member, now);
  return { judged: silent.map(({ id }) => id), ...takeOverFromEnded(memory, now, limitRows) };
}

/** In the order of joining; the owner's own members of earlier boots have ended with their process. */
export function listMembers(household: Household, namespace: string): MemberRow[] {
  const { memory, residences, bootAt } = household;
  const over = new Set(earlier(household).flatMap(({ id }) => (residences.get(id)?.remote === true ? [] : [id])));
  return inMemory(memory, namespace).map((member) => (over.has(member.id) ? { ...member, endedAt: bootAt } : member));
}

/** Members that were last heard of in an earlier boot, but for one. */
function earlier({ memory, residences, boot }: Household, except?: string): MemberRow[] {
  return [...memory.members.values()].filter(
    ({ id, endedAt }) => endedAt === null && id !== except && (residences.get(id)?.boot ?? 0) < boot,
  );
}

function settle({ residences, boot, settle: note }: Household, id: string, remote: boolean): void {
  const before = residences.get(id);
  if (before?.boot === boot && before.remote === remote) return;
  note(id, { boot, remote });
}
