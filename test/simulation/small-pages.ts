import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Store } from "../../server/src/store/store.ts";

/** Trees here are small: an order goes down them in pages all the same. */
export function withSmallPages(store: Store, chance: Chance): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const verb: unknown = Reflect.get(target, name, target);
      if (typeof verb !== "function") return verb;
      if (name !== "orderEnd" && name !== "spreadOrders") return verb.bind(target);
      return (args: object) => verb.call(target, { ...args, limitRows: chance.between(1, 3) }) as unknown;
    },
  });
}
