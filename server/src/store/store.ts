import type { Json, LogLine, Manifest, RunEvent, RunStatus, StepRecord, TopicEvent } from "@holdfast/protocol";
import type {
  Aftermath,
  Ending,
  Expansion,
  Finish,
  FinishResult,
  MarkOrder,
  MarkResult,
  RestartOrder,
  RestartResult,
  RunRow,
} from "../core/index.ts";
import type { Applying, MemoryVerbs } from "./asset-verbs.ts";
import type { EnqueueResult, EnqueueRow } from "./enqueue-rows.ts";
import type { JobVerbs } from "./job-verbs.ts";
import type { KeyVerbs } from "./key-verbs.ts";
import type { ObligationVerbs } from "./obligation-verbs.ts";
import type { PauseVerbs } from "./pause-verbs.ts";
import type { KeptAnswer, OnceResult, RequestName } from "./request-verbs.ts";
import type { ScheduleVerbs } from "./schedule-verbs.ts";
import type { WaitVerbs } from "./wait-verbs.ts";

export type { ConsumerDetail, ConsumingResult, Consumption } from "./asset-verbs.ts";
export type { EnqueueResult, EnqueueRow, Uniqueness } from "./enqueue-rows.ts";
export type { JobFilter } from "./job-verbs.ts";
export type { Forced, ObligationNote } from "./obligation-verbs.ts";
export type { PauseResult } from "./pause-verbs.ts";
export type { KeptAnswer, OnceResult, RequestName } from "./request-verbs.ts";
export type { DueSchedule, FiringResult, ScheduleDeclaration, ScheduleFiring } from "./schedule-verbs.ts";

// THE STORE: what Holdfast remembers, in verbs of the domain. Each method is one atomic step. Every argument and every
// answer is JSON (`undefined` properties left out), so that a store can be reached through a socket as well as by a call.
// Verbs that take `rows` answer one result a row, in order; the failure of one row is its result, never the batch's.
// Failures of the whole call are AppErrors: `store_unavailable` (nothing is known to have happened: repeat it, all hot verbs
// are idempotent), `store_newer`, `store_full`, `not_the_owner`; `invalid_request` and `too_large` for what admission.ts
// refuses (unfit text, sizes, rows that contradict themselves): that call changes nothing.
// One suite, store.contract.ts, holds every store to these words.

/** What changed that somebody may be waiting for. `jobs`: external jobs that nobody tracks, or whose end is ordered. `assets`: their events. */
export type RingTopic = "ready" | "cancelling" | "ended" | "events" | "jobs" | "assets";

export interface StoreDescription {
  readonly kind: "memory" | "file" | "sqlite" | "postgres";
  /** New when a store is created, restored or cloned; part of every token and fence (DESIGN §6). */
  readonly incarnation: string;
  readonly schemaVersion: number;
  /** The store's clock, milliseconds. */
  readonly now: number;
  /** False where a single owner's life is the lease (SQLite, file): members then never expire by time. */
  readonly timedLeases: boolean;
}

export interface StepRow {
  readonly runId: string;
  readonly epoch: number;
  readonly generation: number;
  readonly key: string;
  readonly value: Json;
}

/** `existing`: a record stands under this key; its value answers and nothing changed. */
export type StepResult =
  | { readonly outcome: "recorded" }
  | { readonly outcome: "existing"; readonly value: Json }
  | { readonly outcome: "stale_epoch" }
  | { readonly outcome: "limit_exceeded"; readonly limit: "stepsPerRun" | "stepBytesPerRun" };

/** `stale_epoch`: the activation is not the run's last; its line was dropped. A repeated (run, epoch, seq) is kept once. */
export type LogResult = { readonly outcome: "kept" } | { readonly outcome: "stale_epoch" };

/** `id`: see core's Limit. */
export interface LimitSize {
  readonly id: string;
  readonly slots: number;
  /** Absent: it is no rate. */
  readonly perMs?: number;
}

