import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry, limits, type RetryPolicy } from "@holdfast/protocol";
import fc from "fast-check";
import { afterFailure, afterLoss, afterTakeover, retryDelayMs } from "./retry.ts";
import { newRun } from "./run.fixture.ts";
import { type RunRow, startingRun } from "./run.ts";

const error = { code: "task_failed", message: "The disk is full." };

const policies: fc.Arbitrary<RetryPolicy> = fc.record({
  attempts: fc.integer({ min: 1, max: limits.attempts }),
  delayMs: fc.nat(10_000_000),
  factor: fc.double({ min: 1, max: 100, noNaN: true }),
  maxDelayMs: fc.nat(100_000_000),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
});
const fractions = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

function run(fields: Partial<RunRow> = {}): RunRow {
  return { ...startingRun(newRun({ id: "a" }), 0), status: "running", claimedBy: "n1", epoch: 1, ...fields };
}

test("a delay is a whole number between its jittered share and its limit, for every policy and attempt", () => {
  fc.assert(
    fc.property(policies, fc.integer({ min: 1, max: limits.attempts }), fractions, (policy, attempt, random) => {
      const delay = retryDelayMs(policy, attempt, random);
      assert.ok(Number.isSafeInteger(delay));
      assert.ok(delay >= 0 && delay <= policy.maxDelayMs);
      assert.ok(delay >= Math.floor(Math.min(policy.delayMs, policy.maxDelayMs) * (1 - policy.jitter)));
    }),
  );
});

test("without jitter delays grow by their factor up to the limit", () => {
  const policy = { attempts: 9, delayMs: 100, factor: 3, maxDelayMs: 2_000, jitter: 0 };
  assert.deepEqual(
    [1, 2, 3, 4, 5, 400].map((attempt) => retryDelayMs(policy, attempt, 0.9)),
    [100, 300, 900, 2_000, 2_000, 2_000],
  );
});

test("jitter takes at most its share away", () => {
  const policy = { ...defaultRetry, delayMs: 1_000, jitter: 0.25 };
  assert.deepEqual(
    [0, 0.5, 0.999_999].map((random) => retryDelayMs(policy, 1, random)),
    [1_000, 875, 750],
  );
});

test("a failed attempt is followed by another until the policy's attempts are used up", () => {
  const policy = { ...defaultRetry, attempts: 3, jitter: 0 };
  const failure = { outcome: "timed_out", error, fatal: false } as const;
  const ready = { to: "ready", outcome: "timed_out", error };
  assert.deepEqual(afterFailure(run({ attempt: 1 }), policy, failure, 0), { ...ready, delayMs: 1_000 });
  assert.deepEqual(afterFailure(run({ attempt: 2 }), policy, failure, 0), { ...ready, delayMs: 2_000 });
  const end = { to: "ended", status: "failed", outcome: "timed_out", error };
  assert.deepEqual(afterFailure(run({ attempt: 3 }), policy, failure, 0), end);
  assert.deepEqual(afterFailure(run({ attempt: 1 }), { ...policy, attempts: 1 }, failure, 0), end);
});

test("a run that was started over has all its attempts and the first delay again", () => {
  const policy = { ...defaultRetry, attempts: 3, jitter: 0 };
  const failure = { outcome: "failed", error, fatal: false } as const;
  const after = (attempt: number) => afterFailure(run({ attempt, firstAttempt: 4 }), policy, failure, 0);
  const ready = { to: "ready", outcome: "failed", error };
  assert.deepEqual(
    [after(4), after(5)],
    [1_000, 2_000].map((delayMs) => ({ ...ready, delayMs })),
  );
  assert.deepEqual(after(6), { to: "ended", status: "failed", outcome: "failed", error });
});

test("a fatal failure ends the run at once, and a body's own delay is kept to", () => {
  const policy = { ...defaultRetry, attempts: 3 };
  const fatal = afterFailure(run(), policy, { outcome: "failed", error, fatal: true }, 0);
  assert.equal(fatal.to, "ended");
  const later = afterFailure(run(), policy, { outcome: "failed", error, fatal: false, afterMs: 5 }, 0);
  assert.deepEqual(later, { to: "ready", outcome: "failed", error, delayMs: 5 });
  const spent = afterFailure(run({ attempt: 3 }), policy, { outcome: "failed", error, fatal: false, afterMs: 5 }, 0);
  assert.equal(spent.to, "ended");
});

test("losses and takeovers end the run when they come too often in a row, each by its own count", () => {
  const start = { to: "ready", outcome: "lost", error, delayMs: 0 };
  assert.deepEqual(afterLoss(run({ losses: limits.losses - 2, takeovers: 40 }), error), start);
  assert.deepEqual(afterTakeover(run({ takeovers: limits.takeovers - 2, losses: 4 }), error), start);
  for (const next of [
    afterLoss(run({ losses: limits.losses - 1 }), error),
    afterTakeover(run({ takeovers: limits.takeovers - 1 }), error),
  ]) {
    assert.ok(next.to === "ended" && next.status === "failed");
    assert.equal(next.outcome, "lost");
    assert.equal(next.error.code, "lost_too_often");
    assert.match(next.error.message, /The disk is full\./);
  }
});
