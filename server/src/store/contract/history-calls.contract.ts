import { createHash } from "node:crypto";
import { type Json, triggerRules } from "@holdfast/protocol";
import {
  childId,
  childIdentity,
  type Expansion,
  type Limit,
  type NewRun,
  type Next,
  type RunRow,
  rootId,
} from "../../core/index.ts";
import type { EnqueueRow, Store, StoreVerb, Uniqueness } from "../store.ts";
import type { Chance } from "./chance.contract.ts";
import { controlCall } from "./history-control.contract.ts";
import { jobCall } from "./history-jobs.contract.ts";
import { scheduleCall } from "./history-schedules.contract.ts";
import { assetCall, stateCall } from "./history-state.contract.ts";
import { waitCall } from "./history-waits.contract.ts";
import { hourMs, namespace, next } from "./world.contract.ts";

// Random calls of a store's verbs. What is likely to mean something (a live epoch, a known key) is drawn often, what is
// stale, repeated or unknown now and then.

/** A call as it could travel in a message. */
export interface StoreCall {
  readonly verb: StoreVerb;
  readonly args: object;
}

/** Lengths of time that a history may use, milliseconds. */
export interface HistoryTimes {
  readonly delaysMs: readonly [number, ...number[]];
  /** Of starts, which are absolute: a store with a clock of its own may be past a close one before it hears of it. */
  readonly startsMs: readonly [number, ...number[]];
  readonly leasesMs: readonly [number, ...number[]];
  /** Of values of state. */
  readonly retentionsMs: readonly [number, ...number[]];
  /** Whether there are limits. Not where calls overlap: who is handed a slot is then no serial order's to say. */
  readonly limits: boolean;
  /** Whether there are fair lines. Not where what a claim takes out of them is handed on later than in its own commit. */
  readonly fair: boolean;
  readonly pauses: boolean;
  /** Whether bodies wait for external jobs; where calls overlap they have no moment at which they are over. */
  readonly jobs: boolean;
}

/**
 * How often calls of each kind are drawn; 100 in all. `join`, `control` and `jobs` come before them, of a hundred draws each. `again`: of a hundred times,
 * how often a call is about the member or run of the call before.
 */
export interface CallShares {
  readonly again: number;
  readonly join: number;
  readonly control: number;
  readonly jobs: number;
  readonly enqueue: number;
  readonly claim: number;
  readonly finish: number;
  readonly expand: number;
  readonly steps: number;
  readonly logs: number;
  readonly order: number;
  readonly presence: number;
  readonly due: number;
  readonly read: number;
}

const evenShares: CallShares = {
  ...{ again: 0, join: 4, control: 8, jobs: 20, enqueue: 16, claim: 18, finish: 26, expand: 12 },
  ...{ steps: 6, logs: 4, order: 4, presence: 3, due: 4, read: 7 },
};

type Model = Pick<Store, "listRuns" | "findRun" | "findSchedule" | "listJobs" | "findJob" | "dueConsumers">;

/** Draws the next call, looking at the model to know what would mean something. */
export class CallSource {
  readonly #chance: Chance;
  readonly #model: Model;
  readonly #times: HistoryTimes;
  readonly #members: string[] = [];
  readonly #expansions: Expansion[] = [];
  #ids: string[] = [];
  #live: string[] = [];
  #roots = new Map<string, string>();
  #again = 0;
  #lastMember: string | undefined;
  #lastLive: string | undefined;

  constructor(chance: Chance, model: Model, times: HistoryTimes) {
    this.#chance = chance;
    this.#model = model;
    this.#times = times;
  }

