import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, isAppError } from "@holdfast/protocol";
import { systemClock } from "../clock.ts";
import type { RingTopic, Store } from "../store/store.ts";
import { EndWatch } from "./end-watch.ts";

// Only `listEnded` and `onRing` of the store are called here; the API's tests wait for ends on whole stores.

const longMs = 600_000;
const never = new AbortController().signal;

function recorder(answer: (ids: readonly string[], look: number) => string[]) {
  const looks: (readonly string[])[] = [];
  let hear: (topics: readonly RingTopic[]) => void = () => undefined;
  const store: Pick<Store, "listEnded" | "onRing"> = {
    listEnded: async ({ ids }) => {
      looks.push(ids);
      return answer(ids, looks.length);
    },
    onRing: (listener) => {
      hear = listener;
      return () => {
        hear = () => undefined;
      };
    },
  };
  const watch = new EndWatch({ store: store as Store, namespace: "shop", clock: systemClock, pollMs: longMs });
  return { watch, looks, ring: (topic: RingTopic) => hear([topic]) };
}

test("one look serves all who come during the one before, and those whose runs go on wait for a ring about ends", async () => {
  const { watch, looks, ring } = recorder((_, look) => [[], ["a"], ["b"]][look - 1] ?? []);
  const over: string[] = [];
  const enough = new AbortController();
  const waits = ["c", "a", "b", "a"].map(async (id) => {
    await watch.ended(id, longMs, enough.signal);
    over.push(id);
  });
  await Promise.all([waits[1], waits[3]]);
  assert.deepEqual(over, ["a", "a"]);
  ring("events");
  ring("ended");
  await waits[2];
  assert.deepEqual(looks, [["c"], ["a", "b"], ["c", "b"]]);
  enough.abort();
});

test("an end whose ring is lost is found by looking, and a wait whose time is over ends", async () => {
  const { watch } = recorder(() => []);
  let looks = 0;
  const lost = new EndWatch({
    store: {
      listEnded: async ({ ids }) => (++looks < 3 ? [] : [...ids]),
      onRing: () => () => undefined,
    } as Partial<Store> as Store,
    namespace: "shop",
    clock: systemClock,
    pollMs: 1,
  });
  await lost.ended("a", longMs, never);
  await watch.ended("a", 1, never);
});

test("who no longer waits is not looked for, and a signal ends a wait at once", async () => {
  const { watch, looks, ring } = recorder((_, look) => (look < 3 ? [] : ["b"]));
  const enough = new AbortController();
  const waits = [watch.ended("a", longMs, enough.signal), watch.ended("b", longMs, never)];
  await until(() => looks.length === 2);
  enough.abort();
  await waits[0];
  ring("ended");
  await waits[1];
  assert.deepEqual(looks, [["a"], ["b"], ["b"]]);
});

test("a store that fails is told to all who wait, and the next wait looks again", async () => {
  const { watch, looks, ring } = recorder((ids, look) => {
    if (look < 3) return [];
    if (look === 3) throw new AppError("store_unavailable", "No.");
    return [...ids];
  });
  const waits = ["a", "b"].map((id) => watch.ended(id, longMs, never));
  await until(() => looks.length === 2);
  ring("ended");
  for (const wait of waits) await assert.rejects(wait, (error) => isAppError(error, "store_unavailable"));
  await watch.ended("a", longMs, never);
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
