import { isStoreGone, type JobAddress, type Tracking } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { JobRow, NewJob } from "../core/index.ts";
import type { Logger } from "../log.ts";
import type { Consuming } from "../operations/consuming.ts";
import type { Firing } from "../operations/firing.ts";
import type { Intents } from "../operations/intents.ts";
import type { Runs } from "../operations/runs.ts";
import type { StateObjects } from "../operations/state-objects.ts";
import type { Random } from "../random.ts";
import type { RingTopic, Store } from "../store/store.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Activations } from "./activations.ts";
import { Canceller } from "./canceller.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Bell, type Loop, runLoop } from "./loop.ts";
import { LeaseWatch, Membership } from "./membership.ts";
import { Pruner } from "./pruner.ts";
import { Redeemer } from "./redeemer.ts";
import { Rescuer } from "./rescuer.ts";
import { Scheduler } from "./scheduler.ts";
import { Sequencer } from "./sequencer.ts";
import { Starter } from "./starter.ts";
import { Timer } from "./timer.ts";
import { Triggerer } from "./triggerer.ts";

/** How long a stopping node tries to tell the store, once its bodies have been told to end. */
const farewellMs = 15_000;
/** The same where it is known already that the store does not answer. */
const silentFarewellMs = 5_000;
/** How long bodies that were killed may take to be gone: one that waits for a store that is away is not waited for. */
const goneMs = 2_000;
/** However late it is, the store gets so long to hear that this member leaves. */
const leastLeaveMs = 1_000;

/**
 * What a stopping node waits for, and how long at most. `bodies`: that what runs here ends by itself. `ends`: that it does, now that it
 * was told to. `store`: that the store hears of it. `jobs`: that services answer calls which
 * start or end jobs.
 */
export interface StopWait {
  readonly of: "bodies" | "ends" | "jobs" | "store";
  /** What runs here; of `jobs` the services. */
  readonly names: readonly string[];
  readonly forMs: number;
}

export interface EngineOptions {
  readonly store: Store;
  readonly runs: Runs;
  readonly intents: Intents;
  readonly objects: StateObjects;
  readonly activations: Activations;
  /** Undefined: schedules are others' business. */
  readonly firing: Firing | undefined;
  /** Undefined: who waits for events is others' business. */
  readonly consuming: Consuming | undefined;
  /** Who calls the services of external jobs. */
  readonly tracking: Tracking;
  readonly successorOf: (row: JobRow) => Promise<NewJob>;
  readonly callsOf?: (address: JobAddress) => number | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly name: string;
  readonly namespace: string;
  readonly queues: readonly string[] | null;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** How often the loops look should every ring be lost. */
  readonly pollMs: number;
  readonly runsMs: number;
  readonly logsMs: number;
  readonly assetEventsMs: number;
  readonly timedLeases: boolean;
  readonly newId: () => string;
  readonly metrics?: Metrics;
}

