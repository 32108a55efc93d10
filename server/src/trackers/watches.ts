import { canonicalText, isFinalPhase, type JobAddress, type Json, type Observation } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Connections, OpenConnection } from "./connections.ts";
import { failureOf } from "./failures.ts";
import { keepableObservation } from "./keeping.ts";

/** Who hears of what is watched; `watch` is the number under which it was asked for. */
export interface WatchListener {
  observed(watch: number, ref: Json, observation: Observation): void;
  watched(watch: number, refs: readonly Json[], watched: boolean): void;
}

export interface WatchesOptions {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly listener: WatchListener;
}

const firstPauseMs = 1_000;
const longestPauseMs = 60_000;
/** A watch that stood so long had a right to end; the next begins at once. */
const steadyMs = 10_000;

/** What a tracker process watches: groups of jobs, each in a loop of its own, begun again whenever it ends. */
export class Watches {
  readonly #options: WatchesOptions;
  readonly #groups = new Map<string, Group>();
  readonly #slots = new Map<OpenConnection, Slots>();

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  /** Refs of services that cannot be watched, or that name nothing, are left to the polls. */
  add(watch: number, address: JobAddress, refs: readonly Json[]): void {
    for (const ref of refs) {
      try {
        this.#addOne(watch, address, ref);
      } catch {
        // A poll will say what is wrong with it.
      }
    }
  }

  /** Without refs all of that number. */
  remove(watch: number, refs?: readonly Json[]): void {
    const keys = refs?.map((ref) => canonicalText(ref));
    for (const group of this.#groups.values()) group.remove(watch, keys);
  }

  close(): void {
    for (const group of this.#groups.values()) group.close();
  }

  #addOne(watch: number, address: JobAddress, given: Json): void {
    const open = this.#options.connections.get(address);
    const { tracker, settings } = open;
    if (tracker.watch === undefined || tracker.watchGroup === undefined) return;
    const parsed = tracker.ref.parse(given);
    const ref = tracker.completeRef?.(parsed, settings) ?? parsed;
    const name = tracker.watchGroup(ref, settings);
    const key = JSON.stringify([address.service, address.connection, name]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const slots = this.#slots.get(open) ?? new Slots(tracker.watchGroups ?? Number.POSITIVE_INFINITY);
      this.#slots.set(open, slots);
      group = new Group({ ...this.#options, name, open, slots, emptied: () => this.#groups.delete(key) });
      this.#groups.set(key, group);
    }
    group.add(watch, given, ref);
  }
}

/** How many groups of one connection are watched at a time. */
class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(free: number) {
    this.#free = free;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

interface GroupOptions extends WatchesOptions {
  readonly name: string;
  readonly open: OpenConnection;
  readonly slots: Slots;
  readonly emptied: () => void;
}

interface Watched {
  readonly ref: Json;
  /** By watch number: the ref as it was given there. */
  readonly watches: Map<number, Json>;
}

class Group {
  readonly #options: GroupOptions;
  readonly #jobs = new Map<string, Watched>();
  readonly #closing = new AbortController();
  #isStanding = false;

  constructor(options: GroupOptions) {
    this.#options = options;
    // Begins when the turn that fills the group is over.
    setImmediate(() => void this.#run());
  }

  add(watch: number, given: Json, ref: Json): void {
    const key = canonicalText(ref);
    const job = this.#jobs.get(key) ?? { ref, watches: new Map() };
    this.#jobs.set(key, job);
    job.watches.set(watch, given);
    if (!this.#isStanding) return;
    this.#options.listener.watched(watch, [given], true);
    // What happened to it before the watch knew of it has been passed over.
    void this.#lookAt(ref);
  }

  remove(watch: number, keys: readonly string[] | undefined): void {
    for (const [key, { watches }] of this.#jobs) {
      const given = watches.get(watch);
      if (given === undefined || keys?.includes(canonicalText(given)) === false) continue;
      watches.delete(watch);
      if (watches.size === 0) this.#jobs.delete(key);
    }
    this.#closeIfEmpty();
  }

  close(): void {
    this.#closing.abort();
    this.#options.emptied();
  }

  #closeIfEmpty(): void {
    if (this.#jobs.size === 0) this.close();
  }

  async #run(): Promise<void> {
    const { clock, slots } = this.#options;
    for (let failures = 0; !this.#closing.signal.aborted; ) {
      await slots.take();
      const startedMs = clock.monotonicMs();
      const pauseMs = this.#closing.signal.aborted ? 0 : await this.#watchOnce();
      this.#stand(false);
      slots.give();
      if (pauseMs === "never") return this.close();
      failures = clock.monotonicMs() - startedMs >= steadyMs ? 0 : failures + 1;
      const backoffMs = failures === 0 ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1));
      const waitMs = Math.max(pauseMs, backoffMs);
      if (waitMs > 0) await clock.sleep(waitMs, this.#closing.signal);
    }
  }

  /** Answers how long the service wants to be left alone; `never`: it cannot be watched. */
  async #watchOnce(): Promise<number | "never"> {
    const { name, open } = this.#options;
    try {
      const group = {
        group: name,
        refs: () => [...this.#jobs.values()].map(({ ref }) => ref),
        standing: () => this.#stand(true),
        tell: (ref: Json, observation: Observation) => this.#tell(ref, observation),
      };
      await open.tracker.watch?.(group, open.io(this.#closing.signal));
      return 0;
    } catch (error) {
      const failure = failureOf(error);
      return failure.fault === "permanent" ? "never" : (failure.retryAfterMs ?? 0);
    }
  }

  #stand(standing: boolean): void {
    if (this.#isStanding === standing) return;
    this.#isStanding = standing;
    const refs = new Map<number, Json[]>();
    for (const { watches } of this.#jobs.values()) {
      for (const [watch, given] of watches) {
        const known = refs.get(watch);
        if (known === undefined) refs.set(watch, [given]);
        else known.push(given);
      }
    }
    for (const [watch, given] of refs) this.#options.listener.watched(watch, given, standing);
  }

  #tell(ref: Json, observation: Observation): void {
    const key = canonicalText(ref);
    const job = this.#jobs.get(key);
    const kept = keepableObservation(observation);
    if (job === undefined || kept === undefined) return;
    for (const [watch, given] of job.watches) this.#options.listener.observed(watch, given, kept);
    if (!isFinalPhase(kept.phase)) return;
    this.#jobs.delete(key);
    this.#closeIfEmpty();
  }

  async #lookAt(ref: Json): Promise<void> {
    const { open } = this.#options;
    const results = await open.tracker.poll([ref], open.io(this.#closing.signal)).catch(() => []);
    for (const result of results) if ("observation" in result) this.#tell(ref, result.observation);
  }
}
