import type { Store } from "../store/store.ts";
import type { Loop } from "./loop.ts";

const limitRows = 1_000;

/** Makes due runs claimable and ends those whose time is over: one indexed query each, however many wait. */
export class Timer implements Loop {
  readonly name = "timer";
  readonly #store: Store;
  readonly #pollMs: number;

  constructor({ store, pollMs }: { store: Store; pollMs: number }) {
    this.#store = store;
    this.#pollMs = pollMs;
  }

  async tick(): Promise<number> {
    const { woken, nextInMs: wakeInMs } = await this.#store.wakeRuns({ limitRows });
    const { expired, nextInMs: expireInMs } = await this.#store.expireRuns({ limitRows });
    if (woken === limitRows || expired === limitRows) return 0;
    return Math.max(1, Math.min(this.#pollMs, wakeInMs ?? this.#pollMs, expireInMs ?? this.#pollMs));
  }
}
