// Faults to catch: a job of hours is asked for every second, or one of seconds once a minute; a service's own wish is not heard, or keeps it from
// being asked for ever; what fails is tried at once, or all of it at the same moment.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Random } from "../../random.ts";
import { backOffMs, lookAfterMs } from "./pace.ts";

const drawing = (fraction: number): Random => ({ fraction: () => fraction, bytes: (count) => new Uint8Array(count) });
const middle = drawing(0.5);
const after = (ageMs: number, more: { isWatched?: boolean; nextPollMs?: number } = {}) =>
  Math.round(lookAfterMs({ ageMs, isWatched: false, ...more }, middle));

test("a job is looked at after a tenth of its age, from one second to one minute", () => {
  assert.deepEqual(
    [0, 5_000, 20_000, 60_000, 600_000, 86_400_000].map((ageMs) => after(ageMs)),
    [1_000, 1_000, 2_000, 6_000, 60_000, 60_000],
  );
});

test("one that the service tells of by itself is looked at seldom", () => {
  assert.equal(after(1_000, { isWatched: true }), 300_000);
});

test("a service that asks for later looks has them, within a quarter of an hour", () => {
  assert.equal(after(1_000, { nextPollMs: 30_000 }), 30_000);
  assert.equal(after(600_000, { nextPollMs: 1_000 }), 60_000, "it may not ask for sooner ones");
  assert.equal(after(1_000, { nextPollMs: 86_400_000 }), 900_000);
});

test("what fails is tried again ever later, up to a minute, at moments of its own", () => {
  const at = (tries: number, fraction: number) => backOffMs(tries, {}, drawing(fraction));
  assert.deepEqual(
    [1, 2, 3, 4, 100].map((tries) => at(tries, 1)),
    [1_000, 2_000, 4_000, 8_000, 60_000],
  );
  assert.deepEqual([at(3, 0), at(3, 0.5)], [2_000, 3_000]);
});

test("what the service asks for after a failure is what it gets, within a quarter of an hour", () => {
  assert.equal(backOffMs(1, { retryAfterMs: 20_000 }, middle), 20_000);
  assert.equal(backOffMs(1, { retryAfterMs: 86_400_000 }, middle), 900_000);
});
