import { AppError, type ErrorCode, errorCodes, isAppError } from "@holdfast/protocol";
import { z } from "zod";
import type { RingTopic, StoreVerb } from "../store.ts";

// What travels between a store and those who reach it through a thread's port or a socket: JSON, one message a line on a
// socket. Both ends are this same code, on one machine and of one user; so frames are checked and arguments are trusted.

/** Rises when a message changes its meaning; ends of different versions refuse each other. */
export const storeWireVersion = 1;
/** Bounds one message: a batch of the largest rows. */
export const storeFrameBytes = 256 * 1024 * 1024;

/** Every verb, as a table so that a new one is not forgotten here. */
const verbTable = {
  describe: true,
  applyManifests: true,
  findDefinition: true,
  listDefinitions: true,
  findManifest: true,
  enqueueRuns: true,
  claimRuns: true,
  claimCleanUps: true,
  finishActivations: true,
  commitSteps: true,
  appendLogs: true,
  expandRuns: true,
  orderEnd: true,
  spreadOrders: true,
  listOwed: true,
  noteObligations: true,
  listObligations: true,
  listClaimed: true,
  wakeRuns: true,
  expireRuns: true,
  findRun: true,
  findRunIds: true,
  findKeyedRuns: true,
  listEnded: true,
  listRuns: true,
  listTree: true,
  findScopes: true,
  listChildOutputs: true,
  listSteps: true,
  declareLimits: true,
  listLimits: true,
  findLimit: true,
  restartRuns: true,
  markRuns: true,
  forceEnds: true,
  forceOverdue: true,
  pauseRuns: true,
  resumeRuns: true,
  listPauses: true,
  findPauses: true,
  declareSchedules: true,
  listSchedules: true,
  findSchedule: true,
  dueSchedules: true,
  fireSchedules: true,
  pauseSchedule: true,
  removeSchedule: true,
  carryOutOnce: true,
  findAnswer: true,
  joinMember: true,
  renewMember: true,
  leaveMember: true,
  judgeMembers: true,
  listMembers: true,
  measureBacklog: true,
  listUpstreams: true,
  listEvents: true,
  sequenceEvents: true,
  listTopic: true,
  listLogs: true,
  openWaits: true,
  signalRun: true,
  listWaits: true,
  listSignals: true,
  claimJobs: true,
  listTracked: true,
  noteJobs: true,
  listJobs: true,
  findJob: true,
  transactState: true,
  readState: true,
  listState: true,
  sweepState: true,
  listAssets: true,
  findAsset: true,
  listAssetEvents: true,
  dueConsumers: true,
  findConsumer: true,
  consumeEvents: true,
  noteConsumer: true,
  pruneAssetEvents: true,
  forgetAsset: true,
  announceObjects: true,
  condemnObjects: true,
  forgetObjects: true,
  knownObjects: true,
  prune: true,
} as const satisfies Record<StoreVerb, true>;

export const storeVerbs = Object.keys(verbTable) as StoreVerb[];

/** A call of a verb. */
export interface StoreRequest {
  readonly id: number;
  readonly verb: StoreVerb;
  readonly args?: unknown;
  /** Set by an owner for what came through its socket. */
  readonly remote?: boolean;
}

export interface StoreFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly details?: unknown;
}

/** The answer to the request of that id; no `result`: undefined. */
export interface StoreAnswer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: StoreFailure | undefined;
}

const topicSchema = z.enum(["ready", "cancelling", "ended", "events", "jobs", "assets"] satisfies RingTopic[]);
const codeSchema = z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]);
const failureSchema = z.object({
  code: codeSchema,
  message: z.string(),
  hint: z.string().optional(),
  details: z.unknown().optional(),
});
const helloSchema = z.object({ hello: z.object({ version: z.number().int(), pid: z.number().int().positive() }) });
const ringSchema = z.object({ ring: z.array(topicSchema) });

/** What a client sends: `hello` first. */
export const clientFrameSchema = z.union([
  helloSchema,
  ringSchema,
  z.object({
    id: z.number().int(),
    verb: z.enum(storeVerbs as [StoreVerb, ...StoreVerb[]]),
    args: z.unknown().optional(),
  }),
]);
export type ClientFrame = z.infer<typeof clientFrameSchema>;

/** What a client hears: `hello` or `refused` first. */
export const serverFrameSchema = z.union([
  helloSchema,
  ringSchema,
  z.object({ refused: failureSchema }),
  z.object({ id: z.number().int(), result: z.unknown().optional(), error: failureSchema.optional() }),
]);
export type ServerFrame = z.infer<typeof serverFrameSchema>;

/** A failure as it travels. What is no AppError is a bug, and its text is all that is told of it. */
export function failureOf(error: unknown): StoreFailure {
  if (isAppError(error)) {
    const { code, message, hint, details } = error;
    return { code, message, hint, details };
  }
  return { code: "internal", message: `The store failed: ${error instanceof Error ? error.message : String(error)}` };
}

/** The AppError that a failure was. */
export function errorOf({ code, message, hint, details }: StoreFailure): AppError {
  return new AppError(code, message, { ...(hint === undefined ? {} : { hint }), details });
}
