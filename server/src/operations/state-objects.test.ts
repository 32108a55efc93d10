// Large values of state between the store and its backend. Faults to catch: a row that names what is not there, whoever was frozen, killed
// or late at whatever moment, and however the sweeps fell; an object that nobody names and that stays; a value that is not the one that was
// written, or was made on another; an absence of the backend that passes for an absent value; a large value that is taken where none can be.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError, limits, type StateOp } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import { StateBook, type StateTransaction } from "../core/index.ts";
import type { Random } from "../random.ts";
import { memoryStateBackend } from "../state-backends/memory-backend.ts";
import type { StateBackend } from "../state-backends/state-backend.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import type { Store } from "../store/store.ts";
import { StateObjects } from "./state-objects.ts";

const namespace = "n";
const scope = { kind: "task", id: "load" } as const;
const at = { namespace, scope };
const large = (text: string) => text.repeat(2_000);

/** Time that stands: nothing here waits for it. */
const clock: Clock = {
  now: () => 1_000,
  monotonicMs: () => 0,
  sleep: (_, signal) => new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true })),
};

/** Numbers that follow from a seed. */
function chanceOf(seed: number): Random & { below(count: number): number } {
  let state = seed * 2_654_435_769 + 1;
  const next = () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 3_266_489_917) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
  return {
    fraction: next,
    bytes: (count) => Uint8Array.from({ length: count }, () => next() * 256),
    below: (count) => Math.floor(next() * count),
  };
}

interface Parts {
  readonly store: Store;
  readonly backend: StateBackend;
  readonly random: Random;
}

function objectsOn({ store, backend, random }: Parts, inlineBytes = 1_000): StateObjects {
  return new StateObjects({ store, clock, random, options: { backend, inlineBytes, graceMs: 0 } });
}

function world(seed = 1) {
  const parts = { store: openMemoryStore({ clock }), backend: memoryStateBackend(), random: chanceOf(seed) };
  const objects = objectsOn(parts);
  const send = async (row: StateTransaction) => (await parts.store.transactState({ rows: [row] }))[0];
  const change = (...ops: StateOp[]) => objects.transact({ namespace, ops, writer: null }, send);
  const read = async (key: string) => {
    const reading = await objects.read({ ...at, keys: [key] });
    return reading?.outcome === "read" ? reading.values[0]?.value : undefined;
  };
  const names = async () => (await parts.backend.list((await parts.store.describe()).incarnation)).names;
  return { ...parts, objects, send, change, read, names };
}

const set = (key: string, value: string | readonly string[], more = {}): StateOp => ({
  op: "set",
  scope,
  key,
  value: value as string,
  ...more,
});
const append = (key: string, value: string): StateOp => ({ op: "append", scope, key, value });

test("a large value lies with the backend and comes back whole; a small one stays in its row", async () => {
  const { change, read, names, store } = world();
  await change(set("large", large("a")), set("small", "b"));
  assert.equal(await read("large"), large("a"));
  assert.equal(await read("small"), "b");
  assert.equal((await names()).length, 1);
  const [reading] = await store.readState({ rows: [{ ...at, keys: ["large", "small"] }] });
  assert.ok(reading?.outcome === "read");
  assert.deepEqual(
    reading.values.map(({ value, object }) => [value, object?.bytes]),
    [
      [null, 2_002],
      ["b", undefined],
    ],
  );
});

test("the same write said again is the same object, and another value, key or scope is another", async () => {
  const { change, names } = world();
  await change(set("k", large("a")));
  const first = await names();
  await change(set("k", large("a")));
  assert.deepEqual(await names(), first);
  await change(set("k", large("b")), set("l", large("a")), {
    ...set("k", large("a")),
    scope: { kind: "task", id: "other" },
  });
  assert.equal(new Set((await names()).map((name) => name.split(".")[0])).size, 4);
});

