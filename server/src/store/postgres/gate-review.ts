import { handOut } from "./gates.ts";
import { endStarts } from "./rates.ts";
import type { Runner } from "./session.ts";

/** Starts that are looked at together. */
const mostStarts = 1_000;

/**
 * Looks at gates again once a transaction that touched them has committed. Two transactions at the same time, one that frees a
 * slot and one that puts a run in line, do not see each other; whichever commits last sees both here. A review that is lost
 * with its process is made good by the timer.
 */
export class GateReview {
  readonly #db: Runner;
  readonly #onAdmitted: () => void;
  readonly #pending = new Set<string>();
  #isStarts = false;
  #running: Promise<void> | undefined;

  constructor(options: { db: Runner; onAdmitted: () => void }) {
    this.#db = options.db;
    this.#onAdmitted = options.onAdmitted;
  }

  /** Never waits and never fails. */
  request(limitIds: Iterable<string>): void {
    for (const id of limitIds) this.#pending.add(id);
    this.#start();
  }

  /** Likewise: starts are over, and what they held is to be handed on. */
  requestStarts(): void {
    this.#isStarts = true;
    this.#start();
  }

  #start(): void {
    this.#running ??= this.#review().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when what was asked for until now has been looked at. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async close(): Promise<void> {
    this.#pending.clear();
    this.#isStarts = false;
    await this.#running;
  }

  async #review(): Promise<void> {
    while (this.#pending.size > 0 || this.#isStarts) {
      const limitIds = [...this.#pending];
      this.#pending.clear();
      try {
        if (this.#isStarts) await this.#endStarts();
        if (limitIds.length === 0) continue;
        const [row] = await handOut(this.#db, limitIds);
        if ((row?.admitted ?? 0) > 0) this.#onAdmitted();
        if (row?.more === true) for (const id of limitIds) this.#pending.add(id);
      } catch {
        // The store is away: the timer looks at every gate.
      }
    }
  }

  async #endStarts(): Promise<void> {
    this.#isStarts = false;
    const [row] = await endStarts(this.#db, mostStarts);
    if ((row?.admitted ?? 0) > 0) this.#onAdmitted();
    if (row?.more === true || row?.freed === mostStarts) this.#isStarts = true;
  }
}
