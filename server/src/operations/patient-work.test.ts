import assert from "node:assert/strict";
import { test } from "node:test";
import { PatientWork, type Piece } from "./patient-work.ts";

// Faults to catch: whoever waits for all of them; work that is begun again while it is under way, or whose answer is lost or given
// twice; a failure that takes the answers of others along; slow work without end of one group.

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A clock whose moments pass when the test says so. */
function heldClock() {
  let over = Promise.withResolvers<void>();
  const sleep = (_: number, signal?: AbortSignal) =>
    Promise.race([over.promise, new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()))]);
  const pass = () => {
    over.resolve();
    over = Promise.withResolvers();
  };
  return { sleep, pass };
}

function piece(id: string, answer: Promise<string> | string, group = "g") {
  let begun = 0;
  const made: Piece<string> = {
    id,
    group,
    work: async () => {
      begun += 1;
      return answer;
    },
  };
  return { ...made, begun: () => begun };
}

test("what is done in a moment is answered, what is not by a later call, and nothing is begun twice or answered twice", async () => {
  const clock = heldClock();
  const work = new PatientWork<string>({ clock });
  const slow = Promise.withResolvers<string>();
  const [a, b, c] = [piece("a", "A"), piece("b", slow.promise), piece("c", "C")];
  const first = work.take([a, b]);
  await Promise.resolve();
  clock.pass();
  assert.deepEqual([...(await first)], [["a", "A"]]);
  assert.deepEqual(
    [...(await work.take([b, c]))],
    [["c", "C"]],
    "it does not wait for what an earlier call has waited for",
  );
  assert.deepEqual([...(await work.take([b]))], []);
  slow.resolve("B");
  await turn();
  assert.deepEqual([...(await work.take([b]))], [["b", "B"]]);
  assert.deepEqual(
    [a, b, c].map(({ begun }) => begun()),
    [1, 1, 1],
  );
  assert.equal(work.size, 0);
});

test("what fails is thrown once, and what is done beside it is there for the next call", async () => {
  const work = new PatientWork<string>({ clock: heldClock() });
  const broken = piece("b", Promise.reject(new Error("no")));
  await assert.rejects(work.take([piece("a", "A"), broken]), /no/);
  assert.deepEqual([...(await work.take([piece("a", "again")]))], [["a", "A"]]);
  assert.equal(work.size, 0);
});

test("of a group of which a hundred take long no more are begun, others are; what nobody asks for any more is forgotten", async () => {
  const clock = heldClock();
  const work = new PatientWork<string>({ clock });
  const slow = Promise.withResolvers<string>();
  const many = Array.from({ length: 100 }, (_, n) => piece(`s${n}`, slow.promise, "slow"));
  const first = work.take(many);
  await Promise.resolve();
  clock.pass();
  await first;
  const [more, other] = [piece("more", "M", "slow"), piece("other", "O", "quick")];
  assert.deepEqual([...(await work.take([...many, more, other]))], [["other", "O"]]);
  assert.equal(more.begun(), 0);
  slow.resolve("S");
  await turn();
  assert.deepEqual([...(await work.take([more]))], [["more", "M"]]);
  assert.equal(work.size, 0);
});