/** `holders`: runs, starts left out. Of a rate `starts`: when each start is over that holds a slot, the first ones. */
export interface LimitView extends LimitSize {
  readonly holders: readonly string[];
  readonly standing: readonly string[];
  readonly starts?: readonly number[];
}

/** What a member claims: so many activations at a time, of these queues; null: of every queue. */
export interface Serving {
  readonly slots: number;
  readonly queues: readonly string[] | null;
}

/** Who becomes a member. */
export interface Joining {
  readonly id: string;
  readonly kind: "node" | "worker";
  readonly name: string;
  readonly namespace: string;
  /** Null: it claims nothing. */
  readonly serves: Serving | null;
}

export interface MemberRow extends Joining {
  readonly joinedAt: number;
  readonly leaseUntil: number;
  /** Null while it is a member. */
  readonly endedAt: number | null;
}

export interface ManifestRow {
  readonly id: string;
  readonly kind: "task" | "workflow";
  readonly hash: string;
  readonly manifest: Manifest;
}

export interface DefinitionRow {
  readonly id: string;
  readonly kind: "task" | "workflow";
  readonly manifestHash: string;
  readonly appliedAt: number;
}

export interface RunFilter {
  readonly namespace: string;
  readonly statuses?: readonly RunStatus[];
  readonly definition?: string;
  /** Children of its present generation alone. */
  readonly parentId?: string;
  readonly rootsOnly: boolean;
  /** Newest first: rows that come after this place. */
  readonly cursor?: string;
  readonly limitRows: number;
}

/** What the bindings of a child see: its parent's input, and the outputs of the named children of its present generation. */
export interface ScopeQuery {
  readonly parentId: string;
  readonly names: readonly string[];
}
/**
 * `read`: `input` is absent when the parent has none or is gone. `too_large`: the values have more than `limits.scopeBytes` together.
 * `later`: those of the scopes before it have filled the answer; never the first. Ask again.
 */
export type ScopeResult =
  | { readonly outcome: "read"; readonly input?: Json; readonly outputs: readonly ChildOutput[] }
  | { readonly outcome: "too_large"; readonly bytes: number }
  | { readonly outcome: "later" };
/** A child's part in its workflow's values. `output` is absent unless it succeeded. */
export interface ChildOutput {
  readonly name: string;
  readonly status: RunStatus;
  readonly output?: Json;
}

/** What waits in a queue for a free slot, as far as it was counted. `head`: the run that is next, and the number of its last event. */
export interface QueueBacklog {
  readonly queue: string;
  readonly ready: number;
  readonly head: { readonly runId: string; readonly lastEvent: number };
}

/** Queues with ready runs in the order of their names; `unsequenced`: events that are in no topic yet, as far as counted. */
export interface Backlog {
  readonly queues: readonly QueueBacklog[];
  readonly unsequenced: number;
}

/** `lost`: what was taken over; `ended`: the runs that this ended, their parents and dependents included. */
export interface Judgement extends Aftermath {
  readonly judged: string[];
  readonly taken: number;
  readonly more: boolean;
}

export interface Store extends PauseVerbs, ScheduleVerbs, WaitVerbs, JobVerbs, ObligationVerbs, MemoryVerbs, KeyVerbs {
  /** Opens for use. Creates or migrates the schema only when asked by `migrate`; `store_newer` for a schema from the future. */
  describe(): Promise<StoreDescription>;
  close(): Promise<void>;

  // Definitions

  /**
   * Keeps manifests and makes each the current one of its definition. Answers the ids whose current manifest changed, in the
   * order of the call; the others keep their `appliedAt`. What they say of assets comes into force with it, or, with a `conflict`, nothing.
   */
  applyManifests(args: { namespace: string; manifests: readonly ManifestRow[] }): Promise<Applying>;
  findDefinition(args: { namespace: string; id: string }): Promise<DefinitionRow | undefined>;
  listDefinitions(args: { namespace: string }): Promise<DefinitionRow[]>;
  findManifest(args: { hash: string }): Promise<Manifest | undefined>;

