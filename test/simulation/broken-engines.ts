import { AppError, type Tracking } from "@holdfast/protocol";
import {
  type ConsumerPlace,
  type JobNoteResult,
  Ledger,
  type LedgerChanges,
  type Links,
  type RunRow,
} from "../../server/src/core/index.ts";
import type { NotedLimit } from "../../server/src/store/memory/changes.ts";
import { SlotTable } from "../../server/src/store/memory/slots.ts";
import type { Store } from "../../server/src/store/store.ts";
import type { Breakage } from "./fleet.ts";

// Engines that break one promise each. The simulation has to catch every one of them: what it cannot catch, it does not prove.

/** Ends commit, what follows from them does not: the crash between two transactions, every time (P3). */
class LateLedger extends Ledger {
  override propagate(): string[] {
    return [];
  }
}

/** An edge is flipped twice, a counter that two have decremented (P3). */
class DoublingLedger extends Ledger {
  override link(ids: Iterable<string>, links: Links): void {
    super.link(ids, { ...links, edges: [...links.edges, ...links.edges] });
  }
}

/** An order forgets what it has not reached in its first step (P6). */
class ForgetfulLedger extends Ledger {
  override changes(): LedgerChanges {
    const changes = super.changes();
    return { ...changes, updated: changes.updated.map((row) => ({ ...row, spreading: false })) };
  }
}

/** A run that is ended by force takes along what its member owes (P6). */
class CarelessLedger extends Ledger {
  override changes(): LedgerChanges {
    const changes = super.changes();
    const met = changes.obligations.map(({ became, row }) =>
      became === "forced" ? { became: "met" as const, row: { ...row, metAt: row.forcedAt } } : { became, row },
    );
    return { ...changes, obligations: met };
  }
}

/** A run that is cut off ends at once, whatever it has to clean up (P6). */
class HastyLedger extends Ledger {
  readonly #cleansUp = new Map<string, boolean>();

