import assert from "node:assert/strict";
import type { TopicEvent } from "@holdfast/protocol";
import type { Chance } from "../contract/chance.contract.ts";
import { type CallShares, CallSource, type HistoryTimes, type StoreCall } from "../contract/history-calls.contract.ts";
import { dayMs, hourMs, namespace, until } from "../contract/world.contract.ts";
import type { Store } from "../store.ts";
import { breachesOf, contentsOf } from "./contents.fixture.ts";
import type { TestDatabase } from "./database.fixture.ts";
import type { Lanes, Witnessed } from "./lanes.fixture.ts";
import {
  explain,
  type Moment,
  ordersOf,
  promisedBeside,
  promisedContents,
  replay,
  SerialModel,
} from "./serial-model.fixture.ts";

// One history: rounds of calls that run side by side. Time stands still in a round and goes on between rounds.

const startAt = 1_800_000_000_000;
const renewedMs = 60_000;

/** Renewals at each step of time leave no gap, so that a member may judge those who keep silent. */
const times: HistoryTimes = {
  startsMs: [1, 1_000, 60_000, hourMs],
  delaysMs: [0, 0, 1, 1_000, 20_000, hourMs],
  leasesMs: [1_000, renewedMs, renewedMs],
  retentionsMs: [1, 60_000],
  limits: false,
  fair: false,
  pauses: true,
  jobs: true,
};

/** More of what takes several statements, or meets those that do. */
const beside: CallShares = {
  ...{ again: 40, join: 5, control: 14, jobs: 30, enqueue: 9, claim: 16, finish: 20, expand: 16 },
  ...{ steps: 6, logs: 3, order: 8, presence: 14, due: 5, read: 3 },
};

const aboutJobs: CallShares = { ...beside, join: 0, control: 3, jobs: 90 };

export interface HistoryParts {
  readonly seed: number;
  readonly chance: Chance;
  readonly database: TestDatabase;
  readonly lanes: Lanes;
  /** A store that stops nowhere, for reading topics. */
  readonly reader: Store;
}

