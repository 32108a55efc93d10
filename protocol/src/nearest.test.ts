import assert from "node:assert/strict";
import { test } from "node:test";
import { nameHint, nearestName } from "./nearest.ts";

test("the nearest name is found across swaps, losses and endings, and far names are not guessed", () => {
  const known = ["day", "retry", "timeout", "expiresAfter"];
  const cases = {
    dya: "day",
    retries: "retry",
    timeot: "timeout",
    expires_after: "expiresAfter",
    zzz: undefined,
    n: undefined,
    dy: "day",
  };
  for (const [name, nearest] of Object.entries(cases)) assert.equal(nearestName(name, known), nearest, name);
});

test("a hint names the nearest, else what is known", () => {
  assert.equal(nameHint("dya", ["day"]), 'Did you mean "day"?');
  assert.equal(nameHint("zzz", ["day", "n"]), 'Known: "day", "n".');
  assert.equal(nameHint("zzz", []), "There is nothing to name here yet.");
});
