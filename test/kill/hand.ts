import { setTimeout as delay } from "node:timers/promises";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Root } from "./campaign-options.ts";
import type { Pausable } from "./node.ts";
import type { Workload } from "./workload.ts";

/** Something is paused for a moment and resumed: it takes longer, but nothing may end otherwise for it, or stay where it stood. */
export async function holdUp(
  { chance, roots, workload }: { chance: Chance; roots: readonly Root[]; workload: Workload },
  insist: (question: { readonly pause: Pausable } | { readonly resume: Pausable }) => Promise<unknown>,
): Promise<void> {
  const root = roots.findLast(({ id }) => id !== undefined);
  const target = chance.pick<Pausable>([
    { kind: "queue", name: "default" },
    { kind: "definition", name: chance.pick(["unit", ...workload.flows]) },
    { kind: "run", name: root?.id ?? "" },
  ]);
  if (target.name === "") return;
  await insist({ pause: target });
  await delay(chance.between(20, 400));
  await insist({ resume: target });
}
