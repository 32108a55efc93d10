import { setTimeout as delay } from "node:timers/promises";
import { isAppError, type TopicEvent } from "@holdfast/protocol";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Store } from "../../server/src/store/store.ts";

export const namespace = "default";

/** Events that end a run. */
export const endings: readonly string[] = ["run.succeeded", "run.failed", "run.cancelled", "run.skipped"];

/** Reads a topic from its beginning, as a consumer would, while the store comes and goes. */
export class TopicReader {
  /** What it saw, in its order. */
  readonly events: TopicEvent[] = [];
  /** Roots of which it saw the end, but for those that a schedule started. */
  endedRoots = 0;
  position = 0;
  readonly #store: Store;
  readonly #chance: Chance;
  readonly #closed: () => boolean;

  constructor(options: { store: Store; chance: Chance; closed: () => boolean }) {
    this.#store = options.store;
    this.#chance = options.chance;
    this.#closed = options.closed;
  }

  async read(): Promise<void> {
    while (!this.#closed()) {
      const limitRows = this.#chance.between(1, 200);
      const page = await patiently(this.#closed, () =>
        this.#store.listTopic({ namespace, after: this.position, limitRows }),
      );
      this.events.push(...page.events);
      const ended = page.events.filter(({ runId, rootId, type, definition }) => {
        return runId === rootId && endings.includes(type) && definition !== "pulse";
      });
      this.endedRoots += ended.length;
      this.position = page.events.at(-1)?.position ?? this.position;
      if (page.events.length === 0) await delay(100);
    }
  }
}

/** Asks again while the store is away, until all is over. */
export async function patiently<T>(isOver: () => boolean, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isAppError(error, "store_unavailable") || isOver()) throw error;
      await delay(50);
    }
  }
}
