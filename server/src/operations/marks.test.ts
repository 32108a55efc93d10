import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry, isAppError, type TaskSpec } from "@holdfast/protocol";
import { systemClock } from "../clock.ts";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";

// Fault to catch: an end that a person decides, with an output that the task could not have had.

const count: TaskSpec = {
  kind: "task",
  id: "count",
  executor: "python",
  source: { module: "count.py", export: "count" },
  queue: "default",
  priority: 0,
  retry: defaultRetry,
  placement: "process",
  isolation: "pool",
  output: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
  reads: [],
  writes: [],
};

test("a run is marked as succeeded only with an output that its task declares", async () => {
  const { definitions, runs, marks } = serve(openMemoryStore({ clock: systemClock }), {});
  await definitions.apply([{ format: 1, root: "count", definitions: { count }, assets: {} }]);
  const { run } = await runs.start({ definition: "count" });
  for (const output of [{ n: "three" }, undefined]) {
    const given = { status: "succeeded", ...(output === undefined ? {} : { output }) } as const;
    await assert.rejects(marks.mark(run.id, given), (error) => isAppError(error, "invalid_output"));
  }
  assert.equal((await runs.get(run.id)).status, "ready");
  const { run: marked } = await marks.mark(run.id, { status: "succeeded", output: { n: 3 } });
  assert.deepEqual([marked.status, marked.output], ["succeeded", { n: 3 }]);
});
