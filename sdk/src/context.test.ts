// Faults to catch: a key that is used twice by mistake, so that work is left out in silence; a warning about what steps are for.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ActivationStart, ChannelCall } from "@holdfast/protocol";
import { ActivationContext } from "./context.ts";

const names = { definition: "unit", name: "unit", item: null, key: null };
const start: ActivationStart = {
  ...{ nonce: "0123456789abcdef", attempt: 1, epoch: 1, executor: "typescript", input: {}, tokenSeed: "seed" },
  source: { module: "unit.ts", export: "unit" },
  run: { id: "r", rootId: "r", parentId: null, workflow: null, generation: 1, ...names },
  steps: [{ key: "earlier", value: 1 }],
} as ActivationStart;

test("a step whose key is used again answers from its record and says so; one of an earlier start answers in silence", async () => {
  const warnings: string[] = [];
  const call = (async (method: string, params: { lines?: { level: string; text: string }[]; value?: unknown }) => {
    for (const { level, text } of params.lines ?? []) if (level === "warn") warnings.push(text);
    return method === "step.commit" ? { recorded: true, value: params.value } : {};
  }) as unknown as ChannelCall;
  const context = new ActivationContext(start, call, new AbortController().signal);
  assert.equal(await context.step("earlier", () => assert.fail("done again")), 1);
  const sent = [];
  for (const name of ["ann", "bob"]) sent.push(await context.step("send", () => name));
  assert.deepEqual(sent, ["ann", "ann"]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /Step "send" was used before in this body: .* Give each use a key of its own\./);
});
