import assert from "node:assert/strict";
import { test } from "node:test";
import { expiryEnding, memberGone } from "./causes.ts";
import { newRun } from "./run.fixture.ts";
import { isClaimable, startingRun } from "./run.ts";

test("a run without upstreams begins ready, one with upstreams pending", () => {
  assert.equal(startingRun(newRun({ id: "a" }), 5).status, "ready");
  const blocked = startingRun(newRun({ id: "a", blockedBy: 2 }), 5);
  assert.deepEqual([blocked.status, blocked.blockedBy, isClaimable(blocked)], ["pending", 2, false]);
});

test("a start that lies ahead is waited for, and one that is past is not", () => {
  const at = (startAfter: number | null) => startingRun(newRun({ id: "a", startAfter }), 100);
  assert.deepEqual([at(101).wakeAt, at(100).wakeAt, at(99).wakeAt, at(null).wakeAt], [101, null, null, null]);
  assert.deepEqual([isClaimable(at(101)), isClaimable(at(100))], [false, true]);
});

test("expiry counts from the insertion", () => {
  const run = startingRun(newRun({ id: "a", expiresAfterMs: 40 }), 100);
  assert.equal(run.expiresAt, 140);
  assert.match(expiryEnding(run).error.message, /within 40ms/);
  assert.equal(startingRun(newRun({ id: "a" }), 100).expiresAt, null);
});

test("why a run was taken names the member that held it", () => {
  assert.match(memberGone("node-7").message, /node-7/);
});
