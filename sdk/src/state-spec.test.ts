// Faults to catch: a declaration that the manifest forgets, or gives with another version; a schema that JSON Schema cannot say and that stops
// the compiler; a task without state whose manifest, and with it its hash, is another than before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { readStates } from "./state-spec.ts";

test("what a task declares of its state is in its manifest: the schema of what is kept, and its version", async () => {
  const total = z.object({ total: z.coerce.number().max(10) });
  const read = await readStates({
    state: total,
    taskState: { schema: total, version: 3, migrate: (values) => values as never },
  });
  const properties = { total: { type: "number", maximum: 10 } };
  const schema = read.state?.schema as Readonly<Record<string, unknown>>;
  assert.deepEqual([schema.properties, schema.additionalProperties], [properties, false]);
  assert.deepEqual([read.state?.version, read.taskState?.version], [1, 3]);
  assert.deepEqual(read.taskState?.schema, read.state?.schema);
});

test("what its library cannot say is left to the bodies, and what is not declared is absent", async () => {
  assert.deepEqual(await readStates({}), {});
  assert.deepEqual(await readStates({ state: z.object({ at: z.map(z.string(), z.string()) }) }), {
    state: { version: 1 },
  });
  const open = (await readStates({ state: z.looseObject({}) })).state?.schema as Readonly<Record<string, unknown>>;
  assert.notEqual(open.additionalProperties, false);
  const opaque = { "~standard": { version: 1, vendor: "other", validate: (value: unknown) => ({ value }) } } as const;
  assert.deepEqual(await readStates({ taskState: opaque as never }), { taskState: { version: 1 } });
});
