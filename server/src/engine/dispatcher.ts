// Step 3 of 6: this node claims ready runs for its free slots, and each is carried out where its task is placed (step 4,
// placements/process/supervisor.ts). A claim raises the run's epoch, which fences all that its activation will write (P2).

import { isAppError } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import { isCleaningUp, type RunRow } from "../core/index.ts";
import type { LocalSlots } from "../operations/runs.ts";
import type { Store } from "../store/store.ts";
import type { Activations } from "./activations.ts";
import type { Claims } from "./canceller.ts";
import type { Bell, Loop } from "./loop.ts";
import type { Membership } from "./membership.ts";

const reconcileRows = 1_000;
/** A claim of so many is cheap enough for each run; more would only keep the bodies waiting for it. */
const worthwhileClaimRows = 64;
/** In polls: how often what the store holds for this member is compared with what it carries out, doubt or no doubt. */
const reconcilePolls = 10;

interface Activation {
  readonly runId: string;
  readonly epoch: number;
}

const nameOf = ({ runId, epoch }: Activation) => `${runId}@${epoch}`;

export interface DispatcherOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly membership: Membership;
  readonly activations: Activations;
  readonly namespace: string;
  readonly queues: readonly string[] | null;
  /** Activations at a time. */
  readonly concurrency: number;
  readonly pollMs: number;
  /** Rung here when a slot becomes free. */
  readonly bell: Bell;
}

