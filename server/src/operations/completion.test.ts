// Faults to catch: a body whose run was cancelled first is told that its success stands (P4, P6); one whose success was
// committed, though the answer was lost, is told that it is no longer heard (P1); an error quotes what no store keeps, and its run cannot end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry, limits } from "@holdfast/protocol";
import { systemRandom } from "../random.ts";
import { World } from "../store/contract/world.contract.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Completion } from "./completion.ts";

const skip = { code: "skipped_by_task", message: "Nothing to do." };

/** A run that is at work, and what ends it. */
async function atWork() {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  const world = new World({ store, close: async () => {} });
  const completion = new Completion({ store, clock, random: systemRandom });
  const run = await world.running();
  const { signal: revoked } = new AbortController();
  return { world, run, completion, held: { run, retry: defaultRetry, ranMs: 5, revoked, isToldToEnd: false } };
}

test("what a body says after a cancel that came first is refused, and the run ends as it was ordered to", async () => {
  for (const says of ["succeed", "skip"] as const) {
    const { world, run, completion, held } = await atWork();
    await world.cancel(run.id);
    const said = says === "succeed" ? completion.succeed(held, 1) : completion.skip(held, skip);
    await assert.rejects(said, { code: "run_ended" });
    assert.equal(await world.status(run.id), "cancelled");
  }
});

test("a success that is said again, because its answer was lost, is acknowledged again", async () => {
  const { world, run, completion, held } = await atWork();
  await completion.succeed(held, 1);
  await completion.succeed(held, 1);
  assert.equal(await world.status(run.id), "succeeded");
});

test("details of an error that no store keeps are left out, and the run ends with the rest of it", async () => {
  for (const details of [["a\u0000b"], { text: "\ud800" }, "x".repeat(limits.errorTextBytes)]) {
    const { world, run, completion, held } = await atWork();
    const error = { code: "task_failed", message: "It broke.", details };
    assert.equal(await completion.fail(held, { outcome: "failed", error, fatal: true }), "failed");
    const kept = (await world.store.findRun({ id: run.id }))?.error;
    assert.deepEqual([kept?.message, kept?.details], ["It broke.", undefined]);
  }
});
