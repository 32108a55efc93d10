// Faults to catch: a job is submitted twice because nobody waited for the first call to be over, believed a listing that could not show it yet,
// or believed one alone; its successor is submitted while the first call may still be sent; one that surely was not started is not submitted again; an order starts what it is to end (P5, P6).
import assert from "node:assert/strict";
import { test } from "node:test";
import { arrivalMs, missingVerdict, type OpenSubmission, submissionStep, submissionWindowMs } from "./submissions.ts";

const settleMs = 20_000;
const open: OpenSubmission = {
  ...{ submission: "listed", settleMs, isOrdered: false, isNamed: false, mayResubmit: false },
  ...{ sinceCallMs: null, isListed: false, misses: 0, sinceMissMs: 0 },
};
const step = (known: Partial<OpenSubmission>) => submissionStep({ ...open, ...known });

test("what nobody has called for is submitted, whatever its service, and not once its end is ordered (S1)", () => {
  for (const submission of ["token", "listed", "blind"] as const) {
    assert.deepEqual(step({ submission }), { do: "submit" });
    assert.deepEqual(step({ submission, isOrdered: true }), { do: "end" });
  }
});

test("a service that knows the token is called again at once (S2)", () => {
  assert.deepEqual(step({ submission: "token", sinceCallMs: 0 }), { do: "submit" });
  assert.deepEqual(step({ submission: "token", sinceCallMs: 0, isOrdered: true, isNamed: true }), { do: "cancel" });
  assert.deepEqual(step({ submission: "token", sinceCallMs: 0, isOrdered: true }), { do: "submit" });
});

test("a listing is asked for at once, and believed to show nothing only when no call can come and it has settled (S3)", () => {
  const provenMs = submissionWindowMs + settleMs;
  assert.deepEqual(step({ sinceCallMs: 0 }), { do: "find", counts: false });
  assert.deepEqual(step({ sinceCallMs: 0, isListed: true }), { do: "wait", ms: provenMs });
  assert.deepEqual(step({ sinceCallMs: provenMs - 1, isListed: true }), { do: "wait", ms: 1 });
  assert.deepEqual(step({ sinceCallMs: provenMs, isListed: true }), { do: "find", counts: true });
});

test("two listings that show nothing, a settling apart, are what a second submission needs (S3)", () => {
  const missed = { sinceCallMs: 10 * settleMs, isListed: true, misses: 1 };
  assert.deepEqual(step({ ...missed, sinceMissMs: settleMs - 1 }), { do: "wait", ms: 1 });
  assert.deepEqual(step({ ...missed, sinceMissMs: settleMs }), { do: "find", counts: true });
  assert.deepEqual(step({ ...missed, misses: 2 }), { do: "submit" });
  assert.deepEqual(step({ ...missed, misses: 2, isOrdered: true }), { do: "end" });
});

test("without a token or a listing nobody knows, and so it is with what its body starts (S4)", () => {
  for (const isOrdered of [false, true]) {
    assert.deepEqual(step({ submission: "blind", sinceCallMs: 1e9, isOrdered }), { do: "doubt" });
    assert.deepEqual(step({ submission: "own", isOrdered }), { do: "doubt" });
  }
});

test("a successor that was decided on beforehand waits until the first call can be sent no more, and has settled (S4)", () => {
  const blind = { submission: "blind", mayResubmit: true } as const;
  const provenMs = submissionWindowMs + settleMs;
  assert.deepEqual(step({ ...blind, sinceCallMs: 0 }), { do: "wait", ms: provenMs });
  assert.deepEqual(step({ ...blind, sinceCallMs: provenMs - 1 }), { do: "wait", ms: 1 });
  assert.deepEqual(step({ ...blind, sinceCallMs: provenMs }), { do: "doubt" });
  assert.deepEqual(step({ ...blind, sinceCallMs: 0, isOrdered: true }), { do: "doubt" });
});

test("a job that is not there to be cancelled may come long after its call, and is then lost, and not unstarted (S6)", () => {
  const longestMs = submissionWindowMs + arrivalMs + settleMs;
  assert.equal(missingVerdict({ sinceCallMs: 0, settleMs }), "may_come");
  assert.equal(missingVerdict({ sinceCallMs: longestMs - 1, settleMs }), "may_come");
  assert.equal(missingVerdict({ sinceCallMs: longestMs, settleMs }), "lost");
  assert.equal(missingVerdict({ sinceCallMs: null, settleMs }), "not_started");
});
