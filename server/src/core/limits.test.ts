import assert from "node:assert/strict";
import { test } from "node:test";
import { type Gates, handOut, passGates, type Standing } from "./limits.ts";
import { newRun } from "./run.fixture.ts";
import { type Limit, startingRun } from "./run.ts";

// What limits mean is kept by every store (store/contract/limits.contract.ts). Faults to catch here: a transaction that moves a line
// of any length, and one that says of what it left that nothing is left; a fair line that empties itself before a full limit.

const own: Limit = { id: "shop/definition/bulk", slots: 1, hold: "run" };
const queue: Limit = { id: "shop/queue/etl", slots: 1, hold: "activation" };

/** Gates in a map, at the first of which so many stand; the second is full. */
function lineOf(length: number, first = own): Gates & { standing(id: string): number } {
  const held = new Map([[queue.id, new Set(["another"])]]);
  const lines = new Map<string | null, Standing[]>();
  const lineAt = (id: string | null) => lines.get(id) ?? [];
  for (let place = 0; place < length; place++) {
    const run = { ...startingRun(newRun({ id: `r${place}`, limits: [first, queue] }), 0), gate: first.id };
    lines.set(first.id, [...lineAt(first.id), { run, place }]);
  }
  return {
    standing: (id) => lineAt(id).length,
    open: ({ id }) => void held.set(id, held.get(id) ?? new Set()),
    renew() {},
    free: (id, runId) => void held.get(id)?.delete(runId),
    holds: (id, runId) => held.get(id)?.has(runId) ?? false,
    hasFree: (id) => (held.get(id)?.size ?? 0) < 1,
    take: (id, runId) => void held.get(id)?.add(runId),
    first: (id) => lineAt(id)[0],
    move(runId, gate) {
      const standing = [...lines.values()].flat().find(({ run }) => run.id === runId);
      assert.ok(standing);
      const left = lineAt(standing.run.gate).filter((one) => one !== standing);
      lines.set(standing.run.gate, left);
      lines.set(gate, [...lineAt(gate), { ...standing, run: { ...standing.run, gate } }]);
    },
  };
}

test("a long line is moved a hundred at a time, and each time it is told where somebody is left", () => {
  const gates = lineOf(250);
  const holder = startingRun(newRun({ id: "holder" }), 0);
  const freed = passGates(gates, [{ run: holder, frees: [own.id], arrives: false }], 0);
  assert.deepEqual(freed, { admitted: 0, more: [own.id] });
  assert.equal(gates.standing(own.id), 150);
  assert.deepEqual(handOut(gates, [own.id], 0), { admitted: 0, more: [own.id] });
  assert.deepEqual(handOut(gates, [own.id], 0), { admitted: 0, more: [] });
  assert.deepEqual([gates.standing(own.id), gates.standing(queue.id)], [0, 250]);
});

test("however long a fair line is, no more leave it than may stand at a full limit behind it", () => {
  const line: Limit = { id: "shop/fair/bulk:acme", slots: 1, hold: "activation", perMs: 0, ageingMs: 60_000 };
  const gates = lineOf(250, line);
  assert.deepEqual(handOut(gates, [line.id], 0), { admitted: 0, more: [] });
  assert.deepEqual([gates.standing(line.id), gates.standing(queue.id)], [249, 1]);
});
