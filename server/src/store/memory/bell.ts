import type { RingTopic } from "../store.ts";

/** The doorbell of one process: what rings in one turn is heard once, after the verb that rang has answered. */
export class Bell {
  readonly #listeners = new Set<(topics: readonly RingTopic[]) => void>();
  #pending = new Set<RingTopic>();

  ring(topics: Iterable<RingTopic>): void {
    const before = this.#pending.size;
    for (const topic of topics) this.#pending.add(topic);
    if (before === 0 && this.#pending.size > 0) queueMicrotask(() => this.#tell());
  }

  listen(listener: (topics: readonly RingTopic[]) => void): () => void {
    // A function of its own, so that the same listener can listen twice and stop once.
    const own = (topics: readonly RingTopic[]) => listener(topics);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  silence(): void {
    this.#listeners.clear();
  }

  #tell(): void {
    const topics = [...this.#pending];
    this.#pending = new Set();
    for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener(topics);
  }
}