  // Runs: hot verbs, merged by `mergeCalls`

  /**
   * Inserts roots, each with its keys and event 1 (claimed: also 2). Judged in this order: request, key, id. Idempotent by id.
   * A name stands until `prune` has deleted it. A request is kept with the run that it created, or that its key had created before:
   * said again, it answers that run.
   */
  enqueueRuns(args: { rows: readonly EnqueueRow[] }): Promise<EnqueueResult[]>;
  /**
   * Claims ready runs that stand at no gate for a member: highest priority first, then in the order of insertion, and answers in that order.
   * `queues` null: every queue. Raises the epoch, writes `run.started`. A member that is gone claims nothing (`member_gone`).
   * Never waits for a row that somebody else holds. Runs over which a pause stands it puts aside (core/pauses.ts), a bounded number
   * a call: with a long line of them it may answer fewer than there are, and rings.
   */
  claimRuns(args: {
    memberId: string;
    namespace: string;
    queues: readonly string[] | null;
    limitRows: number;
  }): Promise<RunRow[]>;
  /** Ends activations and everything that follows from it in one commit (P3), as core's Ledger says. */
  finishActivations(args: { rows: readonly Finish[] }): Promise<FinishResult[]>;
  /**
   * Records steps of live activations (P12), also of a `cancelling` run. Another generation or an unknown run: `stale_epoch`.
   * A recorded step is progress: it sets the run's losses and takeovers back to 0. Limits count per generation, bytes those of
   * the values as JSON text (admission's `jsonBytes`).
   */
  commitSteps(args: { rows: readonly StepRow[] }): Promise<StepResult[]>;
  appendLogs(args: { rows: readonly LogLine[] }): Promise<LogResult[]>;
  /** Puts children and edges in place and lets their parent wait (see Expansion). */
  expandRuns(args: { rows: readonly Expansion[] }): Promise<FinishResult[]>;

  // Runs: the other verbs

  /**
   * Orders the end of a run and of all below it (P6). Unclaimed runs end at once; claimed ones become `cancelling` until
   * their activation has ended; parents until their children have. One call reaches the run and `limitRows` below it; what is
   * left is `spreadOrders`'. `requested`: how many live runs were reached.
   */
  orderEnd(args: {
    runId: string;
    ending: Ending;
    data: Json;
    limitRows: number;
  }): Promise<{ requested: number; status: RunStatus } | undefined>;
  /**
   * Hands orders on to runs below that they have not reached, at most `limitRows`: trees by id, within a tree and below a run
   * in the order of insertion. Until an order has reached everything, nothing of its tree is claimed, no activation below a
   * `cancelling` parent ends otherwise than as ordered, and `more` is true.
   */
  spreadOrders(args: { limitRows: number }): Promise<{ reached: number; more: boolean }>;
  /**
   * Every activation that a member holds, oldest claim first: what it compares with what it really runs when the answer to a
   * claim was lost.
   */
  listClaimed(args: { memberId: string; limitRows: number }): Promise<{ runId: string; epoch: number }[]>;
  /**
   * Makes claimable what was due, without an event, ends waits that are due, and looks at gates that may be open, those of ended
   * pauses and of starts that are over among them. `woken` counts the first two. `nextInMs`: until the next is due, 0 if it is; null
   * when none waits.
   */
  wakeRuns(args: { limitRows: number }): Promise<{ woken: number; nextInMs: number | null }>;
  /**
   * Orders the end (core's `expiryEnding`) of live runs whose time is over and that are not `cancelling`: the longest overdue
   * first, then in the order of insertion. `expired`: how many such orders. What lies below them is reached as by `orderEnd`,
   * `limitRows` for all of them together.
   */
  expireRuns(args: { limitRows: number }): Promise<{ expired: number; nextInMs: number | null }>;

