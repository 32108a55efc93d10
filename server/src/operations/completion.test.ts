// Fault to catch: a body whose run was cancelled first is told that its success stands (P4, P6).
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry } from "@holdfast/protocol";
import { systemRandom } from "../random.ts";
import { World } from "../store/contract/world.contract.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Completion } from "./completion.ts";

const skip = { code: "skipped_by_task", message: "Nothing to do." };

test("what a body says after a cancel that came first is refused, and the run ends as it was ordered to", async () => {
  for (const says of ["succeed", "skip"] as const) {
    const clock = new VirtualClock();
    const store = openMemoryStore({ clock });
    const world = new World({ store, close: async () => {} });
    const completion = new Completion({ store, clock, random: systemRandom });
    const run = await world.running();
    const { signal: revoked } = new AbortController();
    const held = { run, retry: defaultRetry, ranMs: 5, revoked, isToldToEnd: false };
    await world.cancel(run.id);
    const said = says === "succeed" ? completion.succeed(held, 1) : completion.skip(held, skip);
    await assert.rejects(said, { code: "run_ended" });
    assert.equal(await world.status(run.id), "cancelled");
  }
});
