import type { Clock } from "../clock.ts";
import type { ObligationRow } from "../core/index.ts";
import type { ObligationNote, Store } from "../store/store.ts";
import type { Activations } from "./activations.ts";
import type { Loop } from "./loop.ts";
import type { Membership } from "./membership.ts";

const limitRows = 1_000;
/** So long a run waits for its activation to end; then it ends without it, and what its member owes stays (P6). */
const patienceMs = 24 * 3_600_000;
/** How often it is looked for runs that have waited so long, and how often a try that did not help is written down. */
const reviewMs = 60_000;

/** Whoever knows of claims of this node whose answer is still to come. */
export interface Claims {
  /** True while the answer to a claim that may be of this run is on its way. */
  isExpecting(runId: string): boolean;
}

export interface CancellerOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly activations: Activations;
  readonly claims: Claims;
  readonly clock: Clock;
  readonly pollMs: number;
}

/**
 * Hands orders on to what lies below the runs that they were given for, a page a tick, whoever took the order; and meets what this
 * node owes: its activations that are to end are told so again and again, until they have ended. That of a run that waits for it is
 * met by the commit of its end; for a run that was ended by force it is met here, once nothing of it is left (P6).
 */
export class Canceller implements Loop {
  readonly name = "canceller";
  readonly #options: CancellerOptions;
  /** When a try was written down last, by activation. */
  #noted = new Map<string, number>();
  #reviewedMs = Number.NEGATIVE_INFINITY;

  constructor(options: CancellerOptions) {
    this.#options = options;
  }

  async tick(): Promise<number> {
    const { store, pollMs } = this.#options;
    const { more } = await store.spreadOrders({ limitRows });
    await this.#meetOwn();
    const isReviewed = await this.#review();
    return more || !isReviewed ? 0 : pollMs;
  }

  /** Ends runs that have waited too long, whosever they are. False when others are left. */
  async #review(): Promise<boolean> {
    const { store, clock } = this.#options;
    if (clock.monotonicMs() - this.#reviewedMs < reviewMs) return true;
    const { more } = await store.forceOverdue({ afterMs: patienceMs, limitRows });
    if (!more) this.#reviewedMs = clock.monotonicMs();
    return !more;
  }

  async #meetOwn(): Promise<void> {
    const { store, membership } = this.#options;
    const memberId = membership.id;
    if (memberId === undefined) return;
    const noted = new Map<string, number>();
    const owed = await store.listOwed({ memberId, kind: "activation", limitRows });
    const rows = owed.flatMap((obligation) => this.#meet(obligation, noted) ?? []);
    this.#noted = noted;
    if (rows.length > 0) await store.noteObligations({ rows });
  }

  #meet({ runId, subject, reason, forcedAt }: ObligationRow, noted: Map<string, number>): ObligationNote | undefined {
    const { activations, claims, clock } = this.#options;
    const name = { kind: "activation", runId, subject } as const;
    const epoch = Number(subject);
    if (!activations.isUnderWay(runId, epoch)) {
      // One that was claimed and is not known of here yet would still be begun.
      return forcedAt === null || claims.isExpecting(runId) ? undefined : { ...name, outcome: "met" };
    }
    activations.abort(runId, epoch, reason);
    const place = `${runId}@${subject}`;
    const lastMs = this.#noted.get(place);
    const now = clock.monotonicMs();
    if (lastMs !== undefined && now - lastMs < reviewMs) {
      noted.set(place, lastMs);
      return undefined;
    }
    noted.set(place, now);
    const error = lastMs === undefined ? null : "It was told to end, and still runs.";
    return { ...name, outcome: "tried", error };
  }
}
