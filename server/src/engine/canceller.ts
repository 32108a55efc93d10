import type { Store } from "../store/store.ts";
import type { Activations } from "./activations.ts";
import type { Loop } from "./loop.ts";
import type { Membership } from "./membership.ts";

const limitRows = 1_000;

/** Tells the activations of cancelled runs to end. The obligation is the row's status: it is met when they have (P6). */
export class Canceller implements Loop {
  readonly name = "canceller";
  readonly #store: Store;
  readonly #membership: Membership;
  readonly #activations: Activations;
  readonly #pollMs: number;

  constructor(options: { store: Store; membership: Membership; activations: Activations; pollMs: number }) {
    this.#store = options.store;
    this.#membership = options.membership;
    this.#activations = options.activations;
    this.#pollMs = options.pollMs;
  }

  async tick(): Promise<number> {
    const memberId = this.#membership.id;
    if (memberId === undefined || this.#activations.count === 0) return this.#pollMs;
    const cancelling = await this.#store.listCancelling({ memberId, limitRows });
    for (const { runId, epoch, error } of cancelling) this.#activations.abort(runId, epoch, error.message);
    return this.#pollMs;
  }
}
