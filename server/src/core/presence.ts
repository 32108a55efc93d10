// Who may judge whom (P2, P9). A member whose lease has run out is not gone for sure: the store may have been away, and
// then everybody's lease has. A judge is a witness that the store was there all the time: it has renewed without a gap.
// The store asks this in the judgement itself, by its own clock, so that a judgement which was under way while the store
// stood still judges nobody when it goes on.

/** What the store knows of a member's presence. Times: milliseconds of the store's clock. */
export interface Presence {
  readonly leaseMs: number;
  /** When the last renewal was kept. */
  readonly renewedAt: number;
  /** Since when its renewals have had no gap. */
  readonly unbrokenSince: number;
}

/** The longest time between two renewals that is no gap, of a lease: renewals are due each third of it. */
export const gapShare = 1 / 2;

/** Presence after a renewal, or after a joining when there was none before. */
export function renewedPresence(
  before: Presence | undefined,
  { leaseMs, now }: { leaseMs: number; now: number },
): Presence {
  const isUnbroken = before !== undefined && isFresh(before, now);
  return { leaseMs, renewedAt: now, unbrokenSince: isUnbroken ? before.unbrokenSince : now };
}

/** True when the judge has seen a whole lease (the longer of the two) pass without a gap, and without a renewal of the member's. */
export function mayJudge(judge: Presence, member: Presence, now: number): boolean {
  const from = Math.max(member.renewedAt, judge.unbrokenSince);
  return isFresh(judge, now) && now > from + Math.max(member.leaseMs, judge.leaseMs);
}

function isFresh({ renewedAt, leaseMs }: Presence, now: number): boolean {
  return now - renewedAt <= leaseMs * gapShare;
}
