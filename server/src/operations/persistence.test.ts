// Faults to catch: a disk that is full for a moment taken for what is wrong with an outcome, so that a body that has succeeded
// ends failed or is done again; a failure that nothing can mend repeated for ever.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, type ErrorCode, isRefusedOutcome } from "@holdfast/protocol";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { persist } from "./persistence.ts";

function failing(...codes: ErrorCode[]): () => Promise<string> {
  return async () => {
    const code = codes.shift();
    if (code !== undefined) throw new AppError(code, "Not now.");
    return "kept";
  };
}

test("what a store cannot take for a moment, away or full, is written when it can", async () => {
  const clock = new VirtualClock();
  const kept = persist(clock, new AbortController().signal, failing("store_full", "store_unavailable", "store_full"));
  await clock.advanceMs(10_000);
  assert.equal(await kept, "kept");
});

test("a full store refuses no outcome for what it is", () => {
  assert.equal(isRefusedOutcome(new AppError("store_full", "The disk is full.")), false);
  assert.equal(isRefusedOutcome(new AppError("too_large", "Too large.")), true);
});

test("what repeating cannot mend is thrown at once, and everything once nobody is bound to it any more", async () => {
  const clock = new VirtualClock();
  const signal = new AbortController().signal;
  await assert.rejects(persist(clock, signal, failing("too_large")), { code: "too_large" });
  await assert.rejects(persist(clock, AbortSignal.abort(), failing("store_full")), { code: "store_full" });
});
