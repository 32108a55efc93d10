// Fault to catch: one call that is too large to be sent takes all others of the same turn with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@holdfast/protocol";
import { PendingCalls } from "./pending.ts";
import type { StoreRequest } from "./wire.ts";

test("a call that is too large is refused alone; what was asked in the same turn is sent", async () => {
  const sent: StoreRequest[] = [];
  const calls = new PendingCalls((requests) => {
    if (requests.some(({ args }) => args === "huge")) throw new AppError("too_large", "Too large.");
    sent.push(...requests);
    for (const { id, args } of requests) calls.answer({ id, result: args });
  });
  const answers = ["a", "huge", "b"].map((args) => calls.call("findRun", args, false));
  const settled = await Promise.allSettled(answers);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.deepEqual(
    sent.map(({ args }) => args),
    ["a", "b"],
  );
  await calls.answered();
});
