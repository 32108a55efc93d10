// Faults to catch: what happened before a watch knew of a job is never told; a watch that fails is begun again at once, for ever; one that
// cannot be is tried again and again; a job that has ended keeps its watch; more connections than a service may be asked for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, type Observation, TrackingError } from "@holdfast/protocol";
import { z } from "zod";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { openConnections } from "./service.fixture.ts";
import type { Tracker, WatchedGroup } from "./tracker.ts";
import { Watches } from "./watches.ts";

interface Begun {
  readonly group: WatchedGroup<Json>;
  readonly signal: AbortSignal;
  readonly end: (error?: Error) => void;
}

/** A service whose watches the test itself carries out. */
class HeldService {
  readonly begun: Begun[] = [];
  readonly told: string[] = [];
  readonly clock = new VirtualClock();
  readonly watches: Watches;
  polls = 0;
  #waiting: () => void = () => undefined;

  constructor(groups: number) {
    const tracker: Tracker = {
      service: "held",
      settings: z.any(),
      ref: z.any(),
      describe: (ref) => ({ externalId: String(ref), links: [] }),
      poll: (refs) => {
        this.polls++;
        return Promise.resolve(refs.map(() => ({ observation: { phase: "succeeded", rawStatus: "polled" } })));
      },
      watchGroup: (ref) => String(ref).slice(0, 1),
      watchGroups: groups,
      watch: (group, { signal }) => {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        signal.addEventListener("abort", () => resolve());
        this.begun.push({ group, signal, end: (error) => (error === undefined ? resolve() : reject(error)) });
        this.#waiting();
        return promise;
      },
    };
    this.watches = new Watches({
      connections: openConnections({}, { trackers: [tracker] }),
      clock: this.clock,
      listener: {
        observed: (watch, ref, { phase }) => this.told.push(`${watch} ${String(ref)} ${phase}`),
        watched: (watch, refs, watched) => this.told.push(`${watch} ${refs.join(",")} ${watched ? "stands" : "lost"}`),
      },
    });
  }

  add(watch: number, ...refs: string[]): void {
    this.watches.add(watch, { service: "held", connection: null }, refs);
  }

  async begins(count: number): Promise<Begun> {
    while (this.begun.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.begun[count - 1] as Begun;
  }

  takeTold(): string[] {
    return this.told.splice(0);
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const at = (phase: Observation["phase"]): Observation => ({ phase, rawStatus: "x" });

test("a group is watched as one, and each of its watchers hears of its own jobs", async () => {
  const held = new HeldService(10);
  held.add(1, "a1", "a2");
  held.add(2, "a2");
  const { group } = await held.begins(1);
  assert.deepEqual(group.refs(), ["a1", "a2"]);
  group.standing();
  assert.deepEqual(held.takeTold(), ["1 a1,a2 stands", "2 a2 stands"]);
  group.tell("a2", at("running"));
  group.tell("foreign", at("running"));
  group.tell("a2", { phase: "dancing" } as never);
  assert.deepEqual(held.takeTold(), ["1 a2 running", "2 a2 running"]);
  assert.equal(held.begun.length, 1);
  held.watches.close();
});

test("a job that comes to a watch that stands already is looked at, for its end may have been passed over", async () => {
  const held = new HeldService(10);
  held.add(1, "a1");
  const { group } = await held.begins(1);
  group.standing();
  held.takeTold();
  held.add(1, "a2");
  await settled();
  assert.deepEqual(held.takeTold(), ["1 a2 stands", "1 a2 succeeded"]);
  assert.deepEqual([held.polls, group.refs()], [1, ["a1"]]);
  held.watches.close();
});

test("a watch ends with the last of its jobs, by its end or because nobody asks any more", async () => {
  const held = new HeldService(10);
  held.add(1, "a1", "a2");
  const first = await held.begins(1);
  first.group.tell("a1", at("failed"));
  assert.equal(first.signal.aborted, false);
  held.watches.remove(1, ["a2"]);
  assert.equal(first.signal.aborted, true);
  held.add(1, "a3");
  const second = await held.begins(2);
  assert.deepEqual(second.group.refs(), ["a3"]);
  second.group.tell("a3", at("gone"));
  assert.equal(second.signal.aborted, false, "gone wants to be confirmed");
  held.watches.remove(1);
  assert.equal(second.signal.aborted, true);
});

test("a watch that fails is begun again after growing pauses, and after as long as the service asks for", async () => {
  const held = new HeldService(10);
  held.add(1, "a1");
  const fault = (more: object = {}) => new TrackingError({ fault: "transient", code: "x", message: "x", ...more });
  const first = await held.begins(1);
  first.group.standing();
  first.end(fault());
  await settled();
  assert.deepEqual(held.takeTold(), ["1 a1 stands", "1 a1 lost"]);
  await held.clock.advanceMs(999);
  assert.equal(held.begun.length, 1);
  await held.clock.advanceMs(1);
  (await held.begins(2)).end(fault());
  await settled();
  await held.clock.advanceMs(1_999);
  assert.equal(held.begun.length, 2);
  await held.clock.advanceMs(1);
  (await held.begins(3)).end(fault({ retryAfterMs: 30_000 }));
  await settled();
  await held.clock.advanceMs(29_999);
  assert.equal(held.begun.length, 3);
  await held.clock.advanceMs(1);
  const fourth = await held.begins(4);
  // One that has stood for long begins again at once.
  await held.clock.advanceMs(60_000);
  fourth.end();
  await held.begins(5);
  held.watches.close();
});

test("what cannot be watched is left to the polls", async () => {
  const held = new HeldService(10);
  held.add(1, "a1");
  const { end, group } = await held.begins(1);
  end(new TrackingError({ fault: "permanent", code: "x", message: "x" }));
  await settled();
  await held.clock.advanceMs(3_600_000);
  assert.equal(held.begun.length, 1);
  group.tell("a1", at("running"));
  held.watches.close();
});

test("no more groups are watched at a time than the service may be asked for", async () => {
  const held = new HeldService(2);
  held.add(1, "a1", "b1", "c1");
  await held.begins(2);
  await settled();
  assert.equal(held.begun.length, 2);
  held.begun[0]?.group.tell("a1", at("succeeded"));
  const third = await held.begins(3);
  assert.deepEqual(third.group.refs(), ["c1"]);
  held.watches.close();
});
