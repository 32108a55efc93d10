// Faults to catch: a write that has another name in the next version, so that its record is not found; a name that no step may have.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { limits } from "@holdfast/protocol";
import { writeName } from "./state-keys.ts";

interface Golden {
  readonly verb: string;
  readonly scope: string;
  readonly name: string;
  readonly args?: unknown;
  readonly written: string;
}

const { stateNames } = JSON.parse(
  readFileSync(new URL("../../protocol/fixtures/channel-v1.json", import.meta.url), "utf8"),
) as { readonly stateNames: readonly Golden[] };

test("writes of state have the golden names, and each is a key that a step may have", () => {
  for (const { verb, scope, name, args, written } of stateNames) {
    assert.equal(writeName(verb, scope, name, args), written);
    assert.ok(written.length + "#10000".length <= limits.keyCharacters);
  }
});
