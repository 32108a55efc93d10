import type { Store } from "../store/store.ts";
import type { Loop } from "./loop.ts";

const limitRows = 5_000;

/** Moves committed events into their topic's log, in order (P10). */
export class Sequencer implements Loop {
  readonly name = "sequencer";
  readonly #store: Store;
  readonly #pollMs: number;

  constructor({ store, pollMs }: { store: Store; pollMs: number }) {
    this.#store = store;
    this.#pollMs = pollMs;
  }

  async tick(): Promise<number> {
    const { more } = await this.#store.sequenceEvents({ limitRows });
    return more ? 0 : this.#pollMs;
  }
}
