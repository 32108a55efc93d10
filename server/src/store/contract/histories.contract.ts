import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, test } from "node:test";
import { isAppError, type TopicEvent } from "@holdfast/protocol";
import type { ObligationRow } from "../../core/index.ts";
import { openMemoryStore } from "../memory/memory-store.ts";
import type { Store } from "../store.ts";
import { Chance } from "./chance.contract.ts";
import { CallSource, type HistoryTimes, type StoreCall } from "./history-calls.contract.ts";
import { stateOf } from "./history-state.contract.ts";
import { type ContractHarness, type ContractSubject, hourMs, namespace, plain, until } from "./world.contract.ts";

export interface HistoryOptions {
  /** How many histories; one more is drawn at random. */
  readonly histories: number;
  /** How many calls each has. */
  readonly calls: number;
}

/**
 * Plays random histories of calls on a store and on the memory store side by side: every answer and everything that is there
 * at the end must be equal. The seed stands in the test's name; HOLDFAST_SEED plays one history alone.
 */
export function storeHistories(name: string, subject: ContractSubject, { histories, calls }: HistoryOptions): void {
  const chosen = process.env.HOLDFAST_SEED;
  const drawn = [...Array.from({ length: histories }, (_, index) => index + 1), randomInt(2 ** 31)];
  const seeds = chosen === undefined ? drawn : [Number(chosen)];
  describe(`histories on ${name} and on the memory store`, () => {
    for (const seed of seeds) {
      test(`a history of ${calls} calls answers alike (HOLDFAST_SEED=${seed})`, async () => {
        const harness = await subject.open(seed);
        try {
          await play(harness, subject, seed, calls);
        } finally {
          await harness.close();
        }
      });
    }
  });
}

async function play(harness: ContractHarness, subject: ContractSubject, seed: number, calls: number): Promise<void> {
  const { store } = harness;
  const chance = new Chance(seed);
  let now = (await store.describe()).now;
  const model = openMemoryStore({ clock: { now: () => now } });
  const source = new CallSource(chance, model, timesOf(subject));
  const normal = subject.clock === "held" ? plain : withoutTimes;
  const say = async (call: StoreCall, place: string) => {
    const [expected, actual] = [await answer(model, call), await answer(store, call)];
    assert.deepEqual(
      normal(promised(call, actual)),
      normal(promised(call, expected)),
      `${place}: ${JSON.stringify(call)}`,
    );
  };
  for (let index = 0; index < calls; index++) {
    now = await tick(harness, chance, now);
    await say(await source.draw(now), `seed ${seed}, call ${index}`);
    if (!chance.happens(0.02)) continue;
    await sequenceAll([model, store]);
    now = await tick(harness, chance, now);
    const args = { runsMs: chance.pick([0, hourMs]), logsMs: chance.pick([0, hourMs]), limitRows: 5_000 };
    await say({ verb: "prune", args }, `seed ${seed}, after call ${index}`);
  }
  await sequenceAll([model, store]);
  const [expected, actual] = [await contents(model, model), await contents(store, model)];
  for (const [what, there] of Object.entries(expected)) {
    assert.deepEqual(normal(actual[what]), normal(there), `seed ${seed}, at the end: ${what}`);
  }
}

/** What is due at once is due on both stores by the next call; what is not due then stays so for the whole history. */
function timesOf({ clock, timedLeases }: ContractSubject): HistoryTimes {
  const leasesMs = clock === "held" ? ([1, 60_000, hourMs] as const) : ([1, 24 * hourMs, 24 * hourMs] as const);
  return {
    startsMs: clock === "held" ? [1, 1_000, 60_000, hourMs] : [0, hourMs],
    delaysMs: clock === "held" ? [0, 1, 1_000, 60_000, hourMs] : [0, 0, 1, hourMs],
    retentionsMs: clock === "held" ? [1, 1_000, 60_000, hourMs] : [1, hourMs],
    leasesMs: timedLeases ? [...leasesMs] : [1_000 * hourMs],
    limits: true,
    fair: clock === "held",
    pauses: true,
    jobs: true,
  };
}

/** Lets time go on, on both stores alike, and answers the new moment. */
async function tick(harness: ContractHarness, chance: Chance, now: number): Promise<number> {
  const ms = chance.pick([2, 2, 2, 5, 1_000, 70_000]);
  if (harness.advance !== undefined) {
    await harness.advance(ms);
    return now + ms;
  }
  let seen = (await harness.store.describe()).now;
  const start = seen;
  await until(async () => {
    seen = (await harness.store.describe()).now;
    return seen >= start + 2;
  });
  return Math.max(seen, now + 2);
}

