import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { StateObjects } from "../operations/state-objects.ts";
import type { Store } from "../store/store.ts";
import type { Loop } from "./loop.ts";

const limitRows = 500;
const periodMs = 60_000;
/** How often it is looked for what lies with the state backend and nobody knows: what nodes leave that end at a bad moment. */
const unknownPeriodMs = 3_600_000;

export interface PrunerOptions {
  readonly store: Store;
  readonly objects: StateObjects;
  readonly clock: Clock;
  readonly log: Logger;
  readonly runsMs: number;
  readonly logsMs: number;
  readonly assetEventsMs: number;
}

/** Deletes what is past its retention, runs, values of state, events of assets, and objects that no value names, in small batches. */
export class Pruner implements Loop {
  readonly name = "pruner";
  readonly #options: PrunerOptions;
  #unknownAtMs: number;
  #cursor: string | undefined;

  constructor(options: PrunerOptions) {
    this.#options = options;
    this.#unknownAtMs = options.clock.monotonicMs() + unknownPeriodMs;
  }

  async tick(): Promise<number> {
    const { store, objects, runsMs, logsMs, assetEventsMs: eventsMs } = this.#options;
    const pruned = await store.prune({ runsMs, logsMs, limitRows });
    const swept = await store.sweepState({ limitRows });
    const told = await store.pruneAssetEvents({ eventsMs, limitRows });
    const moreObjects = objects.backend !== undefined && (await this.#sweepObjects());
    return pruned.more || swept.more || told.more || moreObjects ? 0 : periodMs;
  }

  /** A backend that is away stops nothing else. */
  async #sweepObjects(): Promise<boolean> {
    const { objects, clock, log } = this.#options;
    try {
      const { more } = await objects.sweep({ limitRows });
      if (more) return true;
      if (clock.monotonicMs() < this.#unknownAtMs) return false;
      const { cursor } = await objects.sweepUnknown(this.#cursor);
      this.#cursor = cursor;
      if (cursor !== undefined) return true;
      this.#unknownAtMs = clock.monotonicMs() + unknownPeriodMs;
    } catch (error) {
      log.warn({ err: error }, "objects of the state backend are swept later");
    }
    return false;
  }
}