/** One node's loops: what happens when time passes. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #stop = new AbortController();
  readonly #bells = new Map<string, Bell>();
  readonly #membership: Membership;
  readonly #dispatcher: Dispatcher;
  readonly #triggerer: Triggerer;
  #loops: Promise<void>[] = [];
  #stopRings: () => void = () => undefined;
  /** Fires while the lease is at risk: what runs here is frozen, and does not end by itself. */
  #frozen = new AbortController();

  constructor(options: EngineOptions) {
    this.#options = options;
    const { activations, concurrency: slots, queues, metrics } = options;
    this.#membership = new Membership({
      ...options,
      serves: { slots, queues },
      wake: () => this.#bell("membership").ring(),
    });
    this.#membership.useListener({
      atRisk: () => {
        metrics?.leaseRisks.add(1);
        activations.freezeAll();
        this.#frozen.abort();
      },
      safeAgain: () => {
        this.#frozen = new AbortController();
        activations.thawAll();
      },
      gone: () => activations.revokeAll(),
    });
    this.#dispatcher = new Dispatcher({ ...options, membership: this.#membership, bell: this.#bell("dispatcher") });
    this.#triggerer = new Triggerer({ ...options, membership: this.#membership, bell: this.#bell("triggerer") });
  }

  /** External jobs that are tracked here. */
  get trackedJobs(): number {
    return this.#triggerer.count;
  }

  get memberId(): string | undefined {
    return this.#membership.heldId;
  }

  /** True while the lease may run out, so that what runs here is frozen. */
  get isAtRisk(): boolean {
    return this.#membership.heldId !== undefined && this.#membership.id === undefined;
  }

  /** Joins and begins to work. Rejects when the store does not answer. */
  async start(): Promise<void> {
    const { store, runs, intents, activations, firing, consuming, clock, leaseMs, pollMs, log } = this.#options;
    const membership = this.#membership;
    await membership.join();
    this.#stopRings = store.onRing((topics) => this.#hear(topics));
    this.#run(membership);
    this.#run(new LeaseWatch(membership, leaseMs));
    this.#run(this.#dispatcher);
    this.#run(new Rescuer({ store, membership, log, leaseMs }));
    this.#run(new Timer({ store, pollMs }), 100);
    if (firing !== undefined) this.#run(new Scheduler({ firing, log, pollMs }));
    this.#run(new Canceller({ store, membership, activations, claims: this.#dispatcher, clock, pollMs }));
    this.#run(this.#triggerer);
    this.#run(new Sequencer({ store, pollMs }), 20);
    // What comes together goes into one run.
    if (consuming !== undefined) this.#run(new Starter({ consuming, log, pollMs }), 20);
    this.#run(new Pruner(this.#options));
    if (intents.isSupported) this.#run(new Redeemer({ intents, clock, pollMs }));
    runs.useSlots(this.#dispatcher);
  }

  /**
   * Claims nothing more, lets what runs end for `graceMs`, gives the rest back, leaves. Cancels nothing. `tell` is told what it waits
   * for. A store that does not answer is not waited for: the lease runs out, and others take over.
   */
  async stop(graceMs: number, tell: (wait: StopWait) => void = () => undefined): Promise<void> {
    const { runs, activations, clock, log, store } = this.#options;
    runs.useSlots(undefined);
    const names = () => activations.list().map(({ name }) => name);
    const over = new AbortController();
    // What outside has been asked for is answered in time, or found by whoever takes over.
    const settled = this.#triggerer.stop();
    const drained = this.#dispatcher.drain().finally(() => over.abort());
    if (activations.count > 0 && graceMs > 0) tell({ of: "bodies", names: names(), forMs: graceMs });
    await clock.sleep(graceMs, AbortSignal.any([over.signal, this.#frozen.signal]));
    activations.abortAll("the node is stopping");
    const isSilent = this.#frozen.signal.aborted;
    const forMs = isSilent ? silentFarewellMs : farewellMs;
    const untilMs = clock.monotonicMs() + forMs;
    if (activations.count > 0) tell({ of: isSilent ? "store" : "ends", names: names(), forMs });
    // One that was removed will never be told.
    store.describe().catch((error: unknown) => isStoreGone(error) && activations.revokeAll());
    await clock.sleep(forMs, over.signal);
    if (!over.signal.aborted) {
      activations.revokeAll();
      await Promise.race([drained, clock.sleep(goneMs, over.signal)]);
    }
    this.#stopRings();
    this.#stop.abort();
    const said = new AbortController();
    // A loop may wait for a store that is away, and so may the farewell: both together for no longer than this.
    const farewell = Promise.all([settled, ...this.#loops]).then(() => this.#membership.leave());
    farewell.catch(() => undefined);
    const leftMs = Math.max(leastLeaveMs, untilMs - clock.monotonicMs());
    const asked = this.#triggerer.askedServices();
    if (asked.length === 0) tell({ of: "store", names: [], forMs: leftMs });
    else {
      tell({ of: "jobs", names: asked, forMs: leftMs });
      void settled.then(() => {
        if (!said.signal.aborted) tell({ of: "store", names: [], forMs: Math.max(0, untilMs - clock.monotonicMs()) });
      });
    }
    try {
      await Promise.race([farewell, clock.sleep(leftMs, said.signal)]);
    } catch (error) {
      log.warn({ err: error }, "The node could not say goodbye to the store; its lease will run out.");
    } finally {
      // A timer that is left would keep the process alive.
      said.abort();
    }
  }

  #run(loop: Loop, gapMs = 0): void {
    const { clock, log, metrics } = this.#options;
    const bell = this.#bell(loop.name);
    const onTick = (name: string, seconds: number, failed: boolean) => {
      metrics?.loopSeconds.observe(seconds, name);
      if (failed) metrics?.loopFailures.add(1, name);
    };
    this.#loops.push(runLoop(loop, { clock, log, bell, gapMs, onTick, signal: this.#stop.signal }));
  }

  #bell(name: string): Bell {
    let bell = this.#bells.get(name);
    if (bell === undefined) {
      bell = new Bell();
      this.#bells.set(name, bell);
    }
    return bell;
  }

  #hear(topics: readonly RingTopic[]): void {
    for (const topic of topics) this.#options.metrics?.rings.add(1, topic);
    if (topics.includes("ready")) this.#bell("dispatcher").ring();
    if (topics.includes("cancelling")) {
      this.#bell("canceller").ring();
      this.#dispatcher.hearOrders();
    }
    if (topics.includes("jobs")) this.#triggerer.hear();
    if (topics.includes("assets")) this.#bell("starter").ring();
    if (!topics.includes("events")) return;
    this.#bell("sequencer").ring();
    // A retry may have been put off: the timer has to know when it is due.
    this.#bell("timer").ring();
  }
}