  async draw(now: number, shares = evenShares): Promise<StoreCall> {
    this.#again = shares.again / 100;
    const { runs } = await this.#model.listRuns({ namespace, rootsOnly: false, limitRows: 5_000 });
    this.#ids = runs.map(({ id }) => id).reverse();
    this.#roots = new Map(runs.map(({ id, rootId: root }) => [id, root]));
    this.#live = runs.filter(({ claimedBy }) => claimedBy !== null).map(({ id }) => id);
    if (this.#members.length === 0 || this.#chance.happens(shares.join / 100)) return this.#join();
    if (this.#chance.happens(shares.control / 100)) return this.#control();
    if (this.#chance.happens(0.08)) {
      return scheduleCall(this.#chance, this.#model, () => this.#run(this.#freshId(), now));
    }
    if (this.#times.limits && this.#chance.happens(0.1)) return this.#wait(runs);
    if (this.#times.limits && this.#chance.happens(0.12)) return this.#state(runs);
    if (this.#times.limits && this.#chance.happens(0.08)) return this.#asset(now);
    if (this.#times.jobs && this.#chance.happens(shares.jobs / 100)) return this.#job(runs);
    const draws: readonly [number, () => StoreCall | Promise<StoreCall>][] = [
      [shares.enqueue, () => this.#enqueue(now)],
      [shares.claim, () => this.#claim()],
      [shares.finish, () => this.#finish()],
      [shares.expand, () => this.#expand(runs)],
      [shares.steps, () => this.#steps()],
      [shares.logs, () => this.#logs(now)],
      [shares.order, () => this.#order()],
      [shares.presence, () => this.#presence()],
      [shares.due, () => this.#due()],
      [shares.read, () => this.#read()],
    ];
    let at = this.#chance.below(100);
    for (const [weight, draw] of draws) {
      if (at < weight) return draw();
      at -= weight;
    }
    return this.#claim();
  }

  async #control(): Promise<StoreCall> {
    const runId = this.#chance.happens(0.5) ? this.#id() : this.#liveId();
    return controlCall(this.#chance, {
      id: runId,
      epoch: await this.#epoch(runId),
      memberId: this.#member(),
      pauses: this.#times.pauses,
    });
  }

  #join(): StoreCall {
    const known = this.#members.length > 0 && this.#chance.happens(0.1);
    const id = known ? this.#member() : `member-${this.#members.length}`;
    if (!known) this.#members.push(id);
    const leaseMs = this.#chance.pick(this.#times.leasesMs);
    return { verb: "joinMember", args: { id, kind: "node", name: `Name of ${id}`, namespace, serves: null, leaseMs } };
  }

  #enqueue(now: number): StoreCall {
    const { pick } = this.#drawn();
    const rows = this.#chance.some(4, (): EnqueueRow => {
      const name = (prefix: string): Uniqueness => ({
        key: `${prefix}${this.#chance.below(6)}`,
        hash: pick(["h1", "h2"]),
        retentionMs: pick([1, hourMs]),
      });
      const known = this.#ids.length > 0 && this.#chance.happens(0.05);
      return {
        run: this.#run(known ? this.#id() : this.#freshId(), now),
        key: this.#chance.happens(0.25) ? name("key") : null,
        request: this.#chance.happens(0.15) ? name("request") : null,
        claimFor: this.#chance.happens(0.3) ? this.#member() : null,
        onlyIfCurrent: this.#chance.happens(0.1),
      };
    });
    return { verb: "enqueueRuns", args: { rows } };
  }

  #claim(): StoreCall {
    const queues = this.#chance.pick<string[] | null>([null, null, ["a"], ["b", "a"], []]);
    return {
      verb: "claimRuns",
      args: { memberId: this.#member(), namespace, queues, limitRows: 1 + this.#chance.below(5) },
    };
  }

  async #finish(): Promise<StoreCall> {
    const rows = [];
    for (const runId of this.#chance.some(4, () => this.#liveId())) {
      rows.push({ runId, epoch: await this.#epoch(runId), ranMs: this.#chance.below(100), next: this.#next() });
    }
    return { verb: "finishActivations", args: { rows } };
  }

  #wait(runs: readonly RunRow[]): StoreCall {
    const bodies = bodiesAmong(runs);
    const called = ({ id: parentId, rootId: root, depth }: RunRow, name: string): NewRun => {
      const { rootId: _, ...fields } = this.#run(this.#freshId(), 0);
      const place = { rootId: root, parentId, workflow: null, depth: depth + 1 };
      return { ...fields, ...place, name, startAfter: null, blockedBy: 0 };
    };
    return waitCall(this.#chance, { bodies, id: this.#id(), delaysMs: this.#times.delaysMs, called });
  }

  #state(runs: readonly RunRow[]): StoreCall {
    return stateCall(this.#chance, {
      bodies: bodiesAmong(runs),
      id: this.#id(),
      retentionsMs: this.#times.retentionsMs,
    });
  }

  #asset(now: number): Promise<StoreCall> {
    return assetCall(this.#chance, this.#model, (definition, manifestHash) => ({
      ...this.#run(this.#freshId(), now),
      ...{ definition, manifestHash, workflow: null, startAfter: null },
    }));
  }

  #job(runs: readonly RunRow[]): Promise<StoreCall> {
    const delaysMs = this.#times.limits ? this.#times.delaysMs : undefined;
    return jobCall(this.#chance, this.#model, { bodies: bodiesAmong(runs), memberId: this.#member(), delaysMs });
  }

  async #expand(runs: readonly RunRow[]): Promise<StoreCall> {
    const old = this.#expansions[this.#chance.below(this.#expansions.length)];
    if (old !== undefined && this.#chance.happens(0.1)) return { verb: "expandRuns", args: { rows: [old] } };
    const fit = bodiesAmong(runs);
    const rows: Expansion[] = [];
    const parent = fit[this.#chance.below(fit.length)];
    if (parent === undefined) return this.#finish();
    rows.push(this.#expansion(parent));
    this.#expansions.push(...rows);
    return { verb: "expandRuns", args: { rows } };
  }

  #expansion(parent: RunRow): Expansion {
    const names = Array.from({ length: 1 + this.#chance.below(5) }, (_, index) => `n${index}`);
    const idOf = (name: string) => {
      const identity = childIdentity(parent.id, parent.generation, name);
      return childId(parent.id, createHash("sha256").update(identity).digest());
    };
    const edges = names.flatMap((name, index) =>
      names
        .slice(0, index)
        .filter(() => this.#chance.happens(0.4))
        .map((upstream) => ({ upstream: idOf(upstream), downstream: idOf(name) })),
    );
    const children = names.map((name, index): NewRun => {
      const id = idOf(name);
      const { rootId: _, ...fields } = this.#run(id, 0);
      const blockedBy = edges.filter((edge) => edge.downstream === id).length;
      const place = {
        rootId: parent.rootId,
        parentId: parent.id,
        workflow: parent.definition,
        depth: parent.depth + 1,
      };
      return { ...fields, ...place, name, item: `${index}`, itemIndex: index, startAfter: null, blockedBy };
    });
    return { runId: parent.id, epoch: parent.epoch, ranMs: 3, input: { bound: parent.name }, children, edges };
  }

  async #steps(): Promise<StoreCall> {
    const rows = [];
    for (const runId of this.#chance.some(3, () => this.#liveId())) {
      const key = `step${this.#chance.below(4)}`;
      const generation = this.#chance.happens(0.95) ? 1 : 2;
      rows.push({ runId, epoch: await this.#epoch(runId), generation, key, value: this.#value() });
    }
    return { verb: "commitSteps", args: { rows } };
  }

  async #logs(at: number): Promise<StoreCall> {
    const rows = [];
    for (const runId of this.#chance.some(3, () => this.#liveId())) {
      const seq = 1 + this.#chance.below(5);
      rows.push({ runId, epoch: await this.#epoch(runId), seq, at, stream: "log", level: "info", text: `line ${seq}` });
    }
    return { verb: "appendLogs", args: { rows } };
  }

  #order(): StoreCall {
    const status = this.#chance.pick(["cancelled", "cancelled", "failed"]);
    const ending = { status, error: { code: status, message: "It was ordered." } };
    return {
      verb: "orderEnd",
      args: { runId: this.#id(), ending, data: { reason: "chance" }, limitRows: this.#few() },
    };
  }

  #presence(): StoreCall {
    const id = this.#member();
    const renewal = { id, leaseMs: this.#chance.pick(this.#times.leasesMs) };
    return this.#chance.pick<StoreCall>([
      { verb: "leaveMember", args: { id } },
      { verb: "renewMember", args: renewal },
      { verb: "judgeMembers", args: { by: id, limitRows: 1_000 } },
    ]);
  }

  #due(): StoreCall {
    const verb = this.#chance.pick<StoreVerb>([
      "wakeRuns",
      "expireRuns",
      "spreadOrders",
      "sequenceEvents",
      "sequenceEvents",
    ]);
    return { verb, args: { limitRows: verb === "spreadOrders" ? this.#few() : 1_000 } };
  }

  /** Mostly fewer rows than a tree has. */
  #few(): number {
    return this.#chance.happens(0.7) ? 1 + this.#chance.below(3) : 1_000;
  }

  #read(): StoreCall {
    const memberId = this.#member();
    const page = { limitRows: 1 + this.#chance.below(20) };
    const id = this.#id();
    return this.#chance.pick<StoreCall>([
      { verb: "listRuns", args: { namespace, rootsOnly: this.#chance.happens(0.5), ...page } },
      { verb: "listRuns", args: { namespace, rootsOnly: false, statuses: ["ready", "failed"], limitRows: 1_000 } },
      { verb: "listRuns", args: { namespace, rootsOnly: false, definition: "load", parentId: id, limitRows: 1_000 } },
      { verb: "listTree", args: { rootId: this.#roots.get(id) ?? id, ...page } },
      { verb: "findScopes", args: { rows: [{ parentId: id, names: ["n0", "n1", "n2"] }] } },
      { verb: "listChildOutputs", args: { parentId: id, afterIndex: this.#chance.below(4) - 1, ...page } },
      { verb: "listClaimed", args: { memberId, limitRows: 1_000 } },
      {
        verb: "findLimit",
        args: { id: this.#chance.pick(["key/1", "queue/a", "rate/a", "fair/1"]), limitRows: 1_000 },
      },
      { verb: "findRunIds", args: { namespace, prefix: id.slice(0, 5 + this.#chance.below(15)), limitRows: 1_000 } },
      { verb: "listEvents", args: { runId: id, after: this.#chance.below(4), ...page } },
    ]);
  }

  /** Few limits of few slots, so that there are lines at their gates. */
  #limits(): Limit[] {
    const { pick, likely } = this.#drawn();
    if (!this.#times.limits) return [];
    const others: Limit[] = [
      ...(likely(0.3) ? [{ id: pick(["key/1", "key/2"]), slots: 1, hold: "run" as const }] : []),
      ...(likely(0.3) ? [{ id: "queue/a", slots: 2, hold: "activation" as const }] : []),
      ...(likely(0.2)
        ? [{ id: "rate/a", slots: 2, hold: "activation" as const, perMs: pick([60_000, 3_600_000]) }]
        : []),
    ];
    if (!this.#times.fair || !likely(0.2)) return others;
    // A line whose keys take turns: its slots go back with the claim, and who comes out of it has its rank anew.
    const hold = others.some((limit) => limit.hold === "run") ? ("run" as const) : ("activation" as const);
    const line = { id: pick(["fair/1", "fair/2"]), slots: 2, hold, perMs: 0, ageingMs: 60_000 };
    const map = likely(0.2) ? [{ id: "map/1", slots: 1, hold: "run" as const }] : [];
    return [...map, map.length > 0 ? { ...line, hold: "run" } : line, ...others];
  }

  #run(id: string, now: number): NewRun {
    const { pick, likely } = this.#drawn();
    return {
      id,
      rootId: id,
      parentId: null,
      workflow: null,
      namespace,
      kind: pick(["task", "workflow", "map"]),
      definition: pick(["extract", "load"]),
      manifestHash: "5f2a",
      name: "root",
      item: null,
      itemIndex: null,
      key: null,
      depth: 0,
      queue: pick(["a", "b"]),
      priority: pick([0, 0, 0, 5, -5]),
      rule: pick(triggerRules),
      limits: this.#limits(),
      ...(likely(0.7) ? { input: this.#value() } : {}),
      startAfter: likely(0.15) ? now + pick(this.#times.startsMs) : null,
      expiresAfterMs: likely(0.15) ? pick(this.#times.delaysMs) : null,
      blockedBy: 0,
    };
  }

  #next(): Next {
    const delayMs = this.#chance.pick(this.#times.delaysMs);
    const success = next.success(this.#value());
    return this.#chance.pick<Next>([
      success,
      success,
      success,
      next.failure(),
      next.skip(),
      next.retry(delayMs),
      next.lost(),
      next.release(),
      ...(this.#times.limits ? [next.line(this.#limits())] : []),
    ]);
  }

  #value(): Json {
    return this.#chance.pick<Json>([null, 0, "", { a: [1, null] }, "Grüße \u{1F6A2}", [[]], false]);
  }

  #member(): string {
    if (this.#lastMember !== undefined && this.#isAgain()) return this.#lastMember;
    // The younger ones, since the older are mostly gone.
    const known = this.#members.at(-1 - this.#chance.below(Math.min(4, this.#members.length))) ?? "nobody";
    this.#lastMember = this.#chance.happens(0.03) ? "nobody" : known;
    return this.#lastMember;
  }

  /** A known run, the younger the likelier, or one that never was. */
  #id(): string {
    const back = Math.floor(this.#chance.fraction() ** 2 * Math.max(12, this.#ids.length));
    return this.#ids.at(-1 - back) ?? "0000000000000000000z";
  }

  /** Mostly a run with a live activation. */
  #liveId(): string {
    if (this.#lastLive !== undefined && this.#isAgain()) return this.#lastLive;
    const live = this.#live[this.#chance.below(this.#live.length)];
    this.#lastLive = live !== undefined && this.#chance.happens(0.7) ? live : this.#id();
    return this.#lastLive;
  }

  #isAgain(): boolean {
    return this.#again > 0 && this.#chance.happens(this.#again);
  }

  #freshId(): string {
    return rootId(
      1_800_000_000_000,
      Uint8Array.from({ length: 9 }, () => this.#chance.below(256)),
    );
  }

  /** Mostly the epoch that is live. */
  async #epoch(runId: string): Promise<number> {
    const epoch = (await this.#model.findRun({ id: runId }))?.epoch ?? 1;
    return this.#chance.happens(0.9) ? epoch : epoch + this.#chance.pick([-1, 1]);
  }

  #drawn() {
    const pick = <T>(items: readonly [T, ...T[]]) => this.#chance.pick(items);
    return { pick, likely: (share: number) => this.#chance.happens(share) };
  }
}

/** Claimed runs that have no children. */
function bodiesAmong(runs: readonly RunRow[]): RunRow[] {
  const parents = new Set(runs.map(({ parentId }) => parentId));
  return runs.filter(({ id, claimedBy, depth }) => claimedBy !== null && depth < 4 && !parents.has(id));
}
