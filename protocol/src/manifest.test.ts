// Faults to catch: a source of another executor let through; a task that asks for what its executor cannot do; a variable
// that would change what the runner itself says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { activationStartSchema } from "./channel.ts";
import { defaultRetry, definitionSpecSchema } from "./manifest.ts";

const fields = {
  kind: "task",
  id: "clean",
  queue: "default",
  priority: 0,
  retry: defaultRetry,
  placement: "process",
  isolation: "pool",
  reads: [],
  writes: [],
};
const python = { ...fields, executor: "python", source: { module: "tasks/clean.py", export: "main" } };
const command = { ...fields, executor: "process", source: { command: "make report" } };

test("a task's source is the one of its executor", () => {
  const typescript = { ...python, executor: "typescript" };
  for (const spec of [python, command, typescript]) assert.deepEqual(definitionSpecSchema.parse(spec), spec);
  for (const wrong of [
    { ...python, source: command.source },
    { ...command, source: python.source },
    { ...command, executor: "rust" },
    { ...command, source: { command: "" } },
    { ...command, source: { command: "a\0b" } },
  ]) {
    assert.equal(definitionSpecSchema.safeParse(wrong).success, false, JSON.stringify(wrong));
  }
});

test("only TypeScript tasks without variables of their own run inline", () => {
  const inline = { ...python, executor: "typescript", placement: "inline" };
  assert.ok(definitionSpecSchema.safeParse(inline).success);
  for (const wrong of [
    { ...inline, env: { A: "1" } },
    { ...python, placement: "inline" },
    { ...command, placement: "inline" },
  ]) {
    const { error } = definitionSpecSchema.safeParse(wrong);
    assert.match(String(error?.issues[0]?.message), /only TypeScript tasks without env run inline/);
  }
});

test("a task may declare any variable but the runner's own", () => {
  assert.ok(definitionSpecSchema.safeParse({ ...command, env: { PATH: "/opt/bin", _a1: "" } }).success);
  for (const env of [{ HOLDFAST_RUN_ID: "x" }, { ORK_ATTEMPT: "1" }, { "A=B": "1" }, { "": "1" }, { A: "a\0b" }]) {
    assert.equal(definitionSpecSchema.safeParse({ ...command, env }).success, false, JSON.stringify(env));
  }
});

test("an activation's start carries the executor and its source", () => {
  const start = {
    nonce: "0123456789abcdef",
    run: {
      id: "r",
      rootId: "r",
      parentId: null,
      definition: "d",
      workflow: null,
      name: "d",
      item: null,
      key: null,
      generation: 0,
    },
    attempt: 1,
    epoch: 1,
    input: {},
    steps: [],
    tokenSeed: "seed",
  };
  const { executor, source } = command;
  assert.ok(activationStartSchema.safeParse({ ...start, executor, source }).success);
  assert.ok(!activationStartSchema.safeParse({ ...start, executor, source: python.source }).success);
  assert.ok(!activationStartSchema.safeParse({ ...start, source }).success);
});
