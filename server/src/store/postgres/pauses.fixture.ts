import { EventEmitter, once } from "node:events";

/** Stops a store's connections before statements of a name, so that a test decides who comes first. */
export class Pauses {
  readonly #events = new EventEmitter();
  readonly #armed = new Map<string, () => Promise<void>>();

  /** For the store's option of that name. */
  readonly beforeStatement = async (name: string): Promise<void> => {
    const pause = this.#armed.get(name);
    if (pause === undefined) return;
    this.#armed.delete(name);
    await pause();
  };

  /** The next statement of this name waits until `resume`. `reached` resolves once it does. */
  at(name: string): { readonly reached: Promise<unknown>; resume(): void } {
    const reached = once(this.#events, `reached ${name}`);
    const resumed = once(this.#events, `resume ${name}`);
    this.#armed.set(name, async () => {
      this.#events.emit(`reached ${name}`);
      await resumed;
    });
    return { reached, resume: () => void this.#events.emit(`resume ${name}`) };
  }
}