export class Dispatcher implements Loop, LocalSlots, Claims {
  readonly name = "dispatcher";
  readonly #options: DispatcherOptions;
  /** A part of the slots at a time, so that the store claims for some while the bodies of others run and end. */
  readonly #claimRows: number;
  readonly #reserved = new Set<string>();
  readonly #idle = new Set<() => void>();
  #active = 0;
  #stopping = false;
  #isClaiming = false;
  /** The store may hold activations for us that we do not know of, since the answer to a claim was lost. */
  #unsure = false;
  #reconciledMs: number;
  /** When it is looked for clean-ups next, by the monotonic clock. */
  #cleanUpsAtMs = Number.NEGATIVE_INFINITY;
  /** What the last look found to be carried out here and not held by the store. */
  #disowned: ReadonlySet<string> = new Set();

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#claimRows = Math.max(worthwhileClaimRows, Math.ceil(options.concurrency / 2));
    this.#reconciledMs = options.clock.monotonicMs();
  }

  async tick(): Promise<number> {
    const { store, membership, namespace, queues, pollMs } = this.#options;
    const memberId = membership.id;
    if (this.#stopping || memberId === undefined) return pollMs;
    const unlookedMs = this.#options.clock.monotonicMs() - this.#reconciledMs;
    if (this.#unsure || unlookedMs > pollMs * reconcilePolls) await this.#reconcile(memberId);
    try {
      this.#isClaiming = true;
      await this.#claimCleanUps(memberId);
      const limitRows = Math.min(this.#free(), this.#claimRows);
      if (limitRows === 0) return this.#untilCleanUps();
      const runs = await store.claimRuns({ memberId, namespace, queues, limitRows });
      for (const run of runs) this.#carryOut(run, memberId);
      return runs.length === limitRows && this.#free() > 0 ? 0 : this.#untilCleanUps();
    } catch (error) {
      if (isAppError(error, "member_gone")) {
        membership.lose(memberId);
        return pollMs;
      }
      this.#unsure = true;
      throw error;
    } finally {
      this.#isClaiming = false;
    }
  }

  /** Orders were given, or something ended that was ordered to: clean-ups may be due. */
  hearOrders(): void {
    this.#cleanUpsAtMs = Number.NEGATIVE_INFINITY;
    this.#options.bell.ring();
  }

  isExpecting(runId: string): boolean {
    return this.#isClaiming || this.#reserved.has(runId);
  }

  reserve(runId: string): string | undefined {
    const memberId = this.#options.membership.id;
    if (this.#stopping || memberId === undefined || this.#free() === 0) return undefined;
    this.#reserved.add(runId);
    return memberId;
  }

  adopt(run: RunRow): void {
    this.#reserved.delete(run.id);
    this.#carryOut(run, run.claimedBy);
  }

  release(runId: string, unsure: boolean): void {
    this.#reserved.delete(runId);
    if (unsure) this.#unsure = true;
    this.#options.bell.ring();
  }

  /** Claims nothing more. Resolves when everything that it has begun is over. */
  async drain(): Promise<void> {
    this.#stopping = true;
    if (this.#active === 0) return;
    await new Promise<void>((resolve) => this.#idle.add(resolve));
  }

  /** One more question a poll, and where it was heard that there is something: clean-ups are rare. They come before what is only to begin. */
  async #claimCleanUps(memberId: string): Promise<void> {
    const { store, namespace, queues, pollMs, clock } = this.#options;
    const limitRows = Math.min(this.#free(), this.#claimRows);
    const now = clock.monotonicMs();
    if (limitRows === 0 || now < this.#cleanUpsAtMs) return;
    this.#cleanUpsAtMs = now + pollMs;
    const { runs, nextInMs } = await store.claimCleanUps({ memberId, namespace, queues, limitRows });
    if (runs.length === limitRows) this.#cleanUpsAtMs = now;
    else this.#cleanUpsAtMs = Math.min(this.#cleanUpsAtMs, now + Math.max(1, nextInMs ?? pollMs));
    for (const run of runs) this.#carryOut(run, memberId);
  }

  #untilCleanUps(): number {
    const { clock, pollMs } = this.#options;
    if (this.#free() === 0) return pollMs;
    return Math.max(1, Math.min(pollMs, this.#cleanUpsAtMs - clock.monotonicMs()));
  }

  #free(): number {
    return Math.max(0, this.#options.concurrency - this.#active - this.#reserved.size);
  }

  #carryOut(run: RunRow, memberId: string | null): void {
    const { activations, membership, bell } = this.#options;
    // Claimed under a membership that has ended meanwhile: others have taken it over. Or while stopping: leaving takes it back.
    if (memberId !== membership.heldId || this.#stopping) return;
    this.#active += 1;
    const over = () => {
      this.#active -= 1;
      // It may be put off, and due again before the next poll.
      if (isCleaningUp(run)) this.#cleanUpsAtMs = Number.NEGATIVE_INFINITY;
      bell.ring();
      if (this.#active > 0) return;
      for (const resolve of this.#idle) resolve();
      this.#idle.clear();
    };
    void activations.carryOut(run).then(over, over);
  }

  /**
   * Gives back what the store holds for this member and nobody here knows of; and ends what is carried out here though the store
   * does not hold it for this member any more: somebody ended or marked its run (P6).
   */
  async #reconcile(memberId: string): Promise<void> {
    const { store, activations, clock } = this.#options;
    const held = activations.list();
    const claimed = await store.listClaimed({ memberId, limitRows: reconcileRows });
    const unknown = claimed.filter(({ runId, epoch }) => !activations.has(runId, epoch) && !this.#reserved.has(runId));
    const next = { to: "ready", outcome: "released", error: null, delayMs: 0 } as const;
    const rows = unknown.map(({ runId, epoch }) => ({ runId, epoch, ranMs: 0, next }));
    if (rows.length > 0) await store.finishActivations({ rows });
    if (claimed.length < reconcileRows) this.#endDisowned(held, claimed);
    this.#unsure = claimed.length === reconcileRows && rows.length > 0;
    this.#reconciledMs = clock.monotonicMs();
  }

  /** One that has only just said its end is seen so once, and is gone by the next look. */
  #endDisowned(held: readonly Activation[], claimed: readonly Activation[]): void {
    const known = new Set(claimed.map(nameOf));
    const disowned = held.filter((activation) => !known.has(nameOf(activation)));
    for (const activation of disowned) {
      if (!this.#disowned.has(nameOf(activation))) continue;
      this.#options.activations.abort(activation.runId, activation.epoch, "Its run was ended by somebody.");
    }
    this.#disowned = new Set(disowned.map(nameOf));
  }
}
