// Faults to catch: a tracker that prints without end fills the node's log; a line is torn where a chunk ends; a text that no store keeps.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { PrintedLines } from "./printed-lines.ts";

function printed() {
  const clock = new VirtualClock();
  const said: string[] = [];
  return { clock, said, lines: new PrintedLines(clock, (line) => said.push(line)) };
}

test("lines are whole, however they come, and long ones are cut", () => {
  const { said, lines } = printed();
  for (const chunk of [
    "on",
    "e\ntw",
    "o\n\n  \n",
    "\ud83d",
    "\ude00\n",
    "a\u0000\n",
    "x".repeat(9_000),
    "y".repeat(9_000),
    "\nend",
  ])
    lines.push(chunk);
  lines.end();
  assert.deepEqual(said, ["one", "two", "😀", "a\ufffd", "x".repeat(2_000), "end"]);
});

test("of a flood the first two hundred lines of a minute are kept, and how many were left out is told", async () => {
  const { clock, said, lines } = printed();
  lines.push("flood\n".repeat(20_000));
  assert.equal(said.length, 200);
  await clock.advanceMs(60_000);
  lines.push("after\n");
  assert.deepEqual(said.slice(200), ["… 19800 lines that it printed were left out: 200 a minute are kept.", "after"]);
  lines.push("flood\n".repeat(200));
  lines.end();
  assert.match(said.at(-1) ?? "", /^… 1 lines/);
});
