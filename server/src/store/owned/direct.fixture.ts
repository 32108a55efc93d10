import { Bell } from "../remote/bell.ts";
import { PendingCalls } from "../remote/pending.ts";
import type { StoreLink } from "../remote/remote-store.ts";
import type { StoreRequest } from "../remote/wire.ts";
import type { RingTopic, StoreVerb } from "../store.ts";
import type { Keeper } from "./keeper.ts";

// For tests: a store's keeper in this thread. It saves each of hundreds of cases the start of a thread of its own.

/** What StoreThread does, without the thread. */
export class DirectLink implements StoreLink {
  readonly #keeper: Keeper;
  readonly #clock: { now(): number };
  readonly #calls: PendingCalls;
  readonly #bell = new Bell();
  #last: Promise<void> = Promise.resolve();
  ended = false;

  constructor(keeper: Keeper, clock: { now(): number }) {
    this.#keeper = keeper;
    this.#clock = clock;
    this.#calls = new PendingCalls((requests) => {
      // Through text, as between threads.
      const sent = JSON.parse(JSON.stringify(requests)) as typeof requests;
      this.#last = this.#last.then(() => this.#carryOut(sent));
    });
  }

  call(verb: StoreVerb, args: unknown, remote = false): Promise<unknown> {
    return this.#calls.call(verb, args, remote);
  }

  ring(topics: readonly RingTopic[]): void {
    this.#bell.tell(topics);
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    return this.#bell.listen(listener);
  }

  async close(): Promise<void> {
    await this.#calls.answered();
    await this.#last;
    if (!this.ended) this.#keeper.close();
    this.ended = true;
  }

  async #carryOut(requests: readonly StoreRequest[]): Promise<void> {
    const committed = await this.#keeper.carryOut(requests, this.#clock.now());
    const { answers, rings } = JSON.parse(JSON.stringify(committed)) as typeof committed;
    for (const answer of answers) this.#calls.answer(answer);
    this.#bell.tell(rings);
    this.#keeper.tidy?.();
  }
}
