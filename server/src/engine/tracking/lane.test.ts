// Faults to catch: one hung server that delays the jobs of another, of the same connection or not; many servers that hang and leave no call for
// those that answer; many jobs of one group that keep the others waiting, or submissions that keep looks from being made; a service that
// is down and is called as if it were not, or is not called again when it is back; a call beyond the limit (Q1–Q4); jobs that hang and hold
// what else their server is asked until they are given up, once or each time, or whose failures close a line that answers others (Q5).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Random } from "../../random.ts";
import { untilQuiet, VirtualClock } from "../../testing/virtual-clock.ts";
import { DueHeap } from "./due-heap.ts";
import { type CallOutcome, Lane, type LaneItem, Line } from "./lane.ts";

interface Item extends LaneItem {
  readonly name: string;
}

const item = (line: string, group: string, name = group): Item => {
  return { ...{ line, group, name, dueMs: 0, place: -1 }, isAsked: false, isDropped: false, isSick: false };
};
const steady: Random = { fraction: () => 1, bytes: (count) => new Uint8Array(count) };
const answered: CallOutcome = { reached: true };

/** A lane whose calls are answered when the test says so. */
class LaneWorld {
  readonly clock = new VirtualClock();
  readonly heap = new DueHeap<Item | Line<Item>>();
  readonly under = new Map<string, (outcome: CallOutcome) => void>();
  readonly made: string[] = [];
  readonly lane: Lane<Item>;
  isHalted = false;

  constructor(limitCalls = 4, lineCalls = 2, batchRows = 10) {
    const begin = (what: string, items: readonly Item[]) => {
      this.made.push(what);
      return new Promise<CallOutcome>((resolve) => {
        this.under.set(what, (outcome) => {
          for (const one of items) one.isAsked = false;
          this.under.delete(what);
          resolve(outcome);
        });
      });
    };
    this.lane = new Lane<Item>({
      ...{ clock: this.clock, random: steady, heap: this.heap, limitCalls, lineCalls, batchRows },
      isHalted: () => this.isHalted,
      look: (items) => begin(`look ${items.map(({ name }) => name).join("+")}`, items),
      act: (one) => begin(`act ${one.name}`, [one]),
    });
  }

  async answer(what: string, outcome: CallOutcome = answered): Promise<void> {
    this.under.get(what)?.(outcome);
    await untilQuiet();
  }

  async answerAll(outcome: CallOutcome = answered): Promise<void> {
    for (const what of [...this.under.keys()]) await this.answer(what, outcome);
  }

  /** Time passes, and lines that were closed are asked again. */
  async pass(ms: number): Promise<void> {
    await this.clock.advanceMs(ms);
    for (let due = this.heap.take(this.clock.monotonicMs()); due !== undefined; ) {
      if (due instanceof Line) due.lane.open(due);
      due = this.heap.take(this.clock.monotonicMs());
    }
    this.lane.pump();
    await untilQuiet();
  }
}

test("no more calls are made than a lane may make, and a line has its part of them", async () => {
  const world = new LaneWorld();
  for (const line of ["a", "b", "c"]) for (let n = 0; n < 5; n++) world.lane.askLook(item(line, `${line}${n}`));
  world.lane.pump();
  assert.deepEqual([...world.under.keys()].toSorted(), ["look a0", "look a1", "look b0", "look c0"].toSorted());
  await world.answerAll();
  assert.equal(world.lane.calls, 4);
});

test("a hung server delays no other of its connection", async () => {
  const world = new LaneWorld();
  for (let n = 0; n < 50; n++) world.lane.askLook(item("hung", `h${n}`));
  world.lane.pump();
  for (let n = 0; n < 20; n++) {
    world.lane.askLook(item("well", `w${n}`));
    world.lane.pump();
    await world.answer(`look w${n}`);
  }
  assert.equal(world.made.filter((what) => what.startsWith("look w")).length, 20);
  assert.equal(world.made.filter((what) => what.startsWith("look h")).length, 2);
});

