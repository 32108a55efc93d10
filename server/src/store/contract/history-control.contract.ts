import type { PauseTarget, Verdict } from "../../core/index.ts";
import type { StoreVerb } from "../store.ts";
import type { Chance } from "./chance.contract.ts";
import { hourMs, namespace } from "./world.contract.ts";

/** What a call is about. */
interface About {
  readonly id: string;
  readonly epoch: number;
  readonly memberId: string;
  /** Whether anything may be paused. */
  readonly pauses: boolean;
}

const onceVerbs: ReadonlySet<string> = new Set(["forceEnds", "restartRuns", "markRuns", "pauseRuns", "resumeRuns"]);

interface ControlCall {
  readonly verb: StoreVerb;
  readonly args: object;
}

/** A call by which somebody controls runs, mostly about the run of this id. */
export function controlCall(chance: Chance, about: About): ControlCall {
  const call = drawCall(chance, about);
  if (!chance.happens(0.3) || !onceVerbs.has(call.verb)) return call;
  const request = {
    ...{ namespace, key: `once${chance.below(4)}`, part: chance.pick(["", "", "1"]) },
    ...{ hash: chance.pick(["h1", "h1", "h2"]), retentionMs: chance.pick([1, hourMs]) },
  };
  return { verb: "carryOutOnce", args: { request, call } };
}

function drawCall(chance: Chance, { id, epoch, memberId, pauses }: About): ControlCall {
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
    live: chance.happens(0.5),
    ifAttempt: chance.happens(0.2) ? 1 : null,
    data: { by: "chance" },
  }));
  const error = { code: "marked_failed", message: "It was marked." };
  const verdict = chance.pick<Verdict>([
    { status: "succeeded", output: chance.pick([null, "by hand"]) },
    { status: "failed", error },
    { status: "skipped", error },
  ]);
  const pausing: ControlCall[] = [
    { verb: "pauseRuns", args: { target, reason: chance.happens(0.5) ? "chance" : null } },
    resume,
    resume,
    { verb: "findPauses", args: { runId: id } },
    { verb: "listPauses", args: { namespace, limitRows: 1 + chance.below(5) } },
  ];
  // Its obligation is of the epoch before, where it was forced to end.
  const name = { kind: "activation", runId: id, subject: String(epoch - chance.below(2)) };
  const note = chance.happens(0.5)
    ? { ...name, outcome: "met" }
    : { ...name, outcome: "tried", error: chance.happens(0.5) ? "It still runs." : null };
  return chance.pick<ControlCall>([
    { verb: "restartRuns", args: { rows } },
    { verb: "restartRuns", args: { rows } },
    { verb: "restartRuns", args: { rows } },
    { verb: "markRuns", args: { rows: [{ runId: id, verdict, data: { by: "chance" } }] } },
    { verb: "markRuns", args: { rows: [{ runId: id, verdict, data: { by: "chance" } }] } },
    { verb: "forceEnds", args: { runId: id, limitRows } },
    { verb: "forceOverdue", args: { afterMs: chance.pick([0, hourMs]), limitRows: 1_000 } },
    { verb: "noteObligations", args: { rows: [note, note].slice(0, 1 + chance.below(2)) } },
    { verb: "listOwed", args: { memberId, kind: "activation", limitRows: 1_000 } },
    ...(pauses ? pausing : []),
  ]);
}