test("a delete takes the row first and its object later; a failure in between is mended by the next sweep", async () => {
  const { change, read, names, objects, store, backend, random } = world();
  await change(set("k", large("a")));
  await change({ op: "delete", scope, key: "k" });
  assert.deepEqual([await read("k"), (await names()).length], [undefined, 1]);
  const away = objectsOn({ store, backend: { ...backend, delete: () => Promise.reject(new Error("away")) }, random });
  await assert.rejects(away.sweep({ limitRows: 10 }), (error) => isAppError(error, "store_unavailable"));
  assert.equal((await names()).length, 1);
  assert.deepEqual(await objects.sweep({ limitRows: 10, dryRun: true }), { swept: 1, bytes: 2_002, more: false });
  assert.deepEqual(await objects.sweep({ limitRows: 10 }), { swept: 1, bytes: 2_002, more: false });
  assert.deepEqual(await names(), []);
});

test("what an op makes becomes an object when it is large, and a small value again comes home", async () => {
  const { change, read, names, objects } = world();
  assert.deepEqual(await change(set("l", ["a"])), { outcome: "applied", results: [{ version: 1 }] });
  for (const [index, text] of ["b", "c"].entries()) {
    const done = await change(append("l", large(text)));
    assert.deepEqual(done, { outcome: "applied", results: [{ version: index + 2, length: index + 2 }] });
  }
  assert.deepEqual(await read("l"), ["a", large("b"), large("c")]);
  await change(set("l", ["x"]), append("l", large("d")), append("l", "e"));
  assert.deepEqual(await read("l"), ["x", large("d"), "e"]);
  assert.deepEqual((await change({ op: "increment", scope, key: "l", by: 1 }))?.outcome, "mismatch");
  await change(set("t", large("m")));
  const kept = await change({ op: "setIfMax", scope, key: "t", value: "a" });
  assert.deepEqual(kept, { outcome: "applied", results: [{ version: 1, value: large("m"), changed: false }] });
  await change(set("l", "small"), { op: "delete", scope, key: "t" });
  await objects.sweep({ limitRows: 100 });
  assert.deepEqual(await names(), []);
});