test("however many servers are down, half of the calls is left for those that answer", async () => {
  const world = new LaneWorld(4, 4);
  const down = Array.from({ length: 20 }, (_, n) => `down${n}`);
  for (const line of down) for (let n = 0; n < 20; n++) world.lane.askLook(item(line, `${line}-${n}`));
  // Every server fails until its line is closed.
  while (world.lane.closed < down.length) {
    world.lane.pump();
    await world.answerAll({ reached: false });
    await world.pass(1_000);
  }
  await world.answerAll({ reached: false });
  // Now they hang.
  await world.pass(120_000);
  assert.equal(world.lane.calls, 2);
  for (let n = 0; n < 10; n++) {
    world.lane.askLook(item("well", `w${n}`));
    world.lane.pump();
    await world.answer(`look w${n}`);
  }
  assert.equal(world.made.filter((what) => what.startsWith("look w")).length, 10);
});

test("items of a group go in one call, at most so many, and groups take turns", async () => {
  const world = new LaneWorld(1, 1, 3);
  for (let n = 0; n < 7; n++) world.lane.askLook(item("", "big", `b${n}`));
  world.lane.askLook(item("", "small"));
  world.lane.pump();
  for (let n = 0; n < 3; n++) await world.answerAll();
  assert.deepEqual(world.made, ["look b0+b1+b2", "look small", "look b3+b4+b5", "look b6"]);
});

test("orders go first, and every fourth turn is a look's", async () => {
  const world = new LaneWorld(1, 1);
  for (let n = 0; n < 6; n++) world.lane.askAct(item("", "x", `s${n}`));
  for (let n = 0; n < 2; n++) world.lane.askLook(item("", `l${n}`));
  world.lane.pump();
  for (let n = 0; n < 7; n++) await world.answerAll();
  const order = world.made.map((what) => what.slice(0, 1) + what.slice(-1));
  assert.deepEqual(order, ["a0", "a1", "a2", "l0", "a3", "a4", "a5", "l1"]);
});

test("a server that fails again and again is asked by one call at a time, ever more seldom, and by all when it answers", async () => {
  const world = new LaneWorld();
  for (let n = 0; n < 40; n++) world.lane.askLook(item("", `g${n}`));
  world.lane.pump();
  await world.answerAll({ reached: false });
  await world.answerAll({ reached: false });
  assert.equal(world.lane.closed, 1);
  const before = world.made.length;
  for (let passed = 0; passed < 600_000; passed += 500) {
    await world.answerAll({ reached: false });
    await world.pass(500);
    assert.ok(world.lane.calls <= 1);
  }
  const probes = world.made.length - before;
  assert.ok(probes >= 10 && probes <= 20, `${probes} calls in ten minutes`);
  await world.pass(60_000);
  await world.answerAll();
  assert.deepEqual([world.lane.closed, world.lane.calls], [0, 2]);
});

test("a server that asks to be left alone is, whatever else it answers", async () => {
  const world = new LaneWorld();
  for (let n = 0; n < 9; n++) world.lane.askLook(item("", `g${n}`));
  world.lane.pump();
  await world.answer("look g0", { reached: true, waitMs: 30_000 });
  await world.answer("look g1");
  await world.pass(29_000);
  assert.equal(world.made.length, 2);
  await world.pass(1_000);
  assert.equal(world.made.length, 4);
});

test("what was dropped is not called about, and what is asked for is not asked for twice", async () => {
  const world = new LaneWorld(1, 1);
  const [one, two] = [item("", "one"), item("", "two")];
  world.lane.askLook(one);
  world.lane.askLook(two);
  world.lane.pump();
  world.lane.askLook(one);
  two.isDropped = true;
  await world.answer("look one");
  assert.deepEqual([world.made, world.lane.calls], [["look one"], 0]);
});

test("a halted lane begins nothing, and goes on when it may", async () => {
  const world = new LaneWorld();
  world.isHalted = true;
  world.lane.askLook(item("", "one"));
  world.lane.pump();
  assert.equal(world.lane.calls, 0);
  world.isHalted = false;
  world.lane.pump();
  assert.equal(world.lane.calls, 1);
});

