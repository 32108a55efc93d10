import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { FileContent } from "./content.ts";
import { drawCalls, textOf } from "./scenario.fixture.ts";

// Faults to catch: a table that does not note what it does (say, that edges were flipped), a change that is done again in
// another way than it was done, a whole content that leaves something out (say, the last place that was given out).

const seeds =
  process.env.HOLDFAST_SEED === undefined ? [1, 2, 3, randomInt(2 ** 31)] : [Number(process.env.HOLDFAST_SEED)];

/** A content without the order in which one call did several things: a copy may take over runs in another one. */
function unordered(content: FileContent): string[] {
  const lines = textOf(content).split("\n");
  return lines.filter((line) => !/"is":"(?:topic|endedRoots)"/.test(line)).sort();
}

for (const seed of seeds) {
  test(`what was noted, and the whole content, make the same content out of nothing (HOLDFAST_SEED=${seed})`, async () => {
    let now = 0;
    const make = () => new FileContent({ now: () => now }, new Set());
    const content = make();
    const follower = make();
    let copy = make();
    for (const one of [content, copy]) one.boot("an incarnation");
    for (const [index, moment] of (await drawCalls(seed, 150)).entries()) {
      now = moment.now;
      for (const one of [content, copy]) {
        await one.carryOut(JSON.parse(JSON.stringify({ id: 1, remote: true, ...moment.call })));
        one.sequence();
      }
      follower.restore(JSON.parse(JSON.stringify(content.take())));
      if (index % 10 > 0 && moment.call.verb !== "prune") continue;
      const place = `seed ${seed}, call ${index}: ${JSON.stringify(moment.call)}`;
      assert.deepEqual(textOf(follower).split("\n"), textOf(content).split("\n"), place);
      assert.deepEqual(unordered(copy), unordered(content), place);
      // From here another copy goes on, and has to give out the same places.
      copy = make();
      copy.restore(JSON.parse(JSON.stringify([...content.whole()])));
    }
  });
}
