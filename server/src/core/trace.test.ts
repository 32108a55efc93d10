// Faults to catch: an id that depends on the node or on the hour; two spans of one run with one id; a child that names another
// span than its parent's; ids that change from release to release, which would cut traces of runs that are under way.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { activationSpanId, activationTraceparent, runSpanId, spanIdAbove, stepSpanId, traceIdOf } from "./trace.ts";

const digest = (text: string) => hash("sha256", text, "hex");
const root = { id: "run-1", rootId: "run-1", parentId: null, trace: null, generation: 1, epoch: 1 };
const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("the ids of spans follow from the ids of runs and stay what they are", () => {
  assert.equal(traceIdOf(root, digest), "2a004512174e563eedafd9a8f3856656");
  assert.equal(activationTraceparent(root, true, digest), "00-2a004512174e563eedafd9a8f3856656-d03dc06b8b507781-01");
});

test("a child lies below its parent's span in the trace of its root, its caller's where there is one", () => {
  const child = { ...root, id: "run-2", parentId: "run-1" };
  assert.equal(traceIdOf(child, digest), traceIdOf(root, digest));
  assert.equal(spanIdAbove(child, digest), runSpanId("run-1", digest));
  assert.equal(spanIdAbove(root, digest), undefined);
  assert.equal(spanIdAbove({ ...root, trace: caller }, digest), "b7ad6b7169203331");
  assert.equal(traceIdOf({ ...child, trace: caller }, digest), "0af7651916cd43dd8448eb211c80319c");
});

test("every activation and step of a run has a span of its own", () => {
  const activations = [root, { ...root, epoch: 2 }, { ...root, generation: 2 }, { ...root, id: "run-2" }];
  const ids = activations.flatMap((run) => [
    activationSpanId(run, digest),
    stepSpanId(run, "a", digest),
    stepSpanId(run, "b", digest),
  ]);
  assert.equal(new Set([...ids, runSpanId(root.id, digest)]).size, ids.length + 1);
});
