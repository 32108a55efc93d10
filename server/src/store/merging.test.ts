import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, isAppError } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import { mergeCalls } from "./merging.ts";
import type { StepResult, StepRow, Store } from "./store.ts";

// Only `commitSteps`, `appendLogs` and `findDefinition` of the store are called here; the contract suite holds merged stores to everything.

type Batch = readonly StepRow[];
type Answer = (rows: Batch, call: number) => StepResult[] | Promise<StepResult[]>;

function step(key: string): StepRow {
  return { runId: "run", epoch: 1, generation: 1, key, value: key };
}

/** Every row's key comes back as its result, so that mixed-up answers are seen. */
const echo: Answer = (rows) => rows.map((row) => ({ outcome: "existing", value: row.key }));

function recorder(answer: Answer): {
  store: Store;
  batches: string[][];
  pauses: number[];
  clock: Pick<Clock, "sleep">;
} {
  const batches: string[][] = [];
  const pauses: number[] = [];
  const commitSteps: Store["commitSteps"] = async ({ rows }) => {
    batches.push(rows.map((row) => row.key));
    return answer(rows, batches.length);
  };
  const clock: Pick<Clock, "sleep"> = {
    sleep: async (ms) => {
      pauses.push(ms);
    },
  };
  return { store: { commitSteps } as Store, batches, pauses, clock };
}

test("calls of one turn go as one batch, and each gets the results of its own rows", async () => {
  const { store, batches, clock } = recorder(echo);
  const merged = mergeCalls(store, { clock });
  const answers = await Promise.all([
    merged.commitSteps({ rows: [step("a"), step("b")] }),
    merged.commitSteps({ rows: [] }),
    merged.commitSteps({ rows: [step("c")] }),
  ]);
  assert.deepEqual(batches, [["a", "b", "c"]]);
  assert.deepEqual(
    answers.map((results) => results.map((result) => (result.outcome === "existing" ? result.value : null))),
    [["a", "b"], [], ["c"]],
  );
});

test("no more batches than allowed are under way, and what gathers meanwhile goes together", async () => {
  const gates: (() => void)[] = [];
  const { store, batches, clock } = recorder(async (rows, call) => {
    if (call <= 2) await new Promise<void>((resolve) => gates.push(resolve));
    return echo(rows, call);
  });
  const merged = mergeCalls(store, { clock, inFlight: 2 });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const calls: Promise<StepResult[]>[] = [];
  for (const key of ["a", "b", "c", "d", "e"]) {
    calls.push(merged.commitSteps({ rows: [step(key)] }));
    await turn();
    await turn();
  }
  assert.deepEqual(batches, [["a"], ["b"]]);
  gates[0]?.();
  await Promise.all([calls[0], ...calls.slice(2)]);
  assert.deepEqual(batches, [["a"], ["b"], ["c", "d", "e"]]);
  gates[1]?.();
  await Promise.all(calls);
});

test("a poisoned call fails alone; the others of its batch succeed and are each done once", async () => {
  const done: string[] = [];
  const { store, clock } = recorder((rows, call) => {
    if (rows.some((row) => row.key === "poison")) throw new AppError("invalid_request", "A row cannot be stored.");
    done.push(...rows.map((row) => row.key));
    return echo(rows, call);
  });
  const merged = mergeCalls(store, { clock });
  const keys = Array.from({ length: 40 }, (_, index) => (index === 23 ? "poison" : `k${index}`));
  const settled = await Promise.allSettled(keys.map((key) => merged.commitSteps({ rows: [step(key)] })));
  for (const [index, result] of settled.entries()) {
    if (keys[index] === "poison")
      assert.ok(result.status === "rejected" && isAppError(result.reason, "invalid_request"));
    else assert.equal(result.status, "fulfilled");
  }
  assert.deepEqual(done.sort(), keys.filter((key) => key !== "poison").sort());
});

test("a batch is repeated whole while the store is unavailable, with growing pauses", async () => {
  const { store, batches, pauses, clock } = recorder((rows, call) => {
    if (call <= 3) throw new AppError("store_unavailable", "It is away.");
    return echo(rows, call);
  });
  const merged = mergeCalls(store, { clock, repeatMs: 10 });
  await Promise.all([merged.commitSteps({ rows: [step("a")] }), merged.commitSteps({ rows: [step("b")] })]);
  assert.deepEqual(
    batches,
    Array.from({ length: 4 }, () => ["a", "b"]),
  );
  assert.deepEqual(pauses, [10, 20, 40]);
});

test("repeats are bounded, and a failure of the store is not searched for in the rows", async () => {
  for (const [code, calls] of [
    ["store_unavailable", 3],
    ["store_full", 1],
  ] as const) {
    const { store, batches, clock } = recorder(() => {
      throw new AppError(code, "No.");
    });
    const merged = mergeCalls(store, { clock, repeats: 2 });
    const settled = await Promise.allSettled(["a", "b"].map((key) => merged.commitSteps({ rows: [step(key)] })));
    assert.ok(settled.every((result) => result.status === "rejected" && isAppError(result.reason, code)));
    assert.equal(batches.length, calls);
  }
});

test("closing waits for what is under way and for what waits", async () => {
  const order: string[] = [];
  const { store, clock } = recorder(async (rows, call) => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push(...rows.map((row) => row.key));
    return echo(rows, call);
  });
  const closing: Store = {
    ...store,
    close: async () => {
      order.push("closed");
    },
  };
  const merged = mergeCalls(closing, { clock, inFlight: 1 });
  const call = merged.commitSteps({ rows: [step("a")] });
  await merged.close();
  await call;
  assert.deepEqual(order, ["a", "closed"]);
});

test("large calls are not put into one batch", async () => {
  const { store, batches, clock } = recorder(echo);
  const merged = mergeCalls(store, { clock });
  const value = "x".repeat(1_000_000);
  await Promise.all(
    Array.from({ length: 40 }, (_, index) => merged.commitSteps({ rows: [{ ...step(`k${index}`), value }] })),
  );
  assert.ok(batches.length >= 3, `${batches.length} batches`);
  assert.equal(batches.flat().length, 40);
});

test("those who ask for one definition at a time share a read, which is made after they asked", async () => {
  const reads: string[] = [];
  let manifestHash = "old";
  const findDefinition: Store["findDefinition"] = async ({ id }) => {
    reads.push(id);
    return id === "none" ? undefined : { id, kind: "task", manifestHash, appliedAt: 0 };
  };
  const merged = mergeCalls({ findDefinition } as Store, { clock: { sleep: () => Promise.resolve() } });
  const asked = ["a", "b", "a", "none", "a"].map((id) => merged.findDefinition({ namespace: "n", id }));
  manifestHash = "new";
  const found = await Promise.all(asked);
  assert.deepEqual(reads, ["a", "b", "none"]);
  assert.deepEqual(
    found.map((row) => row && [row.id, row.manifestHash]),
    [["a", "new"], ["b", "new"], ["a", "new"], undefined, ["a", "new"]],
  );
});
