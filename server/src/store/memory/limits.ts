import { handOut } from "../../core/index.ts";
import type { Store } from "../store.ts";
import type { Memory } from "./memory.ts";

/** See `Store.declareLimits`. */
export function declareLimits(memory: Memory, { limits, withdrawn }: Parameters<Store["declareLimits"]>[0]): void {
  const { slots, bell } = memory;
  for (const id of withdrawn) slots.withdraw(id);
  for (const limit of limits) slots.resize({ ...limit, declared: true });
  if (handOut(slots, [...limits.map(({ id }) => id), ...withdrawn], memory.now()).admitted > 0) bell.ring(["ready"]);
}
