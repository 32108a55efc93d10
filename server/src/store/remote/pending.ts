import type { StoreVerb } from "../store.ts";
import { errorOf, type StoreAnswer, type StoreRequest } from "./wire.ts";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Calls under way: numbers them, sends those of one turn of the event loop together, and hands answers out. */
export class PendingCalls {
  readonly #send: (requests: readonly StoreRequest[]) => void;
  readonly #waiting = new Map<number, Waiting>();
  #unsent: StoreRequest[] = [];
  #lastId = 0;
  readonly #idle: (() => void)[] = [];

  constructor(send: (requests: readonly StoreRequest[]) => void) {
    this.#send = send;
  }

  call(verb: StoreVerb, args: unknown, remote: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#lastId += 1;
      this.#waiting.set(this.#lastId, { resolve, reject });
      this.#unsent.push({ id: this.#lastId, verb, args, ...(remote ? { remote } : {}) });
      // After the callbacks of this turn, so that what was asked together shares one commit.
      if (this.#unsent.length === 1) setImmediate(() => this.#flush());
    });
  }

  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  answer({ id, result, error }: StoreAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(errorOf(error));
    if (this.#waiting.size === 0) this.#tellIdle();
  }

  /** Resolves once every call has its answer. */
  answered(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Rejects everything that has no answer. */
  abandon(error: unknown): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#unsent = [];
    for (const { reject } of waiting) reject(error);
    this.#tellIdle();
  }

  #tellIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #flush(): void {
    const requests = this.#unsent;
    this.#unsent = [];
    if (requests.length === 0) return;
    try {
      this.#send(requests);
    } catch (error) {
      // One that cannot be sent, since it is too large, is not the others' loss.
      if (requests.length > 1) for (const request of requests) this.#sendAlone(request);
      else this.#refuse(requests, error);
    }
  }

  #sendAlone(request: StoreRequest): void {
    try {
      this.#send([request]);
    } catch (error) {
      this.#refuse([request], error);
    }
  }

  #refuse(requests: readonly StoreRequest[], error: unknown): void {
    for (const { id } of requests) {
      this.#waiting.get(id)?.reject(error);
      this.#waiting.delete(id);
    }
    if (this.#waiting.size === 0) this.#tellIdle();
  }
}
