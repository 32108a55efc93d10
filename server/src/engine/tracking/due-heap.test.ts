// Faults to catch: what is due first does not come first; one that was moved or taken out comes all the same, or keeps another from coming.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Due, DueHeap } from "./due-heap.ts";

const item = (): Due => ({ dueMs: 0, place: -1 });

/** Numbers that look random and are the same each time. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    yield state;
  }
}

test("what is due first comes first, after any putting, moving and taking out", () => {
  const drawn = numbers(7);
  const next = () => drawn.next().value;
  const heap = new DueHeap<Due>();
  const items = Array.from({ length: 200 }, item);
  for (let round = 0; round < 5_000; round++) {
    const chosen = items[next() % items.length];
    assert.ok(chosen !== undefined);
    if (next() % 4 === 0) heap.remove(chosen);
    else heap.set(chosen, next() % 1_000);
    const inside = items.filter(({ place }) => place !== -1);
    assert.equal(heap.size, inside.length);
    assert.equal(heap.nextMs, inside.length === 0 ? undefined : Math.min(...inside.map(({ dueMs }) => dueMs)));
  }
  const taken: number[] = [];
  for (let due = heap.take(999); due !== undefined; due = heap.take(999)) taken.push(due.dueMs);
  assert.deepEqual(
    taken,
    taken.toSorted((a, b) => a - b),
  );
  assert.equal(heap.size, 0);
});

test("nothing comes before it is due, and a cleared heap takes its items again", () => {
  const heap = new DueHeap<Due>();
  const one = item();
  heap.set(one, 10);
  assert.equal(heap.take(9), undefined);
  heap.clear();
  assert.equal(heap.nextMs, undefined);
  heap.set(one, 5);
  assert.equal(heap.take(5), one);
});
