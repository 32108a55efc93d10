import type { Logger } from "../log.ts";
import type { Consuming } from "../operations/consuming.ts";
import type { Loop } from "./loop.ts";

/** Consumers that are looked at together. */
const limitRows = 20;
/** Until the next look when others are at what is due. */
const othersMs = 20;

/** Starts runs of definitions that wait for events of assets. Any number of nodes do it: whose step comes first has the events. */
export class Starter implements Loop {
  readonly name = "starter";
  readonly #consuming: Consuming;
  readonly #log: Logger;
  readonly #pollMs: number;

  constructor({ consuming, log, pollMs }: { consuming: Consuming; log: Logger; pollMs: number }) {
    this.#consuming = consuming;
    this.#log = log;
    this.#pollMs = pollMs;
  }

  async tick(): Promise<number> {
    const { started, stale, problems } = await this.#consuming.consumeDue(limitRows);
    for (const { definition, problem } of problems)
      this.#log.warn({ definition, problem }, `Events wait for "${definition}", and no run of it can be started.`);
    // More may have come than one run takes.
    if (started > 0) return 0;
    return stale > 0 ? othersMs : this.#pollMs;
  }
}
