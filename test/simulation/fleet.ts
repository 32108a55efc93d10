import { isAppError, isEnded, type Json, type Manifest, type Tracking } from "@holdfast/protocol";
import { type RunningNode, type Services, serve, startNode } from "../../server/src/main.ts";
import { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Decisions } from "../../server/src/store/memory/memory.ts";
import { openMemoryStore } from "../../server/src/store/memory/memory-store.ts";
import { mergeCalls } from "../../server/src/store/merging.ts";
import type { Store } from "../../server/src/store/store.ts";
import { untilQuiet, VirtualClock } from "../../server/src/testing/virtual-clock.ts";
import { Bodies, newWitness, type Witness } from "./bodies.ts";
import { decideUnknown } from "./clerk.ts";
import { Hand } from "./hand.ts";
import { link, type Outage, type Weather } from "./link.ts";
import { type CallPoint, Machine } from "./machine.ts";
import { Outside, services } from "./outside.ts";
import { trackingOf } from "./outside-link.ts";
import { withSmallPages } from "./small-pages.ts";
import { randomSchedules, ticksVerdict } from "./ticks.ts";
import { isWaitedFor, tellTidings, tidingsManifests, tidingsVerdict } from "./tidings.ts";
import { Watch } from "./watched-store.ts";
import { calm, randomWeather } from "./weather.ts";
import { randomManifests, randomScript, unit } from "./workload.ts";

// One simulated fleet: nodes, their processes and their ways to the store on one virtual clock, with everything going wrong
// that a seed says. After a while it is left in peace; then every run has to end, and end right.

const namespace = "simulated";
const leaseMs = 6_000;
const chaosMs = 60_000;
const peaceLimitMs = 1_800_000;

/** A fault that is built in on purpose, to see it caught. */
export interface Breakage {
  /** Somebody tells events of assets, and nobody meddles with the runs that they start. */
  readonly tidings?: true;
  /** A store that lacks something: laid between the fleet and the watched store. */
  readonly store?: (store: Store) => Store;
  readonly successFromExit?: boolean;
  /** What decides in the store instead of core. */
  readonly decisions?: Partial<Decisions>;
  /** The services outside as trackers reach them. */
  readonly tracking?: (tracking: Tracking) => Tracking;
  /** The store as readers of topics see it. */
  readonly reader?: (store: Store) => Store;
}

export interface Report {
  readonly seed: number;
  readonly breach: string | undefined;
  readonly runs: number;
  readonly kills: number;
  readonly stops: number;
  readonly outages: number;
  /** Calls that started jobs outside, and what they made. */
  readonly submissions: number;
  readonly jobs: number;
  readonly virtualMs: number;
}

interface SimulatedNode {
  readonly machine: Machine;
  node: RunningNode | undefined;
  memberIds: Set<string>;
  wasStopped: boolean;
}

export class Fleet {
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #clock = new VirtualClock();
  readonly #outage: Outage = { away: false };
  readonly #witness: Witness = newWitness();
  readonly #watch: Watch;
  readonly #outside: Outside;
  readonly #store: Store;
  readonly #read: Store;
  readonly #weather: Weather;
  readonly #breakage: Breakage;
  readonly #nodes: SimulatedNode[] = [];
  readonly #cancelled = new Set<string>();
  readonly #hand: Hand;
  readonly #topic: { runId: string; number: number }[] = [];
  readonly #client: Services;
  readonly #manifests: readonly Manifest[];
  #topicPosition = 0;
  #counts = { kills: 0, stops: 0, outages: 0 };
  #peace = false;
  #asked = false;
  #ticked = false;
  #controlled = false;
  #told = false;
  readonly #tidings: Chance;