export class InterleavedHistory {
  readonly #parts: HistoryParts;
  readonly #source: CallSource;
  readonly #past: Moment[] = [];
  readonly #silent = new Map<string, boolean>();
  /** By run: the numbers that a reader of the topic saw. */
  readonly #read = new Map<string, number[]>();
  #position = 0;
  #now = startAt;
  #model = new SerialModel();
  calls = 0;
  /** True once calls beside each other were inserted in another order than they can be explained in. */
  isOutOfTurn = false;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
    const model = {
      listRuns: (args: Parameters<Store["listRuns"]>[0]) => this.#model.store.listRuns(args),
      findRun: (args: Parameters<Store["findRun"]>[0]) => this.#model.store.findRun(args),
      findSchedule: (args: Parameters<Store["findSchedule"]>[0]) => this.#model.store.findSchedule(args),
      listJobs: (args: Parameters<Store["listJobs"]>[0]) => this.#model.store.listJobs(args),
      findJob: (args: Parameters<Store["findJob"]>[0]) => this.#model.store.findJob(args),
      dueConsumers: (args: Parameters<Store["dueConsumers"]>[0]) => this.#model.store.dueConsumers(args),
    };
    this.#source = new CallSource(parts.chance, model, times);
  }

  /** So many calls alone, to have something to contend for, then rounds of several. */
  async play({ alone, rounds }: { alone: number; rounds: number }): Promise<void> {
    const { chance, database } = this.#parts;
    await database.holdClock(this.#now);
    for (let round = 0; round < alone + rounds && !this.isOutOfTurn; round++) {
      await this.#tick();
      await this.#round(round, await this.#draw(round < alone ? 1 : chance.pick([2, 2, 3, 3, 4])));
      if (!chance.happens(0.03)) continue;
      await this.#readAll();
      await this.#prune();
    }
    await this.#readAll();
    for (const [id, numbers] of this.#read) {
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => index + 1),
        `P10 what the topic says of ${id}`,
      );
    }
    const { histories } = await contentsOf(database.sql);
    for (const { id, events } of histories) assert.equal(this.#read.get(id)?.length, events.length, `P10 all of ${id}`);
  }

  /** Calls that know nothing of each other; now and then one is repeated, as by a caller who lost the answer. */
  async #draw(count: number): Promise<StoreCall[]> {
    const { chance } = this.#parts;
    if (count === 1) return [await this.#source.draw(this.#now)];
    const calls: StoreCall[] = [];
    // Jobs are few beside runs: whoever concerns himself with them meets others who do.
    const shares = chance.happens(0.4) ? aboutJobs : beside;
    while (calls.length < count) calls.push(calls[chance.below(8)] ?? (await this.#source.draw(this.#now, shares)));
    return calls;
  }

  /** Prunes, with nothing beside: it keeps readers waiting, and how many statements it takes depends on the days there are. */
  async #prune(): Promise<void> {
    const { chance, lanes } = this.#parts;
    // Whether a line that is past its retention can be repeated is nobody's promise: lines stay as long as their run.
    const args = { runsMs: chance.pick([0, hourMs]), logsMs: dayMs, limitRows: 5_000 };
    const said = await lanes.store.prune(args);
    const moment: Moment = {
      at: this.#now,
      work: { call: { verb: "prune", args }, answer: null, passedOver: new Set() },
    };
    assert.deepEqual(await this.#model.play(moment), { answered: [said] });
    this.#past.push(moment);
  }

  async #round(round: number, calls: readonly StoreCall[]): Promise<void> {
    const { seed, chance, lanes, database } = this.#parts;
    const stay = chance.pick([0, 0.5, 0.9]);
    this.calls += calls.length;
    const works = await lanes.run(calls, {
      pick: (count, last) => (last !== undefined && chance.happens(stay) ? last : chance.below(count)),
      look: async () => {
        if (chance.happens(0.1)) await this.#readTopic();
      },
    });
    const left = promisedContents(await contentsOf(database.sql));
    const place = `HOLDFAST_SEED=${seed}, round ${round}`;
    const explanation = await explain({ past: this.#past, at: this.#now, works, left });
    if (explanation === undefined) await this.#complain(place, works, left);
    else {
      this.#past.push(...explanation.order.map((work): Moment => ({ at: this.#now, work })));
      this.#model = explanation.model;
      this.isOutOfTurn = explanation.isOutOfTurn;
    }
    assert.deepEqual(await breachesOf(database.sql), [], place);
  }

  /** Throws, with what differs from the order in which the calls ended. */
  async #complain(place: string, works: readonly Witnessed[], left: unknown): Promise<void> {
    const [order = []] = ordersOf(works);
    const model = await replay(this.#past);
    const tale = [
      `${place}: no order of these calls explains what they answered and left:`,
      ...order.map(
        ({ call, answer, firstStep, lastStep }) =>
          `  ${call.verb} (${firstStep}–${lastStep}) ${JSON.stringify(call.args)} said ${JSON.stringify(answer)}`,
      ),
      `  by ${this.#parts.lanes.trace.join(", ")}`,
    ].join("\n");
    for (const work of order) {
      const said = await model.play({ at: this.#now, work });
      assert.deepEqual(
        promisedBeside(work.call, work.answer),
        promisedBeside(work.call, said),
        `${tale}\n  in the order of their ends ${work.call.verb} says something else`,
      );
    }
    assert.deepEqual(left, model.contents(), `${tale}\n  in the order of their ends something else is left`);
    assert.fail(tale);
  }

  async #tick(): Promise<void> {
    const { chance, database, lanes } = this.#parts;
    const ms = chance.pick([0, 0, 1, 1_000, 20_000]);
    if (ms === 0) return;
    this.#now += ms;
    await database.holdClock(this.#now);
    for (const { id, endedAt } of await this.#model.store.listMembers({ namespace })) {
      if (endedAt !== null) continue;
      const isSilent = this.#silent.get(id) ?? chance.happens(0.4);
      this.#silent.set(id, isSilent);
      if (isSilent) continue;
      const call: StoreCall = { verb: "renewMember", args: { id, leaseMs: renewedMs } };
      const moment: Moment = { at: this.#now, work: { call, answer: null, passedOver: new Set() } };
      await lanes.store.renewMember({ id, leaseMs: renewedMs });
      await this.#model.play(moment);
      this.#past.push(moment);
    }
  }

  async #readTopic(): Promise<number> {
    const { events } = await this.#parts.reader.listTopic({ namespace, after: this.#position, limitRows: 1_000 });
    for (const { position, runId, number } of events satisfies TopicEvent[]) {
      assert.equal(position, this.#position + 1, "P10 positions have no holes");
      this.#position = position;
      this.#read.set(runId, [...(this.#read.get(runId) ?? []), number]);
    }
    return events.length;
  }

  async #readAll(): Promise<void> {
    await until(async () => {
      const { moved } = await this.#parts.reader.sequenceEvents({ limitRows: 5_000 });
      return moved === 0;
    });
    await until(async () => (await this.#readTopic()) === 0);
  }
}