  findRun(args: { id: string }): Promise<RunRow | undefined>;
  /** Ids that begin with `prefix`, at most `limitRows`. */
  findRunIds(args: { namespace: string; prefix: string; limitRows: number }): Promise<string[]>;
  /** Of these runs, at most `limits.batchRows`, those that have ended or are not there, or not in `namespace`; in no order. */
  listEnded(args: { ids: readonly string[]; namespace?: string }): Promise<string[]>;
  /** Newest first. Fewer rows than asked for where they are large (`limits.pageBytes`): the cursor says whether there are more. */
  listRuns(args: RunFilter): Promise<{ runs: RunRow[]; cursor: string | null }>;
  /**
   * A whole tree in the order of creation, what has been superseded included, without inputs and outputs; pages by `after` (an id of the
   * tree). Fewer rows than asked for where errors are large (`limits.pageBytes`), never none.
   */
  listTree(args: { rootId: string; after?: string; limitRows: number }): Promise<RunRow[]>;
  /** For each query the parent's input and the named children that exist, in the order of `names`; all answers together at most `limits.scopeBytes`. */
  findScopes(args: { rows: readonly ScopeQuery[] }): Promise<ScopeResult[]>;
  /** A map's children of its present generation in the order of its list; fewer where they are large (`limits.pageBytes`), never none. */
  listChildOutputs(args: { parentId: string; afterIndex: number; limitRows: number }): Promise<ChildOutput[]>;
  /** Runs that have not ended and whose end this one waits for, by an edge, in the order of insertion; without inputs and outputs. */
  listUpstreams(args: { runId: string; limitRows: number }): Promise<RunRow[]>;
  /** In the order in which they were recorded. */
  listSteps(args: { runId: string; generation: number }): Promise<StepRecord[]>;

  // Limits: what `NewRun.limits` of a run names. Slots are handed on by the verbs that free them (core's `passGates`).

  /**
   * Sets how many slots these limits have, and of rates for how long a start holds one, at most `limits.slots`; who holds one keeps it, and new room is handed out at once.
   * `withdrawn`: ids of limits that let everybody in from now on, whatever a run that needs them says of their slots.
   */
  declareLimits(args: { limits: readonly LimitSize[]; withdrawn: readonly string[] }): Promise<void>;
  /** What is declared below a prefix, in the order of ids. */
  listLimits(args: { prefix: string }): Promise<LimitSize[]>;
  /** Who holds its slots and who stands at its gate, first in line first: ids of runs, at most `limitRows` of each. */
  findLimit(args: { id: string; limitRows: number }): Promise<LimitView | undefined>;

  // Control

  /**
   * Lets runs that have ended start again (core/restart.ts), each with all that follows from it, in the order of the rows; at most
   * `limits.batchRows` runs are changed for one of them. A refused row changes nothing. Ends the pauses of runs that had ended.
   */
  restartRuns(args: { rows: readonly RestartOrder[] }): Promise<RestartResult[]>;

  /** Ends runs as a person decided, live or ended (core/marks.ts), each with all that follows from it, in the order of the rows. */
  markRuns(args: { rows: readonly MarkOrder[] }): Promise<MarkResult[]>;

  // Requests: what is asked under a key is done once, and answered alike

  /**
   * Carries out a verb and keeps its answer under this part of a request, in one step; or answers what that part was answered before.
   * `keep` does nothing: its arguments are the answer. A call that fails keeps nothing.
   */
  carryOutOnce(args: { request: RequestName; call: OnceCall }): Promise<OnceResult>;
  findAnswer(args: { namespace: string; key: string; part: string }): Promise<KeptAnswer | undefined>;

  // Members (P2, P9)