  override load(rows: Iterable<RunRow>): void {
    const all = [...rows];
    for (const { id, cleansUp } of all) if (!this.#cleansUp.has(id)) this.#cleansUp.set(id, cleansUp);
    super.load(all.map((row) => ({ ...row, cleansUp: false })));
  }

  override changes(): LedgerChanges {
    const changes = super.changes();
    const updated = changes.updated.map((row) => ({ ...row, cleansUp: this.#cleansUp.get(row.id) ?? row.cleansUp }));
    return { ...changes, updated };
  }
}

/** What depended on an outcome is not set back when that is taken back (R2). */
class LooseLedger extends Ledger {
  override linkFlipped(ids: Iterable<string>, links: Links): void {
    super.linkFlipped(ids, { ...links, edges: [] });
  }
}

/** A run whose key is known only when it starts keeps what it held while it stands in line for it (L1). */
class LingeringLedger extends Ledger {
  override changes(): LedgerChanges {
    const changes = super.changes();
    return { ...changes, gates: changes.gates.map((change) => (change.arrives ? { ...change, frees: [] } : change)) };
  }
}

/** A wait ends and its run wakes, and nothing says how it ended (W1). */
class WordlessLedger extends Ledger {
  override changes(): LedgerChanges {
    const changes = super.changes();
    return { ...changes, waits: { ...changes.waits, records: [] } };
  }
}

/** The end of a called run does not reach the wait for it (W1). */
class DeafLedger extends Ledger {
  override link(ids: Iterable<string>, links: Links): void {
    super.link(ids, { ...links, waits: [] });
  }
}

/** The end of a run is ordered, and its jobs go on (P6). */
class JoblessLedger extends Ledger {
  override changes(): LedgerChanges {
    const changes = super.changes();
    return { ...changes, jobs: { ...changes.jobs, ordered: [] } };
  }
}

/** A service is called, and what was noted before is lost in the crash: whoever comes next knows of no call (P5). */
function withoutCalling(store: Store): Store {
  const said: JobNoteResult = { outcome: "noted", status: "submitting" };
  return {
    ...bound(store),
    noteJobs: async ({ rows }) => {
      const kept = rows.filter(({ news }) => news.is !== "calling");
      const results = kept.length === 0 ? [] : [...(await store.noteJobs({ rows: kept }))];
      return rows.map(({ news }) => (news.is === "calling" ? said : (results.shift() ?? said)));
    },
  };
}

/** The committed token is forgotten: each call has one of its own (P5). */
function withNewTokens(tracking: Tracking): Tracking {
  let calls = 0;
  return {
    ...tracking,
    submit: (asked) => {
      calls += 1;
      return tracking.submit(calls % 5 === 0 ? { ...asked, token: `${asked.token}.${calls}` } : asked);
    },
  };
}

/** What a listing shows is not looked at: what may have been submitted is submitted again (P5). */
function withoutListings(tracking: Tracking): Tracking {
  return { ...tracking, find: async () => null };
}

/** Whoever speaks of a job is believed, whose it ever is (P2). */
function withoutJobFence(store: Store): Store {
  return {
    ...bound(store),
    noteJobs: async ({ rows }) => {
      const now = rows.map(async (row) => {
        const epoch = (await store.findJob({ id: row.jobId }))?.epoch ?? 0;
        return "epoch" in row.by ? { ...row, by: { ...row.by, epoch } } : row;
      });
      return store.noteJobs({ rows: await Promise.all(now) });
    },
  };
}

/** Orders are not handed on: what their first step has not reached is never reached (P6). */
function withoutSpreading(store: Store): Store {
  return { ...bound(store), spreadOrders: async () => ({ reached: 0, more: false }) };
}

/** Whoever is told to end is taken to have ended (P6). */
function withHastyNotes(store: Store): Store {
  return {
    ...bound(store),
    noteObligations: ({ rows }) => store.noteObligations({ rows: rows.map((row) => ({ ...row, outcome: "met" })) }),
  };
}

/** What is noted of obligations is lost: they stay for ever (P6). */
function withoutNotes(store: Store): Store {
  return { ...bound(store), noteObligations: async () => ({ noted: 0 }) };
}

/** A limit is a number that goes up and down, and nobody knows who holds what (L1). */
class CounterTable extends SlotTable {
  readonly #counts = new Map<string, number>();
  readonly #most = new Map<string, number>();

  override resize(limit: NotedLimit): void {
    super.resize(limit);
    this.#most.set(limit.id, limit.slots);
  }

  override hasFree(limitId: string): boolean {
    return (this.#counts.get(limitId) ?? 0) < (this.#most.get(limitId) ?? 0);
  }

  override take(limitId: string): void {
    this.#counts.set(limitId, (this.#counts.get(limitId) ?? 0) + 1);
  }

  override free(limitId: string): void {
    this.#counts.set(limitId, Math.max(0, (this.#counts.get(limitId) ?? 0) - 1));
  }
}

/** A start holds its slot for as long as it works, and no longer (L2). */
class HastyTable extends SlotTable {
  override start(): void {}
}

/** The epoch that an activation names is not compared (P2). */
function withoutFence(store: Store): Store {
  const now = async (runId: string) => (await store.findRun({ id: runId }))?.epoch ?? 0;
  return {
    ...bound(store),
    finishActivations: async ({ rows }) => {
      const current = await Promise.all(rows.map(async (row) => ({ ...row, epoch: await now(row.runId) })));
      return store.finishActivations({ rows: current });
    },
    commitSteps: async ({ rows }) => {
      const current = await Promise.all(rows.map(async (row) => ({ ...row, epoch: await now(row.runId) })));
      return store.commitSteps({ rows: current });
    },
  };
}

/** A cancel is taken for done once it is asked for: the answer comes, the store never hears of it (P6). */
function withoutCancel(store: Store): Store {
  return {
    ...bound(store),
    orderEnd: async ({ runId }) => ({ requested: 1, status: (await store.findRun({ id: runId }))?.status ?? "ready" }),
  };
}

/** Events are handed to the topic as they are numbered, some of them before their neighbours: a cursor that loses commits (P10). */
function withLeakyTopic(store: Store): Store {
  return {
    ...bound(store),
    listTopic: async (args) => {
      const page = await store.listTopic(args);
      return {
        ...page,
        events: page.events.filter((event) => event.position % 17 !== 0 || event.type !== "run.started"),
      };
    },
  };
}

/** A schedule moves on in a commit of its own: the crash before the one that puts its runs in place, every seventh time (P3). */
function withLateRuns(store: Store): Store {
  let firings = 0;
  return {
    ...bound(store),
    fireSchedules: ({ rows }) => {
      firings += 1;
      return store.fireSchedules({ rows: firings % 7 === 0 ? rows.map((row) => ({ ...row, runs: [] })) : rows });
    },
  };
}

/** A firing does not compare the version that was seen: whoever comes second fires too (P1). */
function withoutVersions(store: Store): Store {
  return {
    ...bound(store),
    fireSchedules: async ({ rows }) => {
      const seen = rows.map(async (row) => ({ ...row, version: (await store.findSchedule(row))?.version ?? 0 }));
      return store.fireSchedules({ rows: await Promise.all(seen) });
    },
  };
}

/** A run is put in place in a commit of its own, before its events are taken: the crash between the two, every third time (P3). */
function withEarlyRuns(store: Store): Store {
  let takings = 0;
  return {
    ...bound(store),
    consumeEvents: async ({ rows }) => {
      await store.enqueueRuns({ rows: rows.map(({ run }) => run) });
      takings += 1;
      if (takings % 3 === 0) throw new AppError("store_unavailable", "It has crashed.");
      return store.consumeEvents({ rows });
    },
  };
}

/** Whoever takes events does not compare the version that was seen (P1). */
function withoutConsumerVersions(store: Store): Store {
  return {
    ...bound(store),
    consumeEvents: async ({ rows }) => {
      const seen = rows.map(async (row) => {
        const version = (await store.findConsumer(row))?.consumer.version ?? 0;
        return { ...row, version };
      });
      return store.consumeEvents({ rows: await Promise.all(seen) });
    },
  };
}

/** Places are read where they come late: every third time as they were a taking before (P1). */
function withOldPlaces(store: Store): Store {
  let [looks, old]: [number, readonly ConsumerPlace[]] = [0, []];
  return {
    ...bound(store),
    dueConsumers: async (args) => {
      const due = await store.dueConsumers(args);
      return due.map((each) => {
        looks += 1;
        const places = looks % 3 === 0 && old.length > 0 ? old : each.places;
        old = each.places;
        return {
          ...each,
          places: each.places.map((place, index) => ({ ...place, position: places[index]?.position ?? 0 })),
        };
      });
    },
  };
}

/** A mark is taken for done once it is asked for: the answer comes, the store never hears of it. */
function withoutMarks(store: Store): Store {
  const said = { outcome: "marked", status: "skipped", reset: [], reopened: [], jobs: 0 } as const;
  return {
    ...bound(store),
    markRuns: async ({ rows }) => rows.map(() => said),
    carryOutOnce: async (args) =>
      args.call.verb === "markRuns" ? { outcome: "done", answer: [said] } : store.carryOutOnce(args),
  };
}

/** What was asked for under a key is done whenever it is asked for. */
function withoutKeys(store: Store): Store {
  let calls = 0;
  return {
    ...bound(store),
    findAnswer: async () => undefined,
    carryOutOnce: ({ request, call }) => {
      calls += 1;
      return store.carryOutOnce({ request: { ...request, part: `${request.part}.${calls}` }, call });
    },
  };
}

function bound(store: Store): Store {
  return new Proxy(store, {
    ownKeys: () => methods(store),
    getOwnPropertyDescriptor: (_, name) => ({ configurable: true, enumerable: true, value: Reflect.get(store, name) }),
  });
}

function methods(store: Store): string[] {
  const names = new Set<string>();
  for (let at: object | null = store; at !== null && at !== Object.prototype; at = Reflect.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) if (name !== "constructor") names.add(name);
  }
  return [...names];
}

export const brokenEngines: Readonly<Record<string, Breakage>> = {
  "no fencing": { store: withoutFence },
  "release outside the transaction": { decisions: { newLedger: (now) => new LateLedger(now) } },
  "a counter that is decremented twice": { decisions: { newLedger: (now) => new DoublingLedger(now) } },
  "a counter instead of slot rows": { decisions: { newSlots: (runs) => new CounterTable(runs) } },
  "a run that keeps its slots in line": { decisions: { newLedger: (now) => new LingeringLedger(now) } },
  "a rate that ends with its activations": { decisions: { newSlots: (runs) => new HastyTable(runs) } },
  "judging right after an outage": {
    decisions: { mayJudge: (_, { renewedAt, leaseMs }, now) => now > renewedAt + leaseMs },
  },
  "success from the exit code": { successFromExit: true },
  "a cancel that is only promised": { store: withoutCancel },
  "a forced end that takes along what is owed": { decisions: { newLedger: (now) => new CarelessLedger(now) } },
  "a process that counts as ended once it is told": { store: withHastyNotes },
  "an obligation that nobody ever meets": { store: withoutNotes },
  "a run that ends without its clean-up": { decisions: { newLedger: (now) => new HastyLedger(now) } },
  "an order that forgets what it has not reached": { decisions: { newLedger: (now) => new ForgetfulLedger(now) } },
  "an order that is not handed on": { store: withoutSpreading },
  "a schedule that moves on without its runs": { store: withLateRuns },
  "a firing that compares no version": { store: withoutVersions },
  "a run that is there before its events are taken": { store: withEarlyRuns, tidings: true },
  "a taking that compares no version": { store: withoutConsumerVersions, tidings: true },
  "places of consumers that are read late": { store: withOldPlaces, tidings: true },
  "a restart that forgets what depends on it": { decisions: { newLedger: (now) => new LooseLedger(now) } },
  "a mark that is only promised": { store: withoutMarks },
  "a request that is carried out whenever it is asked for": { store: withoutKeys },
  "a wake without its record": { decisions: { newLedger: (now) => new WordlessLedger(now) } },
  "a called run whose end its caller is not told": { decisions: { newLedger: (now) => new DeafLedger(now) } },
  "an order that forgets jobs": { decisions: { newLedger: (now) => new JoblessLedger(now) } },
  "a call that is not noted before it is made": { store: withoutCalling },
  "a token that is made anew": { tracking: withNewTokens },
  "a submission that is repeated unseen": { tracking: withoutListings },
  "a note that compares no epoch": { store: withoutJobFence },
  "a topic that loses events": { reader: withLeakyTopic },
};
