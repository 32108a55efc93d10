import type { Store } from "../store/store.ts";
import type { Loop } from "./loop.ts";

const limitRows = 500;
const periodMs = 60_000;

export interface PrunerOptions {
  readonly store: Store;
  readonly runsMs: number;
  readonly logsMs: number;
  readonly assetEventsMs: number;
}

/** Deletes what is past its retention, runs, values of state and events of assets, in small batches. */
export class Pruner implements Loop {
  readonly name = "pruner";
  readonly #options: PrunerOptions;

  constructor(options: PrunerOptions) {
    this.#options = options;
  }

  async tick(): Promise<number> {
    const { store, runsMs, logsMs, assetEventsMs: eventsMs } = this.#options;
    const pruned = await store.prune({ runsMs, logsMs, limitRows });
    const swept = await store.sweepState({ limitRows });
    const told = await store.pruneAssetEvents({ eventsMs, limitRows });
    return pruned.more || swept.more || told.more ? 0 : periodMs;
  }
}
