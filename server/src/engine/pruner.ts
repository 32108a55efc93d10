import type { Store } from "../store/store.ts";
import type { Loop } from "./loop.ts";

const limitRows = 500;
const periodMs = 60_000;

/** Deletes what is past its retention, runs and values of state, in small batches. */
export class Pruner implements Loop {
  readonly name = "pruner";
  readonly #store: Store;
  readonly #runsMs: number;
  readonly #logsMs: number;

  constructor({ store, runsMs, logsMs }: { store: Store; runsMs: number; logsMs: number }) {
    this.#store = store;
    this.#runsMs = runsMs;
    this.#logsMs = logsMs;
  }

  async tick(): Promise<number> {
    const pruned = await this.#store.prune({ runsMs: this.#runsMs, logsMs: this.#logsMs, limitRows });
    const swept = await this.#store.sweepState({ limitRows });
    return pruned.more || swept.more ? 0 : periodMs;
  }
}
