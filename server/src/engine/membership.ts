import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { Serving, Store } from "../store/store.ts";
import type { Loop } from "./loop.ts";

// The node's presence: one lease, renewed here. P2: an expired lease alone ends nothing; only a renewal that answers false
// does. P9: the lease is measured by this process's monotonic clock from before the renewal was sent.

/** Part of the lease after which, unrenewed, what the node runs is frozen: the rest is time to do so. */
const riskShare = 0.75;
const renewalShare = 1 / 3;
/** Soon: who has not been heard of after an outage is judged a lease later. */
const retryShare = 1 / 24;

/** What the node does about its activations as its membership goes. */
export interface MembershipListener {
  /** The lease may run out unrenewed: stop what can be stopped. */
  atRisk(): void;
  /** Renewed, and nobody took over meanwhile: go on. */
  safeAgain(): void;
  /** Others have what this member held: kill it all. */
  gone(): void;
}

export interface MembershipOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly name: string;
  readonly namespace: string;
  readonly serves: Serving;
  readonly leaseMs: number;
  readonly timedLeases: boolean;
  readonly newId: () => string;
  /** Has `tick` called soon. */
  readonly wake: () => void;
}

export class Membership implements Loop {
  readonly name = "membership";
  readonly #options: MembershipOptions;
  #listener: MembershipListener = { atRisk() {}, safeAgain() {}, gone() {} };
  #id: string | undefined;
  #renewedMs = 0;
  #atRisk = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  useListener(listener: MembershipListener): void {
    this.#listener = listener;
  }

  /** The member's id while it may claim; undefined before joining, at risk, and after it was judged gone. */
  get id(): string | undefined {
    return this.#atRisk ? undefined : this.#id;
  }

  /** The member's id as long as nobody said that it is gone, also while its lease is at risk. */
  get heldId(): string | undefined {
    return this.#id;
  }

  async join(): Promise<void> {
    const { store, clock, name, namespace, serves, leaseMs, newId } = this.#options;
    const id = newId();
    const sentMs = clock.monotonicMs();
    await store.joinMember({ id, kind: "node", name, namespace, serves, leaseMs });
    this.#id = id;
    this.#renewedMs = sentMs;
    this.#atRisk = false;
  }

  async leave(): Promise<void> {
    const id = this.#id;
    this.#id = undefined;
    if (id !== undefined) await this.#options.store.leaveMember({ id });
  }

  /** Renews, or joins anew. */
  async tick(): Promise<number> {
    const { leaseMs, timedLeases } = this.#options;
    if (this.#id === undefined) await this.join();
    else if (timedLeases) {
      try {
        await this.#renew(this.#id);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.log.debug({ reason }, "The lease could not be renewed; trying again.");
        return leaseMs * retryShare;
      }
    }
    return leaseMs * renewalShare;
  }

  /**
   * The store has said that this member is gone: to a renewal, or, where leases are not timed and nothing is renewed, to
   * somebody who asked in its name. What it held is others'; it joins anew.
   */
  lose(id: string): void {
    if (this.#id !== id) return;
    this.#options.log.error("This member was judged gone: others have taken over its runs. It joins anew.");
    this.#id = undefined;
    this.#atRisk = false;
    this.#listener.gone();
    this.#options.wake();
  }

  /** Looks at the time that is left. Call it several times a lease: it is what freezes in time. */
  watch(): void {
    const { clock, leaseMs, timedLeases } = this.#options;
    if (!timedLeases || this.#atRisk || this.#id === undefined) return;
    if (clock.monotonicMs() - this.#renewedMs < leaseMs * riskShare) return;
    this.#atRisk = true;
    this.#options.log.warn("The lease is at risk: what runs here is frozen until the store answers.");
    this.#listener.atRisk();
  }

  async #renew(id: string): Promise<void> {
    const { store, clock, leaseMs, log } = this.#options;
    const sentMs = clock.monotonicMs();
    const renewed = await this.#bounded(store.renewMember({ id, leaseMs }));
    if (this.#id !== id) return;
    if (!renewed) {
      this.lose(id);
      await this.join();
      return;
    }
    this.#renewedMs = sentMs;
    if (!this.#atRisk) return;
    this.#atRisk = false;
    log.warn("The store answers again and nobody took over: what was frozen goes on.");
    this.#listener.safeAgain();
  }

  /** A store that hangs must not use up the time for another try. */
  async #bounded(answer: Promise<boolean>): Promise<boolean> {
    const { clock, leaseMs } = this.#options;
    const over = new AbortController();
    const late = clock.sleep(leaseMs * renewalShare, over.signal).then(() => {
      throw new Error("the store did not answer a renewal in time");
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([answer, late]);
    } finally {
      over.abort();
    }
  }
}

/** Looks often enough at the time that a lease has left. */
export class LeaseWatch implements Loop {
  readonly name = "lease watch";
  readonly #membership: Membership;
  readonly #periodMs: number;

  constructor(membership: Membership, leaseMs: number) {
    this.#membership = membership;
    this.#periodMs = leaseMs / 12;
  }

  async tick(): Promise<number> {
    this.#membership.watch();
    return this.#periodMs;
  }
}