test("appends of many at once to a large list lose nothing", async () => {
  const { change, read } = world();
  await change(set("l", [large("a")]));
  await Promise.all(Array.from({ length: 8 }, (_, n) => change(append("l", `${n}`))));
  const list = (await read("l")) as unknown as string[];
  assert.deepEqual(list.slice(1).sort(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
});

test("conflicts are the store's to find, and what was put for nothing is swept", async () => {
  const { change, read, names, objects } = world();
  await change(set("k", large("a")));
  assert.deepEqual(await change(set("k", large("b"), { ifVersion: 7 })), { outcome: "conflict", index: 0, version: 1 });
  assert.equal(await read("k"), large("a"));
  await objects.sweep({ limitRows: 10 });
  assert.equal((await names()).length, 1);
});

test("a value over the limit is refused and nothing put; so is each large one where there is no backend", async () => {
  const { change, names, store, send, random } = world();
  const tooLarge = set("k", "x".repeat(limits.stateObjectBytes));
  const full = { outcome: "limit_exceeded", index: 0 };
  assert.deepEqual(await change(tooLarge), { ...full, limit: "stateObjectBytes" });
  assert.deepEqual(await names(), []);
  const without = new StateObjects({ store, clock, random, options: undefined });
  const refused = await without.transact(
    { namespace, ops: [set("k", "x".repeat(limits.stateValueBytes))], writer: null },
    send,
  );
  assert.deepEqual(refused, { ...full, limit: "stateValueBytes" });
});

test("without its backend, with another or with one that lost it a value is missing, never absent", async () => {
  const { change, store, backend, random, read, names } = world();
  await change(set("k", large("a")));
  const without = new StateObjects({ store, clock, random, options: undefined });
  const isMissing = (error: unknown) => isAppError(error, "object_missing");
  await assert.rejects(without.read({ ...at, keys: ["k"] }), isMissing);
  await assert.rejects(
    without.transact(
      { namespace, ops: [append("k", "b")], writer: null },
      async (row) => (await store.transactState({ rows: [row] }))[0],
    ),
    isMissing,
  );
  await assert.rejects(
    objectsOn({ store, backend: memoryStateBackend(), random }).read({ ...at, keys: ["k"] }),
    isMissing,
  );
  const away = objectsOn({ store, backend: { ...backend, get: () => Promise.reject(new Error("away")) }, random });
  await assert.rejects(away.read({ ...at, keys: ["k"] }), (error) => isAppError(error, "store_unavailable"));
  const [name = ""] = await names();
  await backend.put(name, new TextEncoder().encode('"another"'));
  await assert.rejects(read("k"), /is damaged/);
  await change(set("k", "mended"));
  assert.equal(await read("k"), "mended");
});

test("a text that cannot be kept is refused before it is put anywhere", async () => {
  const { change, names } = world();
  await assert.rejects(change(set("k", large("a\u0000"))), (error) => isAppError(error, "invalid_request"));
  assert.deepEqual(await names(), []);
});

test("a page has as many values as an answer carries, and the next one goes on", async () => {
  const { change, objects } = world();
  for (let n = 0; n < 6; n++) await change(set(`k${n}`, `${n}`.repeat(limits.stateObjectBytes - 2)));
  const first = await objects.list({ ...at, limitRows: 10 });
  assert.ok(first.outcome === "read");
  assert.deepEqual([first.values.map(({ key }) => key), first.more], [["k0", "k1", "k2", "k3"], true]);
  const next = await objects.list({ ...at, limitRows: 10, after: "k3" });
  assert.ok(next.outcome === "read");
  assert.deepEqual([next.values.length, next.more], [2, false]);
  await assert.rejects(objects.read({ ...at, keys: ["k0", "k1", "k2", "k3", "k4"] }), (error) =>
    isAppError(error, "limit_exceeded"),
  );
});

/** Somebody who is killed, frozen or late at any of its calls. */
class Calls {
  readonly #chance: ReturnType<typeof chanceOf>;
  readonly #waiting: { readonly who: number; readonly go: () => Promise<void> }[] = [];
  readonly #dead = new Set<number>();

  constructor(chance: ReturnType<typeof chanceOf>) {
    this.#chance = chance;
  }

  /** The same thing, each of whose calls waits until it is let go. */
  of<T extends object>(who: number, thing: T): T {
    return new Proxy(thing, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...given: unknown[]) =>
          new Promise((resolve, reject) => {
            const go = async () => {
              const done = (value as (...given: unknown[]) => Promise<unknown>).apply(target, given);
              // What the dead have begun may come about later, and nobody hears of it.
              await done.then((answer) => this.#dead.has(who) || resolve(answer), reject);
            };
            this.#waiting.push({ who, go });
          });
      },
    });
  }

  kill(who: number): void {
    this.#dead.add(who);
  }

  /** Lets one go; false: nobody waits. */
  async step(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    const [one] = this.#waiting.splice(this.#chance.below(this.#waiting.length), 1);
    await one?.go();
    return one !== undefined;
  }
}

interface Fault {
  readonly store?: (store: Store) => Partial<Store>;
  readonly random?: Random;
  readonly book?: (now: number) => StateBook;
}

