import type {
  Applied,
  Bulk,
  BulkPage,
  CancelledRun,
  ClearRun,
  DefinitionView,
  DroppedIntents,
  EventPage,
  IntentPage,
  IntentState,
  LimitView,
  LogPage,
  Manifest,
  Marked,
  MarkRun,
  ObligationPage,
  Paused,
  PausedSchedule,
  PausePage,
  PauseView,
  RemovedSchedule,
  Restarted,
  RetriedIntents,
  RetryRun,
  RunPage,
  RunStatus,
  RunView,
  SchedulePage,
  ScheduleSpec,
  ScheduleView,
  ServerView,
  Signalled,
  SignalRun,
  StartedRun,
  StartRun,
  TopicPage,
  Why,
} from "@holdfast/protocol";
import type { AssetsPlane } from "./client-assets.ts";
import type { ExternalJobsPlane } from "./client-external.ts";
import type { StatePlane } from "./client-state.ts";

/** Which runs to list. Without anything: the newest roots. */
export interface RunQuery {
  readonly statuses?: readonly RunStatus[];
  readonly definition?: string;
  /** Only the children of this run. */
  readonly parent?: string;
  /** Only the runs that this key names: one of each definition at most. */
  readonly key?: string;
  /** Only runs that were created from then on; RFC 3339. */
  readonly since?: string;
  /** `roots` (default): only runs without a parent. */
  readonly scope?: "roots" | "all";
  readonly cursor?: string;
  readonly limit?: number;
}

/** Which intents to list. Without anything: those that were rejected. */
export interface IntentQuery {
  readonly state?: IntentState;
  readonly cursor?: string;
  readonly limit?: number;
}

/** Which schedules to list, in the order of their ids. */
export interface ScheduleQuery {
  readonly definition?: string;
  readonly cursor?: string;
  readonly limit?: number;
  /** How many of each one's next ticks; default 1. */
  readonly next?: number;
}

/**
 * What a client asks, by HTTP or of a store in its own process. Calls reject with AppError; those that wait end early with
 * what there is when their signal fires. Ids may be shortened as long as they name one run.
 */
export interface ControlPlane {
  /** `requestKey`: where answers can be lost on their way, a repeat with the same one answers what the first did. */
  startRun(request: StartRun, requestKey: string): Promise<StartedRun>;
  getRun(id: string): Promise<RunView>;
  listRuns(query: RunQuery): Promise<RunPage>;
  /** In the order of creation, from after the run `after`, at most 1,000. */
  listTree(id: string, after?: string): Promise<RunPage>;
  cancelRun(id: string, request?: { reason?: string; force?: boolean }): Promise<CancelledRun>;
  /** What keeps it, and what keeps those that it waits for. */
  explainRun(id: string): Promise<Why>;
  /** The run once it has ended, or as it stands after `waitMs` (at most 30 s). */
  awaitRun(id: string, waitMs: number, signal?: AbortSignal): Promise<RunView>;
  listEvents(id: string, query: { after: number; waitMs: number }, signal?: AbortSignal): Promise<EventPage>;
  listTopic(query: { after: number | "last"; waitMs: number }, signal?: AbortSignal): Promise<TopicPage>;
  listLogs(id: string, query: { cursor?: string; limit?: number }): Promise<LogPage>;
  /** `schedules`: all that the definitions have from now on; without it they stay as they are. */
  apply(manifests: readonly Manifest[], schedules?: readonly ScheduleSpec[]): Promise<Applied>;
  listDefinitions(): Promise<DefinitionView[]>;
  listSchedules(query: ScheduleQuery): Promise<SchedulePage>;
  /** With its next `next` ticks; default 5. */
  getSchedule(id: string, next?: number): Promise<ScheduleView>;
  pauseSchedule(id: string, reason?: string): Promise<PausedSchedule>;
  resumeSchedule(id: string): Promise<PausedSchedule>;
  /** Ends a schedule, until a definition that declares it is applied. */
  removeSchedule(id: string): Promise<RemovedSchedule>;
  /** Starts a run as if a tick were now. `requestKey`: see `startRun`. */
  startSchedule(id: string, requestKey: string): Promise<StartedRun>;
  listLimits(): Promise<LimitView[]>;
  /** In the order in which they were made. `unsupported` where the store keeps none. */
  listIntents(query: IntentQuery): Promise<IntentPage>;
  /** Tries rejected intents again; without ids all of them. */
  retryIntents(ids?: readonly number[]): Promise<RetriedIntents>;
  /** Forgets rejected intents. */
  dropIntents(ids: readonly number[]): Promise<DroppedIntents>;
  /** Tries again what did not succeed. With `attempt`, a repeat does nothing more. */
  retryRun(id: string, request: RetryRun): Promise<Restarted>;
  /** Starts a run again with everything that depends on it. */
  clearRun(id: string, request: ClearRun): Promise<Restarted>;
  /** Sends a signal; the same request again changes nothing. */
  signalRun(id: string, request: SignalRun, requestKey?: string): Promise<Signalled>;
  /** Says how a run ends, or ended. */
  markRun(id: string, request: MarkRun): Promise<Marked>;
  /** One action for a page of the runs that a filter names. */
  controlRuns(request: Bulk): Promise<BulkPage>;
  /** Nothing of it starts until it is resumed. `name`: a run's id, a definition's, or a queue's name. */
  pause(kind: PauseView["kind"], name: string, reason?: string): Promise<Paused>;
  resume(kind: PauseView["kind"], name: string): Promise<Paused>;
  listPauses(query: { kind?: PauseView["kind"]; cursor?: string; limit?: number }): Promise<PausePage>;
  /** What orders to end have still to bring to an end; `run`: of the tree of this run, with those that are met. */
  listObligations(query: { run?: string; limit?: number }): Promise<ObligationPage>;
  /** Jobs in other systems. */
  readonly externalJobs: ExternalJobsPlane;
  /** Values of state of runs, tasks and assets. */
  readonly state: StatePlane;
  readonly assets: AssetsPlane;
  describe(): Promise<ServerView>;
}
