import assert from "node:assert/strict";
import { test } from "node:test";
import { mayJudge, type Presence, renewedPresence } from "./presence.ts";

// Faults to catch: a judge that takes an outage for everybody's death; one whose lease is longer than the others' and that
// therefore does not notice the outage that used up theirs.

const leaseMs = 12_000;

/** Somebody who renews at each of these times. */
function renewing(times: readonly number[], lease = leaseMs): Presence {
  let presence: Presence | undefined;
  for (const now of times) presence = renewedPresence(presence, { leaseMs: lease, now });
  assert.ok(presence !== undefined);
  return presence;
}

/** Each `periodMs` from `from` to `to`. */
function each(periodMs: number, from: number, to: number): number[] {
  return Array.from({ length: Math.floor((to - from) / periodMs) + 1 }, (_, i) => from + i * periodMs);
}

test("who has renewed without a gap for a whole lease judges whoever has not renewed for one", () => {
  const dead = renewing([0]);
  const judge = renewing(each(4_000, 0, 12_000));
  assert.equal(mayJudge(judge, dead, 12_000), false);
  assert.equal(mayJudge(judge, dead, 12_001), true);
});

test("who has joined a moment ago judges nobody, however long the other is silent", () => {
  const judge = renewing([100_000]);
  assert.equal(mayJudge(judge, renewing([0]), 100_001), false);
  assert.equal(mayJudge(renewing(each(4_000, 100_000, 112_000)), renewing([0]), 112_001), true);
});

test("after an outage nobody is judged for a whole lease, whichever comes first: the renewal or the judgement", () => {
  const before = each(4_000, 0, 20_000);
  const member = renewing(before);
  const back = 60_000;
  assert.equal(mayJudge(renewing(before), member, back), false, "the judgement was under way during the outage");
  const judge = renewing([...before, back]);
  assert.equal(mayJudge(judge, member, back), false, "the renewal was kept first");
  assert.equal(mayJudge(renewing([...before, ...each(4_000, back, back + 12_000)]), member, back + 12_001), true);
});

test("no outage costs a renewing member its lease, whenever it begins, however long it is and whose lease is longer", () => {
  for (const [judgeLease, memberLease] of [
    [12_000, 12_000],
    [12_000, 60_000],
    [60_000, 12_000],
  ] as const) {
    for (let begins = 100_000; begins < 120_000; begins += 1_000) {
      for (let lasts = 0; lasts < 80_000; lasts += 1_000) {
        const back = begins + lasts;
        const judge = renewing([...each(judgeLease / 3, 0, begins), back], judgeLease);
        const member = renewing(each(memberLease / 3, 500, begins), memberLease);
        assert.equal(mayJudge(judge, member, back), false, `${judgeLease} judges ${memberLease} at ${begins}+${lasts}`);
      }
    }
  }
});

test("a clock that was set back makes no gap and ends nobody", () => {
  const judge = renewing([50_000, 54_000, 10_000, 14_000]);
  assert.equal(judge.unbrokenSince, 50_000);
  assert.equal(mayJudge(judge, renewing([54_000]), 14_000), false);
});
