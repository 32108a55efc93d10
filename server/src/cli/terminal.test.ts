import assert from "node:assert/strict";
import { test } from "node:test";
import picocolors from "picocolors";
import { withoutCodes, wrapped } from "./terminal.ts";

test("notes are broken between words, keep their indent, and a long word stays whole", () => {
  const text =
    "error a.ts:5: it is wrong\n  Did you mean something else?\n  /a/very/long/path/that/nobody/would/break here";
  const lines = wrapped(picocolors.createColors(true).red(text), 20).split("\n").map(withoutCodes);
  assert.deepEqual(lines, [
    "error a.ts:5: it is",
    "wrong",
    "  Did you mean",
    "  something else?",
    "  /a/very/long/path/that/nobody/would/break",
    "  here",
  ]);
  assert.equal(wrapped("  fits  as it is", 20), "  fits  as it is");
});
