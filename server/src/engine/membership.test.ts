// Fault to catch: a node whose member is gone, on a store where leases are not timed, claims nothing any more and lets what it
// ran go on beside those who have taken it over.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRetry, type Manifest } from "@holdfast/protocol";
import { serve, startNode } from "../main.ts";
import type { Placement } from "../placements/placement.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import type { Store } from "../store/store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";

/** Bodies that never end by themselves. */
class Endless implements Placement {
  readonly name = "process";
  readonly free = 8;
  readonly started: string[] = [];
  readonly killed: string[] = [];

  start: Placement["start"] = ({ start: { run } }) => {
    this.started.push(run.id);
    const end = Promise.withResolvers<{ how: "aborted"; reason: string; ranMs: number }>();
    const kill = () => {
      this.killed.push(run.id);
      end.resolve({ how: "aborted", reason: "killed", ranMs: 1 });
    };
    return { ended: end.promise, ranMs: 1, abort: kill, freeze() {}, thaw() {}, kill };
  };
  freezeAll() {}
  thawAll() {}
  forgetCode() {}
  async close() {}
}

const task = {
  ...{ kind: "task", id: "load", executor: "typescript", source: { module: "load.ts", export: "load" } },
  ...{
    queue: "default",
    priority: 0,
    retry: defaultRetry,
    placement: "process",
    isolation: "pool",
    reads: [],
    writes: [],
  },
} as const;
const manifest = { format: 1, root: "load", definitions: { load: task }, assets: {} } as unknown as Manifest;

test("a node that was judged gone where leases are not timed ends what it runs, joins anew and goes on", async () => {
  const clock = new VirtualClock();
  const memory = openMemoryStore({ clock });
  const store = new Proxy(memory, {
    get: (target, name: keyof Store) => {
      if (name === "describe") return async () => ({ ...(await target.describe()), timedLeases: false });
      const value = target[name];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const services = serve(store, { clock, namespace: "shop" });
  await services.definitions.apply([manifest]);
  const placement = new Endless();
  const node = await startNode(services, { root: "/", placement });
  const first = node.memberId ?? "";
  const { run } = await services.runs.start({ definition: "load" });
  await clock.advanceMs(1_000);
  assert.deepEqual(placement.started, [run.id]);
  await memory.leaveMember({ id: first });
  await clock.advanceMs(20_000);
  assert.deepEqual(placement.killed, [run.id]);
  assert.notEqual(node.memberId, first);
  assert.deepEqual(placement.started, [run.id, run.id]);
  assert.equal((await services.runs.row(run.id)).claimedBy, node.memberId);
  const stopped = node.stop({ graceMs: 0 });
  await clock.advanceMs(60_000);
  await stopped;
});
