// Faults to catch: an option's value taken for an operand, a flag of another command, a hidden command that is offered.
import assert from "node:assert/strict";
import { test } from "node:test";
import { candidatesFor } from "./candidates.ts";
import { buildProgram } from "./program.ts";

const program = buildProgram(async () => undefined);
const valuesOf = (...words: string[]) => candidatesFor(program, words).known.map(({ value }) => value);

test("commands, their commands and their flags are offered where they may stand", () => {
  assert.deepEqual(valuesOf("ru"), ["run", "runs"]);
  assert.ok(!valuesOf("comp").includes("complete"), "it is for shells");
  assert.deepEqual(valuesOf("runs", "l"), ["list", "logs"]);
  assert.deepEqual(valuesOf("runs", "list", "--st").sort(), ["--status", "--store"]);
  assert.deepEqual(valuesOf("help", "ma"), ["manifest"]);
  assert.deepEqual(valuesOf("completion", ""), ["bash", "zsh", "fish"]);
  assert.deepEqual(valuesOf("nobody", "x"), []);
});

test("values of flags and operands are told apart", () => {
  assert.deepEqual(valuesOf("runs", "list", "--status", "fa"), ["failed"]);
  const asked = (...words: string[]) => {
    const { lookups, files } = candidatesFor(program, words);
    return [...lookups, ...(files ? ["files"] : [])];
  };
  assert.deepEqual(asked("run", ""), ["definitions", "files"]);
  assert.deepEqual(asked("run", "--key", ""), []);
  assert.deepEqual(asked("run", "--key", "k", ""), ["definitions", "files"]);
  assert.deepEqual(asked("run", "--quiet", ""), ["definitions", "files"]);
  assert.deepEqual(asked("run", "a.ts", ""), []);
  assert.deepEqual(asked("run", "a.ts", "--input", "@in"), ["files"]);
  assert.deepEqual(asked("validate", "a.ts", ""), ["files"]);
  assert.deepEqual(asked("runs", "logs", "-f", ""), ["runs"]);
  assert.deepEqual(asked("runs", "show", "1ngr", ""), []);
  assert.deepEqual(asked("queues", "pause", ""), ["queues"]);
});
