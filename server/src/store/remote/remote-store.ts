import type { RingTopic, Store, StoreVerb } from "../store.ts";
import { storeVerbs } from "./wire.ts";

/** How a store that is somewhere else is reached. */
export interface StoreLink {
  /** True once no call can be answered any more. */
  readonly ended: boolean;
  /** Carries a call there and its answer back; `remote`: for another process. Rejects with AppErrors. */
  call(verb: StoreVerb, args: unknown, remote?: boolean): Promise<unknown>;
  ring(topics: readonly RingTopic[]): void;
  onRing(listener: (topics: readonly RingTopic[]) => void): () => void;
  close(): Promise<void>;
}

/** The store at the other end of a link: each verb is a message there and an answer back. */
export function remoteStore(link: StoreLink): Store {
  const verbs = Object.fromEntries(storeVerbs.map((verb) => [verb, (args: unknown) => link.call(verb, args)]));
  return {
    // The answers are what the same verb of the store at the other end returned.
    ...(verbs as unknown as Pick<Store, StoreVerb>),
    ring: (topics) => link.ring(topics),
    onRing: (listener) => link.onRing(listener),
    close: () => link.close(),
  };
}
