// Faults to catch: a stop that says nothing of what it waits for, or says it in words that name nobody.
import assert from "node:assert/strict";
import { test } from "node:test";
import { waitText } from "./stopping.ts";

test("what a stop waits for is said with names, bounds and what becomes of it", () => {
  const names = ["load", "pack", "ship", "bill", "mail"];
  assert.equal(
    waitText({ of: "bodies", names, forMs: 30_000 }),
    "Waiting for load, pack, ship and 2 more to end, 30 s at most; what has not ended then goes on at the next start. A second Ctrl-C ends at once.",
  );
  assert.match(waitText({ of: "ends", names: ["load"], forMs: 15_000 }), /^Told load to end: .* 5 s gets TERM, .* 5 s/);
  assert.match(
    waitText({ of: "jobs", names: ["http"], forMs: 9_000 }),
    /^Waiting for an answer of http, .* 9 s at most/,
  );
  assert.match(waitText({ of: "store", names: [], forMs: 800 }), /the store to answer, 1 s at most\. Nothing is lost/);
});
