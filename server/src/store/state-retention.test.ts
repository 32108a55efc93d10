// Faults to catch: a default that is forgotten on one path (bodies, people, a repeated request); one that overrules what a writer says, or
// changes what was written before; a version of a schema that expires while the values of it stay.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type StateScope, stateVersionKey } from "@holdfast/protocol";
import { openServices } from "../main.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { opsIn, transaction } from "./contract/state.fixture.ts";
import { namespace } from "./contract/world.contract.ts";
import { openMemoryStore } from "./memory/memory-store.ts";
import { keepState } from "./state-retention.ts";

const minuteMs = 60_000;
const scope: StateScope = { kind: "task", id: "load" };
const op = opsIn(scope);

test("a value is kept as its kind says where its writer says nothing, and another default leaves it as it is", async () => {
  const store = openMemoryStore({ clock: new VirtualClock() });
  const [short, long] = [minuteMs, 5 * minuteMs].map((task) => keepState(store, { task }));
  assert.ok(short && long);
  const minutes = async () => {
    const page = await store.listState({ namespace, scope, limitRows: 10 });
    assert.ok(page.outcome === "read");
    return page.values.map(({ key, expiresAt, updatedAt }) => {
      return [key, expiresAt === null ? null : (expiresAt - updatedAt) / minuteMs];
    });
  };
  await short.transactState({ rows: [transaction([op.set("a", 1), op.set("b", 1, { retentionMs: null })])] });
  await short.transactState({
    rows: [transaction([op.set("c", 1, { retentionMs: 2 * minuteMs }), op.append("d", 1)])],
  });
  await short.transactState({ rows: [transaction([op.set(stateVersionKey, 2)])] });
  const request = { namespace, key: "k", part: "", hash: "h", retentionMs: minuteMs };
  const call = { verb: "transactState", args: { rows: [transaction([op.set("e", 1)])] } } as const;
  await short.carryOutOnce({ request, call });
  const before = [["a", 1], ["b", null], ["c", 2], ["d", 1], ["e", 1]] as const; // biome-ignore format: a table
  assert.deepEqual(await minutes(), [...before, [stateVersionKey, null]]);
  await long.transactState({ rows: [transaction([op.set("b", 2)])] });
  await long.transactState({ rows: [transaction([op.append("d", 2)])] });
  assert.deepEqual((await minutes()).slice(0, 4), [["a", 1], ["b", 5], ["c", 2], ["d", 1]]); // biome-ignore format: a table
  await store.close();
});

test("services that are told a default write with it", async () => {
  const services = await openServices({ address: "memory:", stateRetention: { task: minuteMs } });
  const row = transaction([op.set("a", 1)], { namespace: services.namespace });
  await services.store.transactState({ rows: [row] });
  const page = await services.store.listState({ namespace: services.namespace, scope, limitRows: 1 });
  const [value] = page.outcome === "read" ? page.values : [];
  assert.equal((value?.expiresAt ?? 0) - (value?.updatedAt ?? 0), minuteMs);
  await services.close();
});
