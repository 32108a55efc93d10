import type { PauseTarget, Verdict } from "../../core/index.ts";
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
  const limitRows = chance.happens(0.5) ? 1 + chance.below(3) : 1_000;
  const resume: ControlCall = { verb: "resumeRuns", args: { target, limitRows } };
  const rows = chance.some(2, () => ({
    runId: id,
    fresh: chance.happens(0.5),
    ifAttempt: chance.happens(0.2) ? 1 : null,
    data: { by: "chance" },
  }));
  const error = { code: "marked_failed", message: "It was marked." };
  const verdict = chance.pick<Verdict>([
    { status: "succeeded", output: chance.pick([null, "by hand"]) },
    { status: "failed", error },
    { status: "skipped", error },
  ]);
  return chance.pick<ControlCall>([
    { verb: "restartRuns", args: { rows } },
    { verb: "restartRuns", args: { rows } },
    { verb: "restartRuns", args: { rows } },
    { verb: "markRuns", args: { rows: [{ runId: id, verdict, data: { by: "chance" } }] } },
    { verb: "markRuns", args: { rows: [{ runId: id, verdict, data: { by: "chance" } }] } },
    { verb: "forceEnds", args: { runId: id, limitRows } },
    { verb: "pauseRuns", args: { target, reason: chance.happens(0.5) ? "chance" : null } },
    resume,
    resume,
    { verb: "findPauses", args: { runId: id } },
    { verb: "listPauses", args: { namespace, limitRows: 1 + chance.below(5) } },
  ]);
}
