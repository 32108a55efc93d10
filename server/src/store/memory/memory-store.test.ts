import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "../contract/world.contract.ts";
import { storeContract } from "../store.contract.ts";
import { openMemoryStore } from "./memory-store.ts";

test("a clock that was set back by a year holds up nothing for a year", async () => {
  const aheadMs = 1_800_000_000_000;
  let [now, monotonicMs] = [aheadMs, 0];
  const store = openMemoryStore({ clock: { now: () => now, monotonicMs: () => monotonicMs } });
  const world = new World({ store, close: () => store.close() });
  await world.enqueue({ startAfter: aheadMs + 1_000 });
  now -= 365 * 86_400_000;
  assert.deepEqual(await store.wakeRuns({ limitRows: 10 }), { woken: 0, nextInMs: 1_000 });
  monotonicMs = 1_999;
  assert.equal((await store.wakeRuns({ limitRows: 10 })).woken, 0);
  monotonicMs = 2_001;
  assert.equal((await store.wakeRuns({ limitRows: 10 })).woken, 1);
  await store.close();
});

storeContract("memory", {
  clock: "held",
  timedLeases: true,
  second: false,
  async open() {
    let now = 1_800_000_000_000;
    const store = openMemoryStore({ clock: { now: () => now } });
    const advance = (ms: number) => {
      now += ms;
    };
    return { store, advance, close: () => store.close() };
  },
});
