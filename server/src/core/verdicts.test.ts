// Faults to catch: an answer that is no plain refusal counts as one, so that a job is submitted twice or forgotten; what an earlier call may have
// started is forgotten by the refusal of a later one; one refused look ends a job that runs; a cancel that was not taken is given up (P5, P6).
import assert from "node:assert/strict";
import { test } from "node:test";
import { submissionClasses, trackingFaults } from "@holdfast/protocol";
import { mayHaveHappened, refusalMs, verdictOnListing, verdictOnLook, verdictOnSubmission } from "./verdicts.ts";

test("only what never left, or was plainly refused by the service that it was sent to, surely did nothing (V1)", () => {
  assert.equal(mayHaveHappened("unsent"), false);
  assert.equal(mayHaveHappened("unanswered"), true);
  for (const status of [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 425, 429, 451])
    assert.equal(mayHaveHappened(status), false, `${status}`);
  for (const status of [101, 200, 201, 202, 204, 301, 303, 304, 307, 308, 406, 408, 499, 500, 501, 502, 503, 504, 520])
    assert.equal(mayHaveHappened(status), true, `${status}`);
});

test("what surely was not started is refused for good, or tried again (V1)", () => {
  for (const submission of submissionClasses) {
    const failed = { submission, isUndecided: false, isEarlier: false, refusedForMs: 0 };
    assert.equal(verdictOnSubmission({ ...failed, fault: "permanent" }), "refused");
    for (const fault of ["transient", "auth"] as const)
      assert.equal(verdictOnSubmission({ ...failed, fault }), "again");
  }
});

for (const [isUndecided, isEarlier] of [
  [true, false],
  [false, true],
  [true, true],
] as const) {
  const which = isEarlier ? (isUndecided ? "either call" : "an earlier call") : "the call";
  test(`what ${which} may have started is in doubt, and never said to have failed (V1, V2)`, () => {
    const failed = { isUndecided, isEarlier, refusedForMs: 0 };
    for (const fault of trackingFaults) {
      assert.equal(verdictOnSubmission({ ...failed, submission: "blind", fault }), "doubt");
      assert.equal(verdictOnSubmission({ ...failed, submission: "listed", fault }), "again");
      assert.equal(verdictOnSubmission({ ...failed, submission: "listed", fault, refusedForMs: refusalMs }), "again");
      assert.equal(verdictOnSubmission({ ...failed, submission: "token", fault }), "again");
    }
    const late = { ...failed, submission: "token", refusedForMs: refusalMs } as const;
    assert.equal(verdictOnSubmission({ ...late, fault: "permanent" }), "doubt");
    assert.equal(verdictOnSubmission({ ...late, fault: "permanent", refusedForMs: refusalMs - 1 }), "again");
    assert.equal(verdictOnSubmission({ ...late, fault: "transient" }), "again");
  });
}

test("a listing that is refused for a while leaves the job in doubt, and no other", () => {
  assert.equal(verdictOnListing({ fault: "permanent", refusedForMs: refusalMs - 1 }), "again");
  assert.equal(verdictOnListing({ fault: "permanent", refusedForMs: refusalMs }), "doubt");
  assert.equal(verdictOnListing({ fault: "auth", refusedForMs: refusalMs }), "again");
});

test("looks that are refused for good give a job up after a while, and not before (V3)", () => {
  const look = { isOrdered: false, isTaken: false, refusedForMs: refusalMs };
  assert.equal(verdictOnLook({ ...look, fault: "permanent", refusedForMs: refusalMs - 1 }), "again");
  assert.equal(verdictOnLook({ ...look, fault: "permanent" }), "give_up");
  for (const fault of ["transient", "auth"] as const) assert.equal(verdictOnLook({ ...look, fault }), "again");
});

test("a job whose end is ordered is given up by its looks only once its service has taken the order (P6)", () => {
  const look = { fault: "permanent", refusedForMs: 100 * refusalMs, isOrdered: true } as const;
  assert.equal(verdictOnLook({ ...look, isTaken: false }), "again");
  assert.equal(verdictOnLook({ ...look, isTaken: true }), "give_up");
});
