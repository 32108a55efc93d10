// Faults to catch: a result that was said just before its process died is not waited for; what a body says after its time is over counts; a process that was told to end is given to another
// activation; a file that loops while it is loaded is waited for without end; what is started while the placement is frozen runs; a stopped process is sent what it cannot hear.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { VirtualClock } from "../../testing/virtual-clock.ts";
import { begin, bodiesRoot, carryOut, Recorder } from "../fixtures/recording.ts";
import { ProcessPlacement, type ProcessPlacementOptions } from "./process-placement.ts";

const never = 600_000;

/** Calls `body` with a placement in which nobody is ended by a grace that runs out. */
async function inPlacement(
  options: Partial<ProcessPlacementOptions>,
  body: (placement: ProcessPlacement) => Promise<void>,
): Promise<void> {
  const fixed = { projectRoot: bodiesRoot, concurrency: 2, spareChildren: 0 };
  const graces = { abortGraceMs: never, termGraceMs: never, idleMs: never };
  const placement = new ProcessPlacement({ ...fixed, ...graces, ...options });
  try {
    await body(placement);
  } finally {
    await placement.close();
  }
}

describe("an activation in a child process", { timeout: 60_000 }, () => {
  it("has timed out whatever its body says to that", () => {
    const clock = new VirtualClock();
    return inPlacement({ clock }, async (placement) => {
      const { recorder, ended } = begin(placement, { do: "obedient" }, { remainingMs: 1_000 });
      await recorder.hearsText("waiting");
      await clock.advanceMs(1_000);
      assert.deepEqual(await ended, { how: "timed_out", ranMs: 1_000 });
      assert.deepEqual(
        recorder.calls.map(({ method }) => method),
        ["log.write"],
      );
    });
  });

  it("is ended when its file does not come to the end of its loading, in words that name the file", () =>
    inPlacement({ loadMs: 50 }, async (placement) => {
      const { ended } = begin(placement, { do: "ok" }, { module: "never-loaded.ts" });
      const end = await ended;
      assert.ok(end.how === "exited" && !end.lost);
      assert.match(end.message, /^never-loaded\.ts has not come to the end of its loading within 0\.05 s\.$/);
      assert.match(end.hint ?? "", /Move it into the task/);
    }));

  it("that was told to end has its process to itself, also when its body obeyed", () =>
    inPlacement({}, async (placement) => {
      const { running, recorder, ended } = begin(placement, { do: "obedient" });
      await recorder.hearsText("waiting");
      running.abort("enough");
      assert.equal((await ended).how, "settled");
      const { pid } = recorder.loggedFields;
      while (existsSync(`/proc/${pid}`) && placement.processes.warm === 0) await pause(5);
      assert.equal(placement.processes.warm, 0);
    }));

  it("whose process dies before its success is acknowledged has succeeded once it is", () =>
    inPlacement({}, async (placement) => {
      const acknowledged = Promise.withResolvers<void>();
      const recorder = new Recorder((method) => (method === "run.succeed" ? acknowledged.promise : undefined));
      const { ended } = begin(placement, { do: "pidThenReturn" }, { recorder });
      await recorder.hears((heard) => "method" in heard && heard.method === "run.succeed");
      const { pid } = recorder.loggedFields;
      process.kill(pid, "SIGKILL");
      while (existsSync(`/proc/${pid}`)) await pause(5);
      // What follows its end has been seen to by then.
      await pause(0);
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      acknowledged.resolve();
      assert.equal((await ended).how, "settled");
    }));

  it("does not begin while the placement is frozen, and does when it is thawed", () => {
    const clock = new VirtualClock();
    return inPlacement({ clock }, async (placement) => {
      await carryOut(placement, { do: "ok" });
      while (placement.processes.warm === 0) await pause(5);
      placement.freezeAll();
      const { running, recorder, ended } = begin(placement, { do: "ok" });
      await clock.advanceMs(1_000);
      assert.deepEqual([running.ranMs, recorder.heard], [0, []]);
      placement.thawAll();
      assert.equal((await ended).how, "settled");
    });
  });

  it("that is stopped before it was told to end by TERM is killed", () =>
    inPlacement({ abortGraceMs: 50 }, async (placement) => {
      const { running, recorder, ended } = begin(placement, { do: "hang" });
      await recorder.hearsText("hanging");
      running.abort("enough");
      running.freeze();
      assert.equal((await ended).how, "aborted");
    }));
});
