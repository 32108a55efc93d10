import type { Clock } from "../clock.ts";
import type { Store } from "../store/store.ts";
import type { Activations } from "./activations.ts";
import type { Loop } from "./loop.ts";
import type { Membership } from "./membership.ts";

const limitRows = 1_000;
/** So long a member is told to end an activation; then its run ends, and the member finds that it does not hold it any more. */
const patienceMs = 24 * 3_600_000;

/**
 * Hands orders on to what lies below the runs that they were given for, a page a tick, whoever took the order; and tells this
 * node's activations of cancelled runs to end. The obligation is the rows' status: it is met when they have ended (P6).
 */
export class Canceller implements Loop {
  readonly name = "canceller";
  readonly #store: Store;
  readonly #membership: Membership;
  readonly #activations: Activations;
  readonly #pollMs: number;
  readonly #clock: Clock;
  /** Since when an activation has been told to end. With its node's death its run ends in any case. */
  #told = new Map<string, number>();

  constructor(options: {
    store: Store;
    membership: Membership;
    activations: Activations;
    clock: Clock;
    pollMs: number;
  }) {
    this.#clock = options.clock;
    this.#store = options.store;
    this.#membership = options.membership;
    this.#activations = options.activations;
    this.#pollMs = options.pollMs;
  }

  async tick(): Promise<number> {
    const { more } = await this.#store.spreadOrders({ limitRows });
    await this.#tellActivations();
    return more ? 0 : this.#pollMs;
  }

  async #tellActivations(): Promise<void> {
    const memberId = this.#membership.id;
    if (memberId === undefined || this.#activations.count === 0) return;
    const cancelling = await this.#store.listCancelling({ memberId, limitRows });
    const told = new Map<string, number>();
    for (const { runId, epoch, error } of cancelling) {
      this.#activations.abort(runId, epoch, error.message);
      const name = `${runId}@${epoch}`;
      const sinceMs = this.#told.get(name) ?? this.#clock.monotonicMs();
      told.set(name, sinceMs);
      if (this.#clock.monotonicMs() - sinceMs > patienceMs) await this.#store.forceEnds({ runId, limitRows });
    }
    this.#told = told;
  }
}