test("a sick job closes no line by itself, and those that are sick let the line be opened by another", async () => {
  const world = new LaneWorld(12, 12);
  const failed: CallOutcome = { reached: false };
  const jobs = new Map(["slow", "sick", "ill", "ailing", "well"].map((name) => [name, item("a", name)]));
  const look = async (...names: string[]) => {
    for (const name of names) world.lane.askLook(jobs.get(name) ?? item("a", name));
    world.lane.pump();
    await untilQuiet();
  };
  // As long as something is under way, the line is remembered.
  await look("slow");
  for (let n = 0; n < 5; n++) {
    await look("sick");
    await world.answer("look sick", failed);
  }
  assert.equal(world.lane.closed, 0, "one that fails again and again counts once");
  await look("ill", "ailing");
  await world.answer("look ill", failed);
  await world.answer("look ailing", failed);
  assert.equal(world.lane.closed, 1);
  await world.answer("look slow", failed);
  await look("sick", "ill", "ailing", "well");
  assert.deepEqual([...world.under.keys()], []);
  await world.pass(4_000);
  assert.deepEqual([...world.under.keys()], ["look well"], "the one that did not fail says how the server is");
  await world.answer("look well");
  assert.equal(world.lane.closed, 0);
  assert.deepEqual([...world.under.keys()].toSorted(), ["look ailing", "look ill", "look sick"]);
});

test("orders that fail, each another, close a line, and the next one that did not fail opens it", async () => {
  const world = new LaneWorld(4, 4);
  const orders = ["x", "y", "z"].map((name) => item("a", "g", name));
  for (const one of orders) world.lane.askAct(one);
  world.lane.pump();
  for (const { name } of orders) await world.answer(`act ${name}`, { reached: false });
  assert.equal(world.lane.closed, 1);
  for (const one of [...orders, item("a", "g", "new")]) world.lane.askAct(one);
  world.lane.pump();
  await world.pass(2_000);
  assert.deepEqual([...world.under.keys()], ["act new"]);
});

test("ten jobs that hang hold their server's other calls for a moment, and once", async () => {
  const world = new LaneWorld(32, 8);
  const hung = Array.from({ length: 10 }, (_, n) => item("a", `hung${n}`));
  for (const one of hung) world.lane.askLook(one);
  world.lane.pump();
  world.lane.askLook(item("a", "well"));
  world.lane.askAct(item("a", "x", "new"));
  await world.pass(1_900);
  assert.equal(world.under.size, 8, "those that are quick have their time");
  await world.pass(100);
  assert.ok(world.under.has("look well") && world.under.has("act new"));
  await world.answer("look well");
  await world.answer("act new");
  await world.pass(28_000);
  await world.answerAll({ reached: false });
  assert.equal(world.lane.closed, 0, "what was asked before the last answer says less than that");
  for (const one of hung) world.lane.askLook(one);
  world.lane.askLook(item("a", "well"));
  world.lane.askAct(item("a", "x", "newer"));
  world.lane.pump();
  assert.deepEqual([...world.under.keys()].toSorted(), ["act newer", "look hung0", "look hung1", "look well"]);
});

test("calls that hang leave their places to others up to a quarter of the lane's calls, and never exceed them", async () => {
  const world = new LaneWorld(8, 4);
  for (const line of ["a", "b"]) for (let n = 0; n < 9; n++) world.lane.askLook(item(line, `${line}${n}`));
  world.lane.pump();
  await world.pass(60_000);
  assert.equal(world.lane.calls, 8);
  const lone = new LaneWorld(8, 4);
  for (let n = 0; n < 9; n++) lone.lane.askLook(item("a", `a${n}`));
  lone.lane.pump();
  await lone.pass(2_000);
  await lone.pass(2_000);
  assert.equal(lone.lane.calls, 6);
  await lone.answer("look a0");
  assert.equal(lone.lane.calls, 6, "the place that it had left is to be had once more");
});

test("those that failed last have their turn beside ever so many that did not", async () => {
  const world = new LaneWorld(1, 1);
  world.lane.askLook({ ...item("a", "sick"), isSick: true });
  for (let n = 0; n < 20; n++) world.lane.askLook(item("a", `well${n}`));
  world.lane.pump();
  for (let n = 0; n < 8; n++) await world.answerAll();
  assert.ok(world.made.includes("look sick"));
});
