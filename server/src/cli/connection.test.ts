import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../main.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { unlessNodes } from "./connection.ts";

// The fault: somebody is told that work waits for a start while a node is there and does it.
test("that work waits for a node's start is said only where no node is there", async () => {
  const clock = new VirtualClock();
  const services = serve(openMemoryStore({ clock }), { clock });
  const { store, namespace } = services;
  const said = () => unlessNodes({ kind: "embedded", services }, "later");
  assert.equal(await said(), "later");
  const member = { kind: "node", name: "n", namespace, leaseMs: 15_000 } as const;
  await store.joinMember({ ...member, id: "looks", serves: null });
  assert.equal(await said(), "later");
  await store.joinMember({ ...member, id: "works", serves: { slots: 1, queues: null } });
  assert.equal(await said(), "");
  await clock.advanceMs(20_000);
  assert.equal(await said(), "later");
  assert.equal(await unlessNodes({ kind: "server", services }, "later"), "");
  await services.close();
});
