import { admitMarks, admitRestarts, admitText } from "../admission.ts";
import { admitNotes } from "../job-admission.ts";
import { admitState } from "../state-admission.ts";
import type { KeptAnswer, OnceCall, OnceResult, OnceVerb, RequestName, Store } from "../store.ts";
import { orderEnd } from "./endings.ts";
import { forceEnds } from "./forcing.ts";
import { noteJobs } from "./jobs.ts";
import { kept } from "./kept.ts";
import type { Memory } from "./memory.ts";
import { partName } from "./names.ts";
import { pauseRuns, resumeRuns } from "./pausing.ts";
import { markRuns, restartRuns } from "./restarting.ts";
import { pauseSchedule, removeSchedule } from "./schedules.ts";
import { transactState } from "./state.ts";

type Control = {
  readonly [V in OnceVerb]: (memory: Memory, args: Parameters<Store[V]>[0]) => Awaited<ReturnType<Store[V]>>;
};

/** The verbs by which people control runs, each at once. */
export const control: Control = {
  orderEnd: (memory, args) => {
    admitText([args]);
    return orderEnd(memory, kept(args));
  },
  forceEnds,
  restartRuns: (memory, { rows }) => {
    admitRestarts(rows);
    return restartRuns(memory, kept(rows));
  },
  markRuns: (memory, { rows }) => {
    admitMarks(rows);
    return markRuns(memory, kept(rows));
  },
  pauseRuns: (memory, args) => {
    admitText([args]);
    return pauseRuns(memory, args);
  },
  resumeRuns,
  pauseSchedule: (memory, args) => {
    admitText([args]);
    return pauseSchedule(memory, args);
  },
  removeSchedule,
  transactState: (memory, { rows }) => {
    admitState(rows);
    return transactState(memory, kept(rows));
  },
  noteJobs: (memory, { rows }) => {
    admitNotes(rows);
    return noteJobs(memory, kept(rows));
  },
};

export function carryOutOnce(memory: Memory, { request, call }: { request: RequestName; call: OnceCall }): OnceResult {
  admitText([request]);
  const known = memory.names.find(partName(request));
  if (known !== undefined) {
    if (known.hash !== request.hash || known.answer === undefined) return { outcome: "request_conflict" };
    return { outcome: "repeated", answer: JSON.parse(known.answer).answer };
  }
  const carry = call.verb === "keep" ? undefined : (control[call.verb] as (memory: Memory, args: unknown) => unknown);
  const answer = carry === undefined ? call.args : carry(memory, call.args);
  memory.names.keep(partName(request), request, { runId: "", answer: JSON.stringify({ answer }) }, memory.now());
  return { outcome: "done", answer };
}

export function findAnswer(
  { names }: Memory,
  name: Pick<RequestName, "namespace" | "key" | "part">,
): KeptAnswer | undefined {
  const known = names.find(partName(name));
  if (known === undefined) return undefined;
  return { hash: known.hash, answer: known.answer === undefined ? undefined : JSON.parse(known.answer).answer };
}
