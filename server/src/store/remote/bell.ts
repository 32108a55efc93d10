import type { RingTopic } from "../store.ts";

/** Listeners for rings in this process. */
export class Bell {
  readonly #listeners = new Set<(topics: readonly RingTopic[]) => void>();

  tell(topics: readonly RingTopic[]): void {
    if (topics.length === 0) return;
    for (const listener of [...this.#listeners]) listener(topics);
  }

  /** Answers the way to stop. */
  listen(listener: (topics: readonly RingTopic[]) => void): () => void {
    // A function of its own, so that the same listener can listen twice and stop once.
    const own = (topics: readonly RingTopic[]) => listener(topics);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  silence(): void {
    this.#listeners.clear();
  }
}
