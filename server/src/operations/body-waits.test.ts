// Faults to catch: a store that is away for a moment fails a body that only reads, or that starts a run of its own; a start that is said
// again makes a second run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, defaultRetry } from "@holdfast/protocol";
import { replaced } from "../engine/endless.fixture.ts";
import { serve } from "../main.ts";
import { systemRandom } from "../random.ts";
import { claimJobs, jobOf, note, said, waitingFor } from "../store/contract/jobs.fixture.ts";
import { namespace, next, World } from "../store/contract/world.contract.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import type { Store } from "../store/store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { BodyWaits } from "./body-waits.ts";
import { Completion } from "./completion.ts";
import { taskSpec } from "./manifest.fixture.ts";

/** A store of which these verbs do their work, and whose first answer never arrives; then they answer. */
function losing(store: Store, verbs: readonly ("findRun" | "findJob" | "enqueueRuns")[]): Store {
  const lost = new Set<string>();
  const replacements = verbs.map((verb) => {
    const call = async (args: never) => {
      const answer = await (store[verb] as (given: never) => Promise<unknown>)(args);
      if (lost.has(verb)) return answer;
      lost.add(verb);
      throw new AppError("store_unavailable", "It is away.");
    };
    return [verb, call] as const;
  });
  return replaced(store, Object.fromEntries(replacements));
}

test("while the store is away, a body that reads or that starts a run waits, and the run is there once", async () => {
  const clock = new VirtualClock();
  const memory = openMemoryStore({ clock });
  const world = new World({ store: memory, close: async () => {} });
  const store = losing(memory, ["findRun", "findJob", "enqueueRuns"]);
  const { definitions, concurrency, runs } = serve(store, { clock, namespace });
  await definitions.apply([{ format: 1, root: "unit", definitions: { unit: taskSpec }, assets: {} }]);
  const completion = new Completion({
    store,
    clock,
    random: systemRandom,
  });
  const waits = new BodyWaits({ store, definitions, concurrency, completion, runs, clock });
  const hold = (run: Awaited<ReturnType<World["running"]>>) => ({
    ...{ run, retry: defaultRetry, ranMs: 5, revoked: new AbortController().signal, isToldToEnd: false },
  });
  const { parent, ids } = await world.workflow([{ name: "a" }]);
  await world.finish(await world.activate(ids.a ?? ""), next.success(7));
  const { run, jobs } = await waitingFor(world, ["scan"]);
  const member = await world.member();
  const [job] = await claimJobs(world, member);
  assert.equal(job?.id, jobs[0]?.id);
  await note(world, await jobOf(world, job?.id), said.succeeded);
  const asked = [
    waits.output(hold(parent), ids.a ?? ""),
    waits.result(hold(run), job?.id ?? ""),
    waits.start(hold(await world.running()), { key: "begin", definition: "unit", input: {} }),
  ] as const;
  await clock.advanceMs(60_000);
  const [output, result, started] = await Promise.all(asked);
  assert.deepEqual([output, result], [7, { rows: 3 }]);
  const { runs: found } = await memory.listRuns({ namespace, definition: "unit", rootsOnly: true, limitRows: 10 });
  assert.deepEqual(found.map(({ id }) => id), [started]); // biome-ignore format: one line
});