/** What a call answers, or the code with which it is refused. */
export async function answer(store: Store, { verb, args }: StoreCall): Promise<unknown> {
  try {
    const method = store[verb] as (this: Store, args: object) => Promise<unknown>;
    return { answered: plain([await method.call(store, args)]) };
  } catch (error) {
    if (isAppError(error)) return { refused: error.code };
    throw error;
  }
}

/** An answer as far as it is promised: in one order where the order is nobody's promise. */
export function promised({ verb }: StoreCall, value: unknown): unknown {
  // A store with one writer may put events in their log in the very commit that makes them: nothing is left to move.
  if (verb === "sequenceEvents") return "moved";
  // What a cursor says is its store's own affair.
  if (verb === "listRuns" || verb === "listJobs")
    return JSON.parse(JSON.stringify(value).replace(/"cursor":"[^"]*"/, '"cursor":"a place"'));
  if (
    verb !== "judgeMembers" &&
    verb !== "findAsset" &&
    verb !== "sweepState" &&
    verb !== "listClaimed" &&
    verb !== "listOwed" &&
    verb !== "findRunIds"
  )
    return value;
  const text = (item: unknown) => JSON.stringify(item);
  const sort = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(sort).sort((a, b) => (text(a) < text(b) ? -1 : 1));
    if (typeof item !== "object" || item === null) return item;
    return Object.fromEntries(Object.entries(item).map(([name, part]) => [name, sort(part)]));
  };
  return sort(value);
}

const timeNames = new Set(
  [
    "createdAt",
    "updatedAt",
    "startedAt",
    "endedAt",
    "claimedAt",
    "wakeAt",
    "expiresAt",
    "expiresFrom",
    "at",
    "joinedAt",
    "leaseUntil",
  ].concat(
    ...["calledAt", "lookedAt", "nextLookAt", "cancelAskedAt"],
    ...["nextInMs", "lastAt", "since", "now", "declaredAt", "until", "dueAt", "openedAt"],
    ...["orderedAt", "forcedAt", "lastTryAt", "metAt", "pausedAt", "resumedAt", "rank"],
  ),
);

function count(list: unknown): unknown {
  return Array.isArray(list) ? list.length : list;
}

/** The value with each time replaced by whether there is one: clocks of two stores do not agree to the millisecond. */
function withoutTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTimes);
  if (typeof value !== "object" || value === null) return value;
  const parts = Object.entries(value).map(([name, part]) => [
    name,
    timeNames.has(name) && typeof part === "number" ? "a time" : withoutTimes(name === "starts" ? count(part) : part),
  ]);
  return Object.fromEntries(parts);
}

async function sequenceAll(stores: readonly Store[]): Promise<void> {
  for (const store of stores) {
    await until(async () => {
      const { moved, more } = await store.sequenceEvents({ limitRows: 5_000 });
      return moved === 0 && !more;
    });
  }
}

/** Everything that a store holds; the runs to look at are the model's. */
async function contents(store: Store, model: Store): Promise<Record<string, unknown>> {
  const all = { namespace, rootsOnly: false, limitRows: 5_000 };
  const runs = (await model.listRuns(all)).runs;
  const histories: unknown[] = [];
  for (const { id, generation } of runs) {
    const { lines } = await store.listLogs({ runId: id, limitRows: 1_000 });
    const events = await store.listEvents({ runId: id, after: 0, limitRows: 1_000 });
    histories.push({ id, events, lines, steps: await store.listSteps({ runId: id, generation }) });
  }
  const topic = await store.listTopic({ namespace, after: 0, limitRows: 100_000 });
  const members = [...(await store.listMembers({ namespace }))].sort((a, b) => (a.id < b.id ? -1 : 1));
  const roots = [...new Set(runs.map(({ rootId }) => rootId))];
  const trees = await Promise.all(
    roots.map((rootId) => store.listObligations({ namespace, rootId, limitRows: 1_000 })),
  );
  const obligations = trees.map((rows) => rows.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1)));
  const { jobs } = await model.listJobs({ namespace, limitRows: 5_000 });
  const known = await Promise.all(jobs.map(({ id }) => store.findJob({ id })));
  return {
    runs: (await store.listRuns(all)).runs,
    jobs: known,
    obligations,
    members,
    histories,
    state: await stateOf(
      store,
      runs.map(({ id }) => id),
    ),
    topic: byRun(topic.events),
  };
}

function placeOf({ runId, kind, subject }: ObligationRow): string {
  return JSON.stringify([runId, kind, subject]);
}

/** Events of one commit may stand in any order between runs, but not within one. */
function byRun(events: readonly TopicEvent[]): [string, unknown[]][] {
  const runs = new Map<string, unknown[]>();
  for (const { position: _, ...event } of events) runs.set(event.runId, [...(runs.get(event.runId) ?? []), event]);
  return [...runs].sort(([a], [b]) => (a < b ? -1 : 1));
}
