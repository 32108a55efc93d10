import { EventEmitter, once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { answer } from "../contract/histories.contract.ts";
import type { StoreCall } from "../contract/history-calls.contract.ts";
import type { Store } from "../store.ts";
import type { TestDatabase } from "./database.fixture.ts";

// Calls that run side by side, each on connections of its own, one statement at a time: before every named statement a call
// stands at a gate until it is let go on. The next one is let go on only when all others stand still, at a gate or waiting for
// a lock that such a one holds. So whoever picks decides every order that the server does not decide by itself, and nothing
// depends on how long anything takes.

/** A call, what came of it, and what the server held at the moments that matter. Steps count the statements let go on. */
export interface Witnessed {
  readonly call: StoreCall;
  /** As `answer` of the histories says it. */
  answer: unknown;
  firstStep: number;
  lastStep: number;
  /** Runs, or members for a judge, that others held when the call looked for rows that nobody holds. */
  passedOver: Set<string>;
}

const claims: readonly string[] = ["claimRuns", "claimRunsOfQueues"];

/** Statements that pass over jobs which somebody holds. */
const givers: readonly string[] = ["claimJobs", "giveJobsBack"];

/** Statements that decide nothing by when they come. */
const ungated: readonly string[] = ["begin", "rollback"];

class Lane {
  readonly name: string;
  readonly #changed: () => void;
  store: Store | undefined;
  work: Witnessed | undefined;
  isGated = false;
  /** The statement that stands at the gate. */
  waiting: { readonly statement: string; readonly open: () => void } | undefined;
  /** The one let go on last. */
  statement = "";
  inFlight = 0;

  constructor(name: string, changed: () => void) {
    this.name = name;
    this.#changed = changed;
  }

  /** At the gate, with everything answered that it had sent. */
  get isHeld(): boolean {
    return this.waiting !== undefined && this.inFlight === 0;
  }

  readonly beforeStatement = async (statement: string): Promise<void> => {
    if (this.isGated && !ungated.includes(statement)) {
      await new Promise<void>((open) => {
        this.waiting = { statement, open };
        this.#changed();
      });
      this.waiting = undefined;
      this.statement = statement;
    } else {
      this.inFlight += 1;
    }
  };

  readonly afterStatement = (): void => {
    this.inFlight -= 1;
    this.#changed();
  };

  letGo(): void {
    // Counted at once, so that the lane does not seem to stand still before the statement has left.
    this.inFlight += 1;
    this.waiting?.open();
  }
}

export interface Interleaving {
  /** One of the statements that stand at a gate, by its place. `last`: the place of the lane let go on before, if it is there. */
  readonly pick: (count: number, last: number | undefined) => number;
  /** Awaited at each step, while everything stands still. */
  readonly look: () => Promise<void>;
}

/** How often each statement stood at its gate while another call went on, and how often a call waited for a lock. */
export interface LaneCounts {
  readonly overtaken: Map<string, number>;
  readonly waits: Map<string, number>;
}

export class Lanes {
  readonly counts: LaneCounts = { overtaken: new Map(), waits: new Map() };
  readonly #database: TestDatabase;
  readonly #lanes: Lane[] = [];
  readonly #events = new EventEmitter();
  #version = 0;
  #step = 0;
  /** Of the calls under way: what was let go on when, for whoever has to understand a failure. */
  trace: string[] = [];

  private constructor(database: TestDatabase) {
    this.#database = database;
  }

  static async open(database: TestDatabase, count: number): Promise<Lanes> {
    const lanes = new Lanes(database);
    for (let index = 1; index <= count; index++) {
      const lane = new Lane(`lane ${index}`, () => lanes.#change());
      const { name, beforeStatement, afterStatement } = lane;
      // A held lane may wait for as long as it takes.
      const patience = { maxSessions: 1, answerMs: Number.POSITIVE_INFINITY, swallowRings: true };
      lane.store = await database.open({ ...patience, applicationName: name, beforeStatement, afterStatement });
      lanes.#lanes.push(lane);
    }
    return lanes;
  }

  /** Of the first lane, for calls that nobody else runs beside. */
  get store(): Store {
    return this.#lanes[0]?.store as Store;
  }

  /** Runs calls side by side, one a lane, until all have been answered. */
  async run(calls: readonly StoreCall[], { pick, look }: Interleaving): Promise<Witnessed[]> {
    this.trace = [];
    const works = calls.map((call): Witnessed => {
      return { call, answer: undefined, firstStep: 0, lastStep: 0, passedOver: new Set() };
    });
    const done = works.map((work, index) => this.#start(work, this.#lanes[index]));
    let last: Lane | undefined;
    try {
      for (this.#step = 0; ; ) {
        await this.#standStill();
        const held = this.#lanes.filter((lane) => lane.isHeld);
        if (held.length === 0) break;
        const place = last === undefined ? -1 : held.indexOf(last);
        last = held[pick(held.length, place === -1 ? undefined : place)];
        if (last?.waiting === undefined) throw new Error("nobody was picked");
        this.#step += 1;
        if (last.work?.firstStep === 0) last.work.firstStep = this.#step;
        for (const lane of held) if (lane !== last) count(this.counts.overtaken, lane.waiting?.statement);
        await this.#witness(last);
        await look();
        this.trace.push(`${last.name} ${last.waiting.statement}`);
        last.letGo();
      }
    } finally {
      for (const lane of this.#lanes) {
        lane.isGated = false;
        if (lane.waiting !== undefined) lane.letGo();
      }
      await Promise.allSettled(done);
    }
    await Promise.all(done);
    return works;
  }

  async #start(work: Witnessed, lane: Lane | undefined): Promise<void> {
    if (lane?.store === undefined) throw new Error("more calls than lanes");
    lane.work = work;
    lane.isGated = true;
    try {
      work.answer = await answer(lane.store, work.call);
    } finally {
      work.lastStep = this.#step;
      lane.work = undefined;
      lane.isGated = false;
      this.#change();
    }
  }

  #change(): void {
    this.#version += 1;
    this.#events.emit("changed");
  }

  /** Resolves once every lane is done, at its gate, or waits for one that is. */
  async #standStill(): Promise<void> {
    for (;;) {
      const version = this.#version;
      await nextTurn();
      const moving = this.#lanes.filter((lane) => lane.work !== undefined && !lane.isHeld);
      if (moving.length === 0 && version === this.#version) return;
      if (moving.some((lane) => lane.inFlight === 0)) {
        // Between two statements; it reports its next one, or its end.
        if (version === this.#version) await once(this.#events, "changed");
        continue;
      }
      if (moving.length === 0) continue;
      const stuck = await this.#stuck();
      if (version !== this.#version || !moving.every((lane) => stuck.has(lane.name))) continue;
      for (const lane of moving) await this.#waits(lane);
      return;
    }
  }

  /** Names of the lanes that wait for a lock of a lane at its gate, or for one that does. */
  async #stuck(): Promise<Set<string>> {
    const rows = await this.#database.sql<{ name: string; holders: string | null }[]>`
      select a.application_name as name,
        (select string_agg(b.application_name, ',') from pg_stat_activity b where b.pid = any(p.pids)) as holders
      from pg_stat_activity a cross join lateral (select pg_blocking_pids(a.pid) as pids) p
      where a.datname = current_database() and a.wait_event_type = 'Lock' and cardinality(p.pids) > 0`;
    const laneOf = (name: string) => name.replace(/ leases$/, "");
    const stuck = new Set<string>();
    const still = new Set(this.#lanes.filter((lane) => lane.isHeld).map((lane) => lane.name));
    for (let before = -1; before !== still.size; ) {
      before = still.size;
      for (const { name, holders } of rows) {
        if (!(holders ?? "").split(",").some((holder) => still.has(laneOf(holder)))) continue;
        stuck.add(laneOf(name));
        still.add(laneOf(name));
      }
    }
    return stuck;
  }

  /** A call waits for a lock: that is as it should be, but never a claim for a run. It may for its member, and for who pauses. */
  async #waits({ name, statement, work }: Lane): Promise<void> {
    count(this.counts.waits, statement);
    if (work === undefined || !claims.includes(statement)) return;
    const { memberId = "" } = work.call.args as { memberId?: string };
    const isForRun = !(await this.#waitsForPausing(name)) && !(await this.#held("members")).includes(memberId);
    if (isForRun) throw new Error(`${statement} waits for a run`);
    for (const id of await this.#held("runs")) work.passedOver.add(id);
  }

  async #waitsForPausing(lane: string): Promise<boolean> {
    const waiting = await this.#database.sql`
      select from pg_stat_activity a where a.datname = current_database() and a.application_name = ${lane}
        and a.wait_event_type = 'Lock' and a.wait_event = 'advisory'`;
    return waiting.length > 0;
  }

  /** Notes what a statement that is about to go on will find. */
  async #witness({ work, waiting }: Lane): Promise<void> {
    if (work === undefined) return;
    const statement = waiting?.statement ?? "";
    if (claims.includes(statement) || statement === "wakeDue") work.passedOver = new Set(await this.#held("runs"));
    if (statement === "endLapsed") work.passedOver = new Set(await this.#held("members"));
    if (!givers.includes(statement)) return;
    for (const id of await this.#held("external_jobs")) work.passedOver.add(id);
  }

  /** Ids of rows that somebody holds against an update. */
  async #held(table: "runs" | "members" | "external_jobs"): Promise<string[]> {
    const rows = await this.#database.sql.unsafe<{ id: string }[]>(`
      with free as materialized (select id from holdfast.${table} for update skip locked)
      select id from holdfast.${table} where id not in (select id from free)`);
    return rows.map(({ id }) => id);
  }
}

function count(counts: Map<string, number>, name = ""): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