/** Plays writers and sweepers beside each other, some of whom are killed; answers what is wrong, or undefined. */
async function play(seed: number, fault: Fault = {}): Promise<string | undefined> {
  const chance = chanceOf(seed);
  const plain = openMemoryStore({
    clock,
    ...(fault.book === undefined ? {} : { decisions: { newStateBook: fault.book } }),
  });
  const [store, place] = [
    Object.assign(Object.create(plain) as Store, bound(plain), fault.store?.(plain)),
    memoryStateBackend(),
  ];
  const folder = (await plain.describe()).incarnation;
  const calls = new Calls(chance);
  const ended: Promise<unknown>[] = [];
  const actor = (who: number, act: (objects: StateObjects, lent: Store) => Promise<unknown>) => {
    const lent = calls.of(who, store);
    const objects = objectsOn({ store: lent, backend: calls.of(who, place), random: fault.random ?? chance });
    ended.push(act(objects, lent).catch(() => undefined));
  };
  for (let who = 0; who < 4; who++) {
    actor(who, async (objects, lent) => {
      for (let n = 0; n < 4; n++) {
        const key = `k${chance.below(2)}`;
        const ops: StateOp[] = [
          chance.below(4) === 0 ? { op: "delete", scope, key } : set(key, large("ab".charAt(chance.below(2)))),
        ];
        await objects.transact(
          { namespace, ops, writer: null },
          async (row) => (await lent.transactState({ rows: [row] }))[0],
        );
      }
    });
  }
  for (let who = 4; who < 7; who++) {
    actor(who, async (objects) => {
      for (let n = 0; n < 5; n++) {
        await objects.sweep({ limitRows: 1 + chance.below(2) });
        await objects.sweepUnknown(undefined);
      }
    });
  }
  const dangling = async () => {
    const page = await plain.listState({ ...at, limitRows: 10 });
    const named = page.outcome === "read" ? page.values.flatMap(({ object }) => object?.name ?? []) : [];
    const there = new Set((await place.list(folder)).names);
    return { named, there, lost: named.filter((name) => !there.has(name)) };
  };
  while (await calls.step()) {
    const { lost } = await dangling();
    if (lost.length > 0) return `${lost.join()} is named and not there`;
    if (chance.below(40) === 0) calls.kill(chance.below(7));
  }
  const last = objectsOn({ store: plain, backend: place, random: chance });
  await last.sweep({ limitRows: 100 });
  await last.sweepUnknown(undefined);
  const { named, there } = await dangling();
  return [...there].sort().join() === [...new Set(named)].sort().join()
    ? undefined
    : "something is left that nobody names";
}

/** The verbs of a store, which is a class. */
function bound(store: Store): Partial<Store> {
  const verbs = [
    "transactState",
    "readState",
    "describe",
    "announceObjects",
    "condemnObjects",
    "forgetObjects",
    "knownObjects",
  ];
  return Object.fromEntries(verbs.map((verb) => [verb, (store[verb as "describe"] as () => unknown).bind(store)]));
}

const histories = Number(process.env.HOLDFAST_HISTORIES ?? 24) * 4;

test("whoever is killed, frozen or late, nothing that is named is missing, and nothing stays that is not", async () => {
  for (let seed = 1; seed <= histories; seed++) assert.equal(await play(seed), undefined, `seed ${seed}`);
});

/** Takes every object for announced. */
class Careless extends StateBook {
  override transact(row: StateTransaction) {
    this.load({ objects: row.offloaded?.objects.map(({ name }) => name) ?? [] });
    return super.transact(row);
  }
}

const faults: Readonly<Record<string, Fault>> = {
  "a commit that does not look whether its object is condemned": { book: (now) => new Careless(now) },
  "names that come again": { random: { fraction: () => 0, bytes: (count) => new Uint8Array(count) } },
  "a sweep that condemns nothing": {
    store: (store) => ({ condemnObjects: (args) => store.condemnObjects({ ...args, dryRun: true }) }),
  },
  "an announcement that takes what it has announced for put": {
    store: (store) => ({
      announceObjects: async (args) => (await store.announceObjects(args)).map((row) => ({ ...row, stands: true })),
    }),
  },
  "a sweep that knows of nothing that was announced": { store: () => ({ knownObjects: async () => [] }) },
};
for (const [fault, parts] of Object.entries(faults)) {
  test(`a history catches ${fault}`, async () => {
    for (let seed = 1; seed <= 400; seed++) if ((await play(seed, parts)) !== undefined) return;
    assert.fail("nothing was noticed");
  });
}
