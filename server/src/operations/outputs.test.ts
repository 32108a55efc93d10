// Faults to catch: an output that its task did not declare kept and handed on; what comes of a job handed on unchecked.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry, type Json, type TaskSpec } from "@holdfast/protocol";
import { z } from "zod";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Definitions } from "./definitions.ts";

const definitions = new Definitions({ store: openMemoryStore({ clock: new VirtualClock() }), namespace: "n" });

function taskOf(executor: "typescript" | "python", output?: Json): TaskSpec {
  return {
    ...{ kind: "task", id: "load", executor, source: { module: "load.py", export: "main" }, queue: "default" },
    ...{ priority: 0, retry: defaultRetry, placement: "process", isolation: "pool", reads: [], writes: [] },
    ...(output !== undefined && { output }),
  };
}

const rows = {
  type: "object",
  properties: { rows: { type: "array", items: { type: "integer" } } },
  required: ["rows"],
};

test("an output that does not fit its declaration is refused, and the message names the path", async () => {
  const python = taskOf("python", rows);
  await definitions.checkOutput(python, { rows: [1, 2] });
  await assert.rejects(definitions.checkOutput(python, { rows: [1, "2"] }), {
    code: "invalid_output",
    message: 'The output of "load" does not fit: rows.1 must be integer.',
  });
  await assert.rejects(definitions.checkOutput(python, null), { code: "invalid_output" });
  await definitions.checkOutput(taskOf("python"), null);
  // What TypeScript bodies return is checked beside them, by the schema itself; a plain function has none.
  const typescript = taskOf("typescript", rows);
  await definitions.checkOutput(typescript, null);
  const plain = { ...typescript, source: { module: "load.ts", export: "load", plain: true } } as TaskSpec;
  await assert.rejects(definitions.checkOutput(plain, null), { code: "invalid_output" });
});

test("a long pattern is told as what it stands for", async () => {
  const day = { type: "object", properties: { day: z.toJSONSchema(z.iso.date()) as Json } };
  await assert.rejects(definitions.checkOutput(taskOf("python", day), { day: "yesterday" }), {
    message: 'The output of "load" does not fit: day is "yesterday", but must be a date.',
  });
});

test("what comes of jobs is held against what is declared, in every language", async () => {
  const typescript = taskOf("typescript", rows);
  await definitions.checkDeclared(typescript, { rows: [1] });
  await assert.rejects(definitions.checkDeclared(typescript, { rows: "1" }), { code: "invalid_output" });
  await definitions.checkDeclared(taskOf("typescript"), { rows: "1" });
});

test("a schema that cannot be used is named", async () => {
  await assert.rejects(definitions.checkOutput(taskOf("python", { type: "no such type" }), 1), {
    code: "invalid_definition",
    message: /^The output schema of "load" is no JSON Schema that can be used/,
  });
});
