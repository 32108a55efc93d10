import type { PauseTarget } from "../../core/index.ts";
import type { StoreVerb } from "../store.ts";
import type { Chance } from "./chance.contract.ts";
import { namespace } from "./world.contract.ts";

interface ControlCall {
  readonly verb: StoreVerb;
  readonly args: object;
}

/** A call by which somebody controls runs, mostly about the run of this id. */
export function controlCall(chance: Chance, id: string): ControlCall {
  const target = chance.pick<PauseTarget>([
    { namespace, kind: "run", name: id },
    { namespace, kind: "run", name: id },
    { namespace, kind: "definition", name: chance.pick(["extract", "load"]) },
    { namespace, kind: "queue", name: chance.pick(["a", "b"]) },
  ]);
  const limitRows = chance.likely(0.5) ? 1 + chance.below(3) : 1_000;
  const resume: ControlCall = { verb: "resumeRuns", args: { target, limitRows } };
  return chance.pick<ControlCall>([
    { verb: "pauseRuns", args: { target, reason: chance.likely(0.5) ? "chance" : null } },
    resume,
    resume,
    { verb: "findPauses", args: { runId: id } },
    { verb: "listPauses", args: { namespace, limitRows: 1 + chance.below(5) } },
  ]);
}
