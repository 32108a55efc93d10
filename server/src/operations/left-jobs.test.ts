// Faults to catch: what is submitted in place of a job gives its service the one-time address of that one, which works no more; a sweep leaves
// the job of a generation that is over since its run lives again (P5).
import assert from "node:assert/strict";
import { test } from "node:test";
import { replaced } from "../engine/endless.fixture.ts";
import { TrackingWorld } from "../engine/tracking/world.fixture.ts";
import { serve } from "../main.ts";
import { successorFacts } from "./job-successor.ts";

test("what is submitted in place of a job has a token and a one-time address of its own", async () => {
  const world = await TrackingWorld.open();
  const row = await world.job(await world.openJob({ service: "blind", callbackHash: "h" }));
  const spec = { submit: { body: { done: `https://h/v1/callbacks/${row.id}/secret`, name: "n" } } };
  const { id, token, number, callbackHash, spec: next } = successorFacts({ ...row, spec }, "incarnation");
  assert.deepEqual([number, callbackHash], [2, "h"]);
  assert.ok(id !== row.id && token !== row.token);
  assert.deepEqual(next, { submit: { body: { done: `https://h/v1/callbacks/${id}/secret`, name: "n" } } });
  world.close();
});

test("a sweep gives up the job of a generation that is over, though its run lives again", async () => {
  const world = await TrackingWorld.open();
  await world.startNode();
  const id = await world.openJob();
  const here = serve(world.store, { clock: world.clock, namespace: "shop" });
  assert.deepEqual((await here.externalJobs.sweep({ preview: true })).jobs, [], "its run waits for it");
  const store = replaced(world.store, {
    findRun: async (args) => {
      const run = await world.store.findRun(args);
      return run && { ...run, generation: run.generation + 1 };
    },
  });
  const cleared = serve(store, { clock: world.clock, namespace: "shop" });
  const { jobs } = await cleared.externalJobs.sweep({});
  assert.deepEqual(
    jobs.map((job) => [job.id, job.status]),
    [[id, "lost"]],
  );
  world.close();
});
