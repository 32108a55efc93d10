// Fault to catch: a token that differs between the languages, so that a task that changes its language does its effects again.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { ActivationStart } from "@holdfast/protocol";
import { ActivationContext } from "./context.ts";

const fixtures = JSON.parse(
  readFileSync(new URL("../../protocol/fixtures/channel-v1.json", import.meta.url), "utf8"),
) as { readonly tokens: readonly { readonly seed: string; readonly key: string; readonly token: string }[] };

test("tokens are the golden ones", () => {
  assert.ok(fixtures.tokens.length > 0);
  const [id, definition] = ["run-1", "clean"];
  const parent = { rootId: id, parentId: null, workflow: null, item: null, key: null };
  for (const { seed, key, token } of fixtures.tokens) {
    const start: ActivationStart = {
      nonce: "nonce-of-the-fixtures",
      run: { id, ...parent, definition, name: definition, generation: 0 },
      attempt: 1,
      epoch: 1,
      executor: "typescript",
      source: { module: "clean.ts", export: "clean" },
      input: null,
      steps: [],
      tokenSeed: seed,
    };
    const call = () => Promise.reject(new Error("no call is made for a token"));
    const context = new ActivationContext(start, call, new AbortController().signal);
    assert.equal(context.token(key), token);
  }
});
