import { isAppError } from "@holdfast/protocol";
import type { Logger } from "../log.ts";
import type { Store } from "../store/store.ts";
import type { Loop } from "./loop.ts";
import type { Membership } from "./membership.ts";

const limitRows = 500;

/** Takes over the runs of members whose lease has run out. Whether this node may judge, the store knows (core/presence.ts). */
export class Rescuer implements Loop {
  readonly name = "rescuer";
  readonly #store: Store;
  readonly #membership: Membership;
  readonly #log: Logger;
  readonly #periodMs: number;

  constructor(options: { store: Store; membership: Membership; log: Logger; leaseMs: number }) {
    this.#store = options.store;
    this.#membership = options.membership;
    this.#log = options.log;
    this.#periodMs = options.leaseMs / 3;
  }

  async tick(): Promise<number> {
    const by = this.#membership.id;
    if (by === undefined) return this.#periodMs;
    let verdict: Awaited<ReturnType<Store["judgeMembers"]>>;
    try {
      verdict = await this.#store.judgeMembers({ by, limitRows });
    } catch (error) {
      if (!isAppError(error, "member_gone")) throw error;
      this.#membership.lose(by);
      return this.#periodMs;
    }
    const { judged, taken, more } = verdict;
    if (judged.length > 0) this.#log.warn({ judged }, "Members whose lease ran out are gone.");
    if (taken > 0) this.#log.warn({ taken }, "Took over runs of members that are gone.");
    return more ? 0 : this.#periodMs;
  }
}
