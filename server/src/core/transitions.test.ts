import assert from "node:assert/strict";
import { test } from "node:test";
import { runStatuses } from "@holdfast/protocol";
import { isEnded, mayBeActive, runInputs, transition } from "./transitions.ts";

const columns = "release refuse claim succeed fail skip retry suspend lose give_back wake cancel settle clear reopen";

// One line a status; a dot is an input that comes too late or is none of its business and changes nothing.
const golden = `
pending    ready skipped . . . . . . . . . ordered . . .
ready      . . running . . . . . . . . ordered . . .
running    . . . succeeded failed skipped ready waiting ready ready . cancelling . . .
waiting    . . . . . . . . . . ready cancelling . . .
cancelling . . . ordered ordered ordered ordered ordered ordered ordered . . ordered . .
succeeded  . . . . . . . . . . . . . ready waiting
failed     . . . . . . . . . . . . . ready waiting
cancelled  . . . . . . . . . . . . . ready waiting
skipped    . . . . . . . . . . . . . ready waiting`;

test("every status answers every input, and as the table of the design says", () => {
  const table = new Map(
    golden
      .trim()
      .split("\n")
      .map((line) => {
        const [status = "", ...answers] = line.split(/ +/);
        return [status, answers];
      }),
  );
  assert.deepEqual([...table.keys()], [...runStatuses]);
  assert.deepEqual(columns.split(" "), [...runInputs]);
  for (const status of runStatuses) {
    const answers = runInputs.map((input) => transition(status, input)).map((to) => (to === "stale" ? "." : to));
    assert.deepEqual(answers, table.get(status), status);
  }
});

test("only clear and reopen leave an ended run, and nothing else is where they lead from", () => {
  for (const status of runStatuses) {
    for (const input of runInputs) {
      const moves = transition(status, input) !== "stale";
      const leaves = input === "clear" || input === "reopen";
      if (isEnded(status) || leaves) assert.equal(moves, isEnded(status) && leaves, `${status} ${input}`);
    }
  }
});

test("nothing but its order ends a run that is cancelling", () => {
  for (const input of runInputs) assert.ok(["ordered", "stale"].includes(transition("cancelling", input)), input);
});

test("an activation may be at work on running and cancelling runs only", () => {
  assert.deepEqual(runStatuses.filter(mayBeActive), ["running", "cancelling"]);
});
