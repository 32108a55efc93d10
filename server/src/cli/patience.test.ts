// Faults to catch: who only looks on ends with a stack when the store is removed under it; one that waits for its end goes on for ever.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@holdfast/protocol";
import { Patience } from "./patience.ts";

const gone = new AppError("store_unavailable", "It is not there any more.", { details: { gone: "a.db was removed" } });

test("a store that was removed ends the patience of who waits for an end, not of who looks on until it is put back", async () => {
  const { signal } = new AbortController();
  let calls = 0;
  const question = async () => {
    calls += 1;
    if (calls % 2 === 1) throw gone;
    return calls;
  };
  const options = { limitMs: Number.POSITIVE_INFINITY, say: () => undefined };
  await assert.rejects(new Patience(options).ask(question, signal), { message: gone.message });
  calls = 0;
  assert.equal(await new Patience({ ...options, outlivesStore: true }).ask(question, signal), 2);
});
