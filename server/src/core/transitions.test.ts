import assert from "node:assert/strict";
import { test } from "node:test";
import { runStatuses } from "@holdfast/protocol";
import { isEnded, mayBeActive, runInputs, transition } from "./transitions.ts";

const columns =
  "release refuse claim succeed fail skip retry suspend lose give_back wake cancel clean_up settle clear hold_back reopen";

// One line a status; a dot is an input that comes too late or is none of its business and changes nothing.
const golden = `
pending    ready skipped . . . . . . . . . ordered . . . pending .
ready      . . running . . . . . . . . ordered cancelling . . pending waiting
running    . . . succeeded failed skipped ready waiting ready ready . cancelling cancelling . . . waiting
waiting    . . . . . . . . . . ready cancelling cancelling . . . waiting
cancelling . . . ordered ordered ordered ordered ordered ordered ordered . . cancelling ordered . . .
succeeded  . . . . . . . . . . . . . . ready pending waiting
failed     . . . . . . . . . . . . . . ready pending waiting
cancelled  . . . . . . . . . . . . . . ready pending waiting
skipped    . . . . . . . . . . . . . . ready pending waiting`;

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

test("only clear, hold_back and reopen leave an ended run", () => {
  for (const status of runStatuses.filter(isEnded)) {
    for (const input of runInputs) {
      const leaves = input === "clear" || input === "hold_back" || input === "reopen";
      assert.equal(transition(status, input) !== "stale", leaves, `${status} ${input}`);
    }
  }
});

test("nothing but its order ends a run that is cancelling", () => {
  for (const input of runInputs) {
    assert.ok(["ordered", "stale", "cancelling"].includes(transition("cancelling", input)), input);
  }
});

test("an activation may be at work on running and cancelling runs only", () => {
  assert.deepEqual(runStatuses.filter(mayBeActive), ["running", "cancelling"]);
});
