import { AppError } from "@holdfast/protocol";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { RingTopic, Store } from "../../server/src/store/store.ts";
import type { VirtualClock } from "../../server/src/testing/virtual-clock.ts";
import type { Machine } from "./machine.ts";

/** What can go wrong between a process and the store. Probabilities are per call. */
export interface Weather {
  /** The call never reaches the store. */
  readonly lost: number;
  /** The store does it, the answer is lost. */
  readonly unanswered: number;
  /** The store does it twice. */
  readonly doubled: number;
  readonly longestDelayMs: number;
  /** A ring that nobody hears. 1: the doorbell is dead. */
  readonly deaf: number;
}

/** Whether the store is away for everybody. */
export interface Outage {
  away: boolean;
}

export interface LinkOptions {
  readonly store: Store;
  readonly world: VirtualClock;
  readonly machine: Machine;
  readonly chance: Chance;
  readonly weather: Weather;
  readonly outage: Outage;
}

/** The store as one process reaches it, through bad weather. */
export function link({ store, world, machine, chance, weather, outage }: LinkOptions): Store {
  const call = async (name: string, verb: (args: unknown) => Promise<unknown>, args: unknown): Promise<unknown> => {
    await world.sleep(chance.between(0, weather.longestDelayMs));
    if (ofActivations.has(name)) machine.reach("asked");
    await machine.pass();
    if (outage.away || chance.happens(weather.lost)) throw away();
    if (chance.happens(weather.doubled)) await verb(args);
    const answer = await verb(args);
    if (ofActivations.has(name)) machine.reach("done");
    await world.sleep(chance.between(0, weather.longestDelayMs));
    await machine.pass();
    if (chance.happens(weather.unanswered)) throw away();
    return answer;
  };
  const ownMethods: Partial<Store> = {
    close: () => Promise.resolve(),
    ring: (topics) => store.ring(topics),
    onRing: (listener) =>
      store.onRing((topics: readonly RingTopic[]) => {
        if (!machine.dead && !chance.happens(weather.deaf)) void machine.pass().then(() => listener(topics));
      }),
  };
  return new Proxy(store, {
    get(target, name) {
      const own: unknown = Reflect.get(ownMethods, name);
      if (own !== undefined) return own;
      const verb: unknown = Reflect.get(target, name, target);
      if (typeof verb !== "function") return verb;
      return (args: unknown) => call(String(name), (sent) => Promise.resolve(verb.call(target, sent)), args);
    },
  });
}

const ofActivations: ReadonlySet<string> = new Set([
  "claimRuns",
  "claimCleanUps",
  "finishActivations",
  "commitSteps",
  "expandRuns",
]);

function away(): AppError {
  return new AppError("store_unavailable", "The store is away.");
}
