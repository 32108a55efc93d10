// Faults to catch: time in which a process is frozen counts as time that it takes to say hello, or to load its file; the clock of
// an activation runs before it has started, since it was frozen and thawed.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { VirtualClock } from "../../testing/virtual-clock.ts";
import { begin, bodiesRoot } from "../fixtures/recording.ts";
import { ProcessPlacement } from "./process-placement.ts";

const rawChild = fileURLToPath(new URL("./fixtures/raw-child.ts", import.meta.url));
const silent = { command: process.execPath, args: [rawChild, "silent"] };
const fixed = { projectRoot: bodiesRoot, concurrency: 1, spareChildren: 0 };

describe("a frozen process", { timeout: 60_000 }, () => {
  it("is not ended for the hello that it cannot say", async () => {
    const placement = new ProcessPlacement({ ...fixed, helloMs: 20, command: silent });
    const { running, ended } = begin(placement, { say: [] });
    running.freeze();
    assert.equal(await Promise.race([ended, pause(200, "frozen")]), "frozen");
    running.thaw();
    assert.match(JSON.stringify(await ended), /did not say hello within 20 ms/);
    await placement.close();
  });

  it("is not ended for a file that it cannot load meanwhile", async () => {
    const placement = new ProcessPlacement({ ...fixed, loadMs: 300 });
    const { running, ended } = begin(placement, { do: "ok" }, { module: "never-loaded.ts" });
    while (running.ranMs === 0) await pause(1);
    running.freeze();
    assert.equal(await Promise.race([ended, pause(700, "frozen")]), "frozen");
    running.thaw();
    assert.match(JSON.stringify(await ended), /has not come to the end of its loading/);
    await placement.close();
  });

  it("that is thawed before it has started has not run", async () => {
    const clock = new VirtualClock();
    const placement = new ProcessPlacement({ ...fixed, clock, helloMs: 60_000, command: silent });
    const { running, ended } = begin(placement, { say: [] });
    running.freeze();
    running.thaw();
    await clock.advanceMs(1_000);
    assert.equal(running.ranMs, 0);
    running.kill();
    assert.equal((await ended).ranMs, 0);
    await placement.close();
  });
});