  constructor(seed: number, breakage: Breakage = {}) {
    this.#seed = seed;
    this.#breakage = breakage;
    this.#chance = new Chance(seed);
    this.#weather = randomWeather(this.#chance);
    const tidings = new Chance(seed + 5_000_000);
    const manifests = [
      ...randomManifests(this.#chance),
      ...(breakage.tidings === true ? tidingsManifests(tidings, unit) : []),
    ];
    this.#tidings = tidings;
    this.#watch = new Watch({
      store: openMemoryStore({
        clock: this.#clock,
        randomId: () => `store-${seed}`,
        ...(breakage.decisions === undefined ? {} : { decisions: breakage.decisions }),
      }),
      namespace,
      manifests,
      mayBeJudged: (memberId) => this.#mayBeJudged(memberId),
      isAtWork: (runId, epoch) => this.#witness.atWork.has(`${runId}@${epoch}`),
      outside: () => this.#outside,
    });
    this.#outside = new Outside({
      clock: this.#clock,
      chance: new Chance(seed + 3_000_000),
      rowOf: (token) => this.#watch.jobs.byToken.get(token),
      breach: (text) => this.#watch.report(text),
      callBack: (address, status, result) => void this.#callBack(address, status, result),
    });
    this.#store = this.#watch.fenced(
      withSmallPages(breakage.store?.(this.#watch.store) ?? this.#watch.store, new Chance(seed + 1_000_000)),
    );
    this.#read = breakage.reader?.(this.#watch.store) ?? this.#watch.store;
    this.#client = this.#services(new Machine(this.#clock, 0));
    this.#manifests = manifests;
    this.#hand = new Hand({
      chance: new Chance(seed + 2_000_000),
      clock: this.#clock,
      client: this.#client,
      rows: () => this.#watch.rows,
      insist: (ask) => this.#insist(ask),
      restarted: (id) => this.#forget(id),
      breach: (text) => this.#watch.report(text),
    });
  }

  async run(): Promise<Report> {
    const { schedules, concurrency } = serve(this.#watch.store, { namespace, clock: this.#clock });
    const from = this.#clock.now() + 1;
    await schedules.apply(this.#manifests, randomSchedules(this.#chance, { from, until: from + chaosMs - 5_000 }));
    if (this.#chance.happens(0.3)) {
      await concurrency.declareQueues({ default: { concurrency: this.#chance.between(1, 4) } });
    }
    for (let i = this.#chance.between(1, 3); i > 0; i--) this.#boot();
    const work = [
      this.#people(),
      this.#chaos(),
      this.#reader(),
      this.#ticker(),
      this.#control(),
      this.#clerk(),
      this.#tell(),
    ];
    let failed: unknown;
    Promise.all(work).catch((error: unknown) => {
      failed = error;
    });
    await this.#until(() => this.#clock.monotonicMs() >= chaosMs + 2_000, chaosMs + 3_000);
    await this.#makePeace();
    const done = () =>
      this.#asked &&
      this.#ticked &&
      this.#controlled &&
      this.#told &&
      this.#watch.owed.length === 0 &&
      [...this.#watch.rows.values()].every((run) => isEnded(run.status));
    await this.#until(done, peaceLimitMs);
    await this.#until(() => false, 3_000);
    if (failed !== undefined) throw failed;
    const breach = this.#watch.breach?.message ?? (await this.#verdict());
    const report = {
      seed: this.#seed,
      breach,
      runs: this.#watch.rows.size,
      ...this.#counts,
      submissions: this.#outside.submissions,
      jobs: this.#outside.made,
      virtualMs: this.#clock.monotonicMs(),
    };
    for (const { machine } of this.#nodes) machine.kill();
    return report;
  }

  /** Lets time go on until `done` or for `limitMs`. */
  async #until(done: () => boolean, limitMs: number): Promise<void> {
    const deadline = this.#clock.monotonicMs() + limitMs;
    await untilQuiet();
    while (!done() && this.#watch.breach === undefined) {
      const next = this.#clock.nextInMs;
      if (next === undefined || this.#clock.monotonicMs() + next > deadline) return;
      this.#clock.step();
      await untilQuiet();
    }
  }

  #services(machine: Machine): Services {
    const { clock } = machine;
    const linked = link({
      store: this.#store,
      world: this.#clock,
      machine,
      chance: this.#chance,
      weather: this.#peaceful(),
      outage: this.#outage,
    });
    const chance = this.#chance;
    const random = { fraction: () => chance.fraction(), bytes: (count: number) => chance.bytes(count) };
    return serve(mergeCalls(linked, { clock }), { namespace, clock, random });
  }

  /** The weather as it is now: calm once peace is made. */
  #peaceful(): Weather {
    const now = () => (this.#peace ? calm : this.#weather);
    return {
      get lost() {
        return now().lost;
      },
      get unanswered() {
        return now().unanswered;
      },
      get doubled() {
        return now().doubled;
      },
      get longestDelayMs() {
        return now().longestDelayMs;
      },
      get deaf() {
        return now().deaf;
      },
    };
  }

  #boot(): void {
    const machine = new Machine(this.#clock, this.#chance.between(-5_000, 5_000));
    const simulated: SimulatedNode = { machine, node: undefined, memberIds: new Set(), wasStopped: false };
    this.#nodes.push(simulated);
    void this.#start(simulated);
  }

  async #start(simulated: SimulatedNode): Promise<void> {
    const { machine } = simulated;
    const services = this.#services(machine);
    const { successFromExit = false } = this.#breakage;
    const common = { machine, chance: this.#chance, outside: this.#outside };
    const placement = new Bodies({ ...common, witness: this.#witness, successFromExit });
    const reached = trackingOf({ ...common, world: this.#clock, weather: this.#peaceful() });
    const tracking = this.#breakage.tracking?.(reached) ?? reached;
    const options = {
      root: "/",
      concurrency: 4,
      leaseMs,
      placement,
      tracking,
      pollMs: 1_000,
      publicUrl: "http://node",
    };
    for (;;) {
      try {
        const node = await startNode(services, options);
        simulated.node = node;
        return;
      } catch (error) {
        if (!isAppError(error, "store_unavailable")) throw error;
        await machine.clock.sleep(500);
      }
    }
  }

  /** Users start runs and change their minds. */
  async #people(): Promise<void> {
    const count = this.#chance.between(3, 14);
    for (let i = 0; i < count; i++) {
      await this.#clock.sleep(this.#chance.between(0, chaosMs / count));
      const id = await this.#startRun(i);
      if (this.#chance.happens(0.2)) void this.#cancelLater(id);
    }
    this.#asked = true;
  }

  /** Somebody pauses, resumes and starts again, until peace is made; then nothing stays paused. */
  async #control(): Promise<void> {
    const meddles = !this.#chance.happens(0.5) && this.#breakage.tidings !== true;
    while (meddles && this.#clock.monotonicMs() < chaosMs) {
      await this.#clock.sleep(this.#chance.between(200, 6_000));
      await this.#hand.act();
    }
    await this.#hand.letGo();
    this.#controlled = true;
  }

  /** Somebody tells events, and notes when nobody waits for any of them. */
  async #tell(): Promise<void> {
    const { store } = this.#client;
    const tells = this.#breakage.tidings === true;
    const common = { store, namespace, chance: this.#tidings, clock: this.#clock, untilMs: chaosMs - 2_000 };
    if (tells) await tellTidings({ ...common, insist: (ask) => this.#insist(ask) });
    while (!this.#peace || (await isWaitedFor(this.#watch.store, namespace))) await this.#clock.sleep(500);
    this.#told = true;
  }

  /** Somebody decides about what nobody can know, also in peace. */
  async #clerk(): Promise<void> {
    const chance = new Chance(this.#seed + 4_000_000);
    const common = { clock: this.#clock, client: this.#client, outside: this.#outside, jobs: this.#watch.jobs };
    await decideUnknown({ ...common, chance, insist: (ask) => this.#insist(ask) });
  }

  /** A service tells a job's end by the address that it was given. */
  async #callBack(address: string, status: "succeeded" | "failed", result: Json): Promise<void> {
    const [secret = "", id = ""] = address.split("/").toReversed();
    const said = status === "succeeded" ? { status, result } : { status };
    try {
      await this.#insist(() => this.#client.externalJobs.callBack(id, secret, said));
    } catch (error) {
      if (!isAppError(error, "run_ended")) throw error;
    }
  }

  /** What was promised of an end holds for the attempt that came to it: the run, what depends on it and what is above start again. */
  #forget(id: string): void {
    this.#cancelled.delete(id);
    this.#witness.acknowledged.delete(id);
  }

  async #startRun(i: number): Promise<string> {
    const flow = this.#chance.happens(0.5);
    const definition = flow ? `flow-${this.#chance.between(0, 2)}` : "unit";
    const input = flow ? {} : randomScript(this.#chance);
    const key = `key-${i}`;
    const delayed = this.#chance.happens(0.1) ? { startAfter: new Date(this.#clock.now() + 5_000).toISOString() } : {};
    const expires = this.#chance.happens(0.1) ? { expiresAfterMs: this.#chance.between(500, 8_000) } : {};
    const twice = this.#chance.happens(0.2);
    const request = { definition, input, key, ...delayed, ...expires };
    if (twice) await this.#insist(() => this.#client.runs.start(request));
    const { run } = await this.#insist(() => this.#client.runs.start(request));
    return run.id;
  }

  async #cancelLater(id: string): Promise<void> {
    await this.#clock.sleep(this.#chance.between(0, 6_000));
    const { requested, run } = await this.#insist(() => this.#client.runs.cancel(id, { reason: "changed my mind" }));
    if (requested > 0 && run.status !== "failed") this.#cancelled.add(id);
  }

  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!isAppError(error, "store_unavailable")) throw error;
        await this.#clock.sleep(200);
      }
    }
  }

  /** Kills, stops, outages. */
  async #chaos(): Promise<void> {
    while (this.#clock.monotonicMs() < chaosMs) {
      await this.#clock.sleep(this.#chance.between(500, 12_000));
      if (this.#peace) return;
      const victim = this.#chance.pick(this.#nodes);
      const blow = this.#chance.fraction();
      const point = this.#chance.pick(["asked", "done", "now", "calling", "sent", "answered"] as const);
      if (blow < 0.35) this.#strike(victim, point, () => this.#kill(victim));
      else if (blow < 0.65) this.#strike(victim, point, () => void this.#stop(victim));
      else if (blow < 0.8) await this.#goAway();
      else if (blow < 0.9) void this.#silence();
      else if (this.#nodes.filter(({ machine }) => !machine.dead).length < 3) this.#boot();
    }
  }

  /** At once, or when a call of an activation comes to `point`. */
  #strike({ machine }: SimulatedNode, point: CallPoint | "now", blow: () => void): void {
    if (point === "now") blow();
    else machine.trap(point, blow);
  }

  #kill(victim: SimulatedNode): void {
    if (victim.machine.dead || this.#peace) return;
    victim.machine.kill();
    this.#counts.kills += 1;
    void this.#clock.sleep(this.#chance.between(0, 10_000)).then(() => this.#boot());
  }

  async #stop(victim: SimulatedNode): Promise<void> {
    if (victim.machine.dead || this.#peace) return;
    victim.wasStopped = true;
    victim.machine.stop();
    this.#counts.stops += 1;
    await this.#clock.sleep(this.#chance.between(100, leaseMs * 3));
    victim.machine.continue();
  }

  async #goAway(): Promise<void> {
    this.#outage.away = true;
    this.#counts.outages += 1;
    await this.#clock.sleep(this.#chance.between(100, leaseMs * 4));
    this.#outage.away = false;
  }

  /** A service outside answers nobody for a while. */
  async #silence(): Promise<void> {
    const service = this.#chance.pick(services);
    this.#outside.setAway(service, true);
    await this.#clock.sleep(this.#chance.between(1_000, 40_000));
    this.#outside.setAway(service, false);
  }

  async #makePeace(): Promise<void> {
    this.#peace = true;
    this.#outage.away = false;
    for (const { machine } of this.#nodes) machine.continue();
    if (this.#nodes.every(({ machine }) => machine.dead)) this.#boot();
  }

  /** Reads the topic from where it is, as a consumer would. */
  async #reader(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(700);
      const after = this.#topicPosition;
      const { events } = await this.#read.listTopic({ namespace, after, limitRows: this.#chance.between(1, 50) });
      for (const event of events) this.#topic.push({ runId: event.runId, number: event.number });
      this.#topicPosition = events.at(-1)?.position ?? after;
    }
  }

  /** Notes when no tick comes any more. */
  async #ticker(): Promise<void> {
    while (!this.#ticked) {
      await this.#clock.sleep(500);
      const schedules = await this.#watch.store.listSchedules({ namespace, limitRows: 10 });
      this.#ticked = schedules.every(({ dueAt }) => dueAt === null);
    }
  }

  #mayBeJudged(memberId: string): boolean {
    // In bad weather several renewals in a row may be lost: then even a live member can lose its lease.
    if (this.#weather.lost > 0 || this.#weather.unanswered > 0) return true;
    const holder = this.#nodes.find(({ node }) => node?.memberId === memberId);
    return holder === undefined || holder.machine.dead || holder.wasStopped;
  }

  async #verdict(): Promise<string | undefined> {
    const rows = [...this.#watch.rows.values()];
    const stuck = rows.find((run) => !isEnded(run.status));
    if (stuck !== undefined) return `P1 ${stuck.name} of ${stuck.rootId} is ${stuck.status} for ever`;
    if (this.#watch.owed[0] !== undefined) return `P6 ${this.#watch.owed[0]} is owed for ever`;
    if (this.#witness.faults[0] !== undefined) return this.#witness.faults[0];
    for (const run of rows) {
      if (run.kind === "task" && run.status === "succeeded" && !this.#witness.said.has(run.id))
        return `P4 ${run.name} succeeded unsaid`;
      const epoch = this.#witness.acknowledged.get(run.id);
      if (epoch !== undefined && epoch !== run.epoch)
        return `P2 ${run.name} took success from epoch ${epoch} in epoch ${run.epoch}`;
      if (epoch !== undefined && run.status !== "succeeded")
        return `P3 ${run.name} is ${run.status} after an acknowledged success`;
      if (this.#cancelled.has(run.id) && run.status !== "cancelled")
        return `P6 ${run.name} is ${run.status} after an acknowledged cancel`;
      const failed = rows.some(
        (child) =>
          child.parentId === run.id &&
          child.parentGeneration === run.generation &&
          (child.status === "failed" || child.error?.code === "upstream_failed"),
      );
      // A body may go on although what it called has failed.
      if (run.status === "succeeded" && run.kind !== "task" && failed)
        return `${run.name} succeeded although a child failed`;
    }
    const schedules = await this.#watch.store.listSchedules({ namespace, limitRows: 10 });
    const ticks = schedules.map((schedule) => ticksVerdict(schedule, rows)).find((breach) => breach !== undefined);
    return (
      ticks ??
      (this.#breakage.tidings === true ? await tidingsVerdict(this.#watch.store, namespace, rows) : undefined) ??
      this.#topicVerdict(rows)
    );
  }

  async #topicVerdict(rows: readonly { id: string; name: string; lastEvent: number }[]): Promise<string | undefined> {
    for (;;) {
      const { events } = await this.#read.listTopic({ namespace, after: this.#topicPosition, limitRows: 500 });
      for (const event of events) this.#topic.push({ runId: event.runId, number: event.number });
      if (events.length === 0) break;
      this.#topicPosition = events.at(-1)?.position ?? this.#topicPosition;
    }
    const seen = Map.groupBy(this.#topic, ({ runId }) => runId);
    for (const run of rows) {
      const numbers = (seen.get(run.id) ?? []).map(({ number }) => number);
      const due = Array.from({ length: run.lastEvent }, (_, i) => i + 1);
      if (String(numbers) !== String(due))
        return `P10 a reader of the topic saw ${numbers} of ${run.name}, where ${due} are due`;
    }
    return undefined;
  }
}