  /** A new member with a lease from now; for a member's own id: a renewal. On a store without timed leases this also ends every member of an earlier boot. */
  joinMember(args: Joining & { readonly leaseMs: number }): Promise<MemberRow>;
  /** Renews the lease, also an expired one as long as nobody took over. False: judged gone; its activations are others' now. */
  renewMember(args: { id: string; leaseMs: number }): Promise<boolean>;
  /** Ends the membership, takes its claimed runs back at once, and gives back the first `limits.batchRows` jobs that it tracks. */
  leaveMember(args: { id: string }): Promise<{ takenBack: number }>;
  /**
   * Ends members whose lease has run out while the judge (`by`) was renewing without a gap (core's `mayJudge`), and takes over
   * runs of ended members (core's `memberGone`): at most `limitRows` a call, `more` when some are left. What ended members owe is
   * met; so many jobs that they tracked are given back, with a new epoch and nothing else changed. The judge must be a member, else `member_gone`, and never judges itself.
   */
  judgeMembers(args: { by: string; limitRows: number }): Promise<Judgement>;
  /** In the order of joining. On a store without timed leases those of an earlier boot of their process have ended with it. */
  listMembers(args: { namespace: string }): Promise<MemberRow[]>;

  /** How much is ready and stands at no gate. Nothing is counted past `limitRows`: a number that high means at least so many. */
  measureBacklog(args: { namespace: string; limitRows: number }): Promise<Backlog>;

  // History (P10)

  /** Fewer than asked for where they are large (`limits.pageBytes`), never none. */
  listEvents(args: { runId: string; after: number; limitRows: number }): Promise<RunEvent[]>;
  /**
   * Moves committed events into their namespace's log. Safe to call from many nodes at once. A store with one writer may put
   * them there in the commit that makes them, and then has nothing to move.
   */
  sequenceEvents(args: { limitRows: number }): Promise<{ moved: number; more: boolean }>;
  /** The log from after `position`, as `listEvents`. `last`: the highest position given out so far. */
  listTopic(args: {
    namespace: string;
    after: number;
    limitRows: number;
  }): Promise<{ events: TopicEvent[]; last: number }>;
  /**
   * In the order of writing, from after `cursor`. The new cursor is the place after the last line that was answered, good for
   * lines that come later (the given one when none was); null when there was no line yet. At most `limits.logPageBytes` of texts and
   * fields, and one line more: the log's end is where a page is empty.
   */
  listLogs(args: {
    runId: string;
    cursor?: string;
    limitRows: number;
  }): Promise<{ lines: LogLine[]; cursor: string | null }>;

  /**
   * Deletes trees whose root ended longer than `runsMs` ago, with steps, obligations and history; logs older than `logsMs`; topic events
   * older than `runsMs`; keys that are past their retention and whose run is gone; and members that ended longer than
   * `runsMs` ago and hold nothing. A tree goes whole: the last one may pass `limitRows`. One stays in which
   * an external job has still to be ended.
   */
  prune(args: { runsMs: number; logsMs: number; limitRows: number }): Promise<{ runs: number; more: boolean }>;

  // The doorbell (DESIGN §6): a ring may be lost or doubled; whoever relies on it alone is wrong.

  /** Tells other processes on this store. The store rings by itself for what its own verbs changed. */
  ring(topics: readonly RingTopic[]): void;
  /** Hears rings from this and other processes. Answers the way to stop. */
  onRing(listener: (topics: readonly RingTopic[]) => void): () => void;
}

/** The verbs by which people control or change something: their answers can be kept under a request. */
export type OnceVerb =
  | "orderEnd"
  | "forceEnds"
  | "restartRuns"
  | "markRuns"
  | "pauseRuns"
  | "resumeRuns"
  | "pauseSchedule"
  | "removeSchedule"
  | "transactState"
  | "noteJobs";

/** A call of such a verb, or an answer to be kept as it is. */
export type OnceCall =
  | { readonly [V in OnceVerb]: { readonly verb: V; readonly args: Parameters<Store[V]>[0] } }[OnceVerb]
  | { readonly verb: "keep"; readonly args: Json };

/** The verbs of a store that can travel as messages. */
export type StoreVerb = Exclude<keyof Store, "close" | "ring" | "onRing">;
