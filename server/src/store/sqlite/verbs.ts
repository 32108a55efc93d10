import { AppError } from "@holdfast/protocol";
import { admitText } from "../admission.ts";
import type { Store, StoreDescription, StoreVerb } from "../store.ts";
import {
  consumeEvents,
  dueConsumers,
  findAsset,
  findConsumer,
  forgetAsset,
  listAssetEvents,
  listAssets,
  noteConsumer,
  pruneAssetEvents,
} from "./assets.ts";
import { measureBacklog } from "./backlog.ts";
import { claimRuns, listClaimed } from "./claims.ts";
import { claimCleanUps } from "./clean-ups.ts";
import { applyManifests, findDefinition, findManifest, listDefinitions } from "./definitions.ts";
import { expandRuns, expireRuns, finishActivations, orderEnd, spreadOrders, wakeRuns } from "./endings.ts";
import { enqueueRuns } from "./enqueue.ts";
import { selectEvents, selectTopic } from "./events.ts";
import { forceEnds, forceOverdue } from "./forcing.ts";
import { declareLimits, findLimit, listLimits } from "./gates.ts";
import { claimJobs, findJob, listJobs, listTracked, noteJobs } from "./jobs.ts";
import { findKeyedRuns } from "./keys.ts";
import { findRunIds, findScopes, listChildOutputs, listEnded, listRuns, listTree, listUpstreams } from "./lists.ts";
import { appendLogs, listLogs } from "./logs.ts";
import { joinMember, judgeMembers, leaveMember, listMembers, renewMember } from "./members.ts";
import { announceObjects, condemnObjects, forgetObjects, knownObjects } from "./objects.ts";
import { listObligations, listOwed, noteObligations } from "./obligations.ts";
import { findPauses, listPauses, pauseRuns, resumeRuns } from "./pauses.ts";
import { prune } from "./prune.ts";
import { carryOutOnce, findAnswer } from "./requests.ts";
import { markRuns, restartRuns } from "./restarts.ts";
import { findRun } from "./run-rows.ts";
import {
  declareSchedules,
  dueSchedules,
  findSchedule,
  fireSchedules,
  listSchedules,
  pauseSchedule,
  removeSchedule,
} from "./schedules.ts";
import { listState, readState, sweepState, transactState } from "./state.ts";
import { commitSteps, listSteps } from "./steps.ts";
import type { Turn } from "./turn.ts";
import { listSignals, listWaits, openWaits, signalRun } from "./waits.ts";

/** Every verb but `describe`, which is the database's own to answer. */
type TurnVerb = Exclude<StoreVerb, "describe">;

type Verbs = {
  readonly [V in TurnVerb]: (turn: Turn, args: Parameters<Store[V]>[0]) => Awaited<ReturnType<Store[V]>>;
};

const verbs: Verbs = {
  applyManifests,
  findDefinition,
  listDefinitions,
  findManifest,
  enqueueRuns,
  claimRuns,
  claimCleanUps,
  finishActivations,
  commitSteps,
  transactState,
  readState,
  listState,
  sweepState,
  listAssets,
  findAsset,
  listAssetEvents,
  dueConsumers,
  findConsumer,
  consumeEvents,
  noteConsumer,
  pruneAssetEvents,
  forgetAsset,
  announceObjects,
  condemnObjects,
  forgetObjects,
  knownObjects,
  appendLogs,
  expandRuns,
  openWaits,
  signalRun,
  listWaits,
  listSignals,
  claimJobs,
  listTracked,
  noteJobs,
  listJobs,
  findJob,
  orderEnd,
  spreadOrders,
  listOwed,
  noteObligations,
  listObligations,
  listClaimed,
  wakeRuns,
  expireRuns,
  findRun: ({ db }, { id }) => findRun(db, id),
  findRunIds,
  findKeyedRuns,
  listEnded,
  listRuns,
  listTree,
  findScopes,
  listChildOutputs,
  listUpstreams,
  listSteps,
  declareLimits,
  listLimits,
  findLimit,
  restartRuns,
  markRuns,
  forceEnds,
  forceOverdue,
  pauseRuns,
  resumeRuns,
  listPauses,
  findPauses,
  declareSchedules,
  listSchedules,
  findSchedule,
  dueSchedules,
  fireSchedules,
  pauseSchedule,
  removeSchedule,
  carryOutOnce: (turn, args) => carryOutOnce(turn, args, (verb, given) => run(turn, verb, given)),
  findAnswer: (turn, args) => {
    const known = findAnswer(turn, args);
    return known === undefined ? undefined : { hash: known.hash, answer: known.answer };
  },
  joinMember: (turn, args) => {
    admitText([args]);
    return joinMember(turn, args);
  },
  renewMember,
  leaveMember,
  judgeMembers,
  listMembers,
  measureBacklog,
  listEvents: ({ db }, args) => selectEvents(db, args),
  // Positions are given out in the commit itself: see events.ts.
  sequenceEvents: () => ({ moved: 0, more: false }),
  listTopic: ({ db }, args) => selectTopic(db, args),
  listLogs,
  prune,
};

/** Carries out one verb. `describe` answers the description given. */
export function runVerb(turn: Turn, verb: StoreVerb, args: unknown, description: StoreDescription): unknown {
  if (verb === "describe") return { ...description, now: turn.now };
  return run(turn, verb, args);
}

function run(turn: Turn, verb: TurnVerb, args: unknown): unknown {
  const carry = verbs[verb] as ((turn: Turn, args: unknown) => unknown) | undefined;
  if (carry === undefined) throw new AppError("invalid_request", `A store has no verb ${String(verb)}.`);
  return carry(turn, args);
}
