import { randomUUID } from "node:crypto";
import type { LogLine } from "@holdfast/protocol";
import type { Expansion, Finish, MarkOrder, RestartOrder } from "../../core/index.ts";
import {
  admitEnqueue,
  admitExpansions,
  admitFinishes,
  admitFirings,
  admitLimits,
  admitManifests,
  admitMarks,
  admitRestarts,
  admitSchedules,
  admitSteps,
  admitText,
} from "../admission.ts";
import { admitConsumptions } from "../asset-admission.ts";
import type { WithIntents } from "../intents.ts";
import { admitNotes } from "../job-admission.ts";
import { admitState } from "../state-admission.ts";
import type { EnqueueRow, ManifestRow, RingTopic, StepRow, Store } from "../store.ts";
import { admitSignal, admitWaits } from "../wait-admission.ts";
import * as activations from "./activations.ts";
import { readAddress } from "./address.ts";
import { forgetAsset, pruneAssetEvents } from "./asset-pruning.ts";
import { claimRuns } from "./claim.ts";
import { claimCleanUps } from "./clean-ups.ts";
import * as consuming from "./consuming.ts";
import * as definitions from "./definitions.ts";
import { Doorbell } from "./doorbell.ts";
import * as endings from "./endings.ts";
import { enqueueRuns } from "./enqueue.ts";
import { forceEnds, forceOverdue } from "./forcing.ts";
import { GateReview } from "./gate-review.ts";
import { declareLimits } from "./gates.ts";
import { IntentVerbs } from "./intent-verbs.ts";
import * as jobs from "./jobs.ts";
import { KnownRoots } from "./known-roots.ts";
import { appendLogs } from "./logs.ts";
import * as membership from "./membership.ts";
import * as objects from "./objects.ts";
import { noteObligations } from "./obligations.ts";
import type { PostgresStoreOptions } from "./options.ts";
import * as pauses from "./pauses.ts";
import { PostgresReads } from "./postgres-reads.ts";
import { prune } from "./pruning.ts";
import { carryOutOnce } from "./requests.ts";
import { markRuns, restartRuns } from "./restarts.ts";
import * as schedules from "./schedules.ts";
import { migratePostgres, newestSchema, openSchema } from "./schema.ts";
import { Session } from "./session.ts";
import { type PoolOptions, SessionPool } from "./session-pool.ts";
import { transactState } from "./state.ts";
import { sweepState } from "./state-sweeping.ts";
import { commitSteps } from "./steps.ts";
import { sequenceEvents } from "./topics.ts";
import * as waits from "./waits.ts";

/** Opens a store for many nodes on PostgreSQL 14 or newer. Throws `store_unavailable`, `store_newer`, `invalid_request`. */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { applicationName = "holdfast", answerMs = 30_000 } = options;
  const { url, directUrl, isPooled } = readAddress(options.url);
  const prepare = options.prepare !== false && !isPooled;
  if (options.migrate === true) await migratePostgres(options.url);
  const session = await Session.open({ url, applicationName, prepare, isPooled });
  let incarnation: string;
  try {
    incarnation = (await openSchema(session)).incarnation;
  } finally {
    await session.close();
  }
  const { beforeStatement, afterStatement, idleTransactionMs } = options;
  const shared = { applicationName, prepare, answerMs, idleTransactionMs, beforeStatement, afterStatement };
  const pool = { ...shared, url, isPooled, maxSessions: options.maxSessions ?? 8 };
  // Beside the pooler, where work may have to wait for a connection.
  const own = { url: directUrl ?? url, isPooled: directUrl === undefined };
  const swallow = options.swallowRings === true;
  const doorbell = new Doorbell({ ...own, applicationName, instance: randomUUID(), swallow });
  return new PostgresStore({ pool, leases: { ...pool, ...own, maxSessions: 1 }, incarnation, doorbell });
}

type Args<Verb extends keyof Store> = Parameters<Store[Verb]>[0];
type Answer<Verb extends keyof Store> = ReturnType<Store[Verb]>;

class PostgresStore extends PostgresReads implements Store, WithIntents {
  readonly intents: IntentVerbs;
  readonly #pool: SessionPool;
  /** Renewals never wait behind work. */
  readonly #leases: SessionPool;
  readonly #doorbell: Doorbell;
  readonly #gates: GateReview;
  /** The gate at which the timer's last review stopped. */
  #lastGate = "";
  readonly #roots = new KnownRoots();
  readonly #incarnation: string;

  constructor(parts: { pool: PoolOptions; leases: PoolOptions; incarnation: string; doorbell: Doorbell }) {
    const pool = new SessionPool({ ...parts.pool, onTouched: (limitIds) => this.#gates.request(limitIds) });
    super(pool);
    this.#pool = pool;
    this.#gates = new GateReview({ db: this.#pool, onAdmitted: () => this.#doorbell.ring(["ready"]) });
    const applicationName = `${parts.pool.applicationName} leases`;
    this.#leases = new SessionPool({ ...parts.leases, applicationName });
    this.#doorbell = parts.doorbell;
    this.#incarnation = parts.incarnation;
    const ring = (topics: readonly RingTopic[]) => this.#doorbell.ring(topics);
    this.intents = new IntentVerbs({ pool: this.#pool, ring });
  }

  async describe(): Answer<"describe"> {
    const [row] = await this.#pool.run<{ now: number }>("readClock", "select holdfast.clock_ms() as now");
    const now = row?.now ?? 0;
    return { kind: "postgres", incarnation: this.#incarnation, schemaVersion: newestSchema(), now, timedLeases: true };
  }

  async close(): Promise<void> {
    await this.#gates.close();
    await Promise.all([this.#pool.close(), this.#leases.close(), this.#doorbell.close()]);
  }

  async applyManifests(args: { namespace: string; manifests: readonly ManifestRow[] }): Answer<"applyManifests"> {
    admitManifests(args.manifests);
    return this.#told(definitions.applyManifests(this.#pool, args));
  }

  async enqueueRuns({ rows }: { rows: readonly EnqueueRow[] }): Answer<"enqueueRuns"> {
    admitEnqueue(rows);
    if (rows.length === 0) return [];
    const { results, topics } = await enqueueRuns(this.#pool, rows);
    this.#roots.remember(results.flatMap((result) => (result.outcome === "created" ? result.run : [])));
    this.#doorbell.ring(topics);
    return results;
  }

  async claimRuns(args: Args<"claimRuns">): Answer<"claimRuns"> {
    const { runs, more } = await claimRuns(this.#pool, args);
    this.#roots.remember(runs);
    if (runs.length > 0) this.#doorbell.ring(["events"]);
    if (more) this.#doorbell.ring(["ready"]);
    // What they held of fair lines is the next ones'.
    if (runs.some(({ limits }) => limits.some(({ ageingMs }) => ageingMs !== undefined))) this.#gates.requestStarts();
    return runs;
  }

  async claimCleanUps(args: Args<"claimCleanUps">): Answer<"claimCleanUps"> {
    const claimed = await claimCleanUps(this.#pool, args);
    if (claimed.runs.length > 0) this.#doorbell.ring(["events"]);
    return claimed;
  }

  async finishActivations({ rows }: { rows: readonly Finish[] }): Answer<"finishActivations"> {
    admitFinishes(rows);
    return this.#rung(activations.finishActivations(this.#pool, rows, this.#roots));
  }

  async commitSteps({ rows }: { rows: readonly StepRow[] }): Answer<"commitSteps"> {
    admitSteps(rows);
    return commitSteps(this.#pool, rows);
  }

  async transactState({ rows }: Args<"transactState">): Answer<"transactState"> {
    admitState(rows);
    return this.#rung(transactState(this.#pool, rows));
  }

  async consumeEvents({ rows }: Args<"consumeEvents">): Answer<"consumeEvents"> {
    admitConsumptions(rows);
    return rows.length === 0 ? [] : this.#rung(consuming.consumeEvents(this.#pool, rows));
  }

  async noteConsumer(args: Args<"noteConsumer">): Answer<"noteConsumer"> {
    admitText([args]);
    return consuming.noteConsumer(this.#pool, args);
  }

  pruneAssetEvents(args: Args<"pruneAssetEvents">): Answer<"pruneAssetEvents"> {
    return pruneAssetEvents(this.#pool, args);
  }

  forgetAsset(args: Args<"forgetAsset">): Answer<"forgetAsset"> {
    return forgetAsset(this.#pool, args);
  }

  sweepState(args: Args<"sweepState">): Answer<"sweepState"> {
    return sweepState(this.#pool, args);
  }

  announceObjects({ rows }: Args<"announceObjects">): Answer<"announceObjects"> {
    return objects.announceObjects(this.#pool, rows);
  }

  condemnObjects(args: Args<"condemnObjects">): Answer<"condemnObjects"> {
    return objects.condemnObjects(this.#pool, args);
  }

  async forgetObjects({ names }: Args<"forgetObjects">): Answer<"forgetObjects"> {
    await objects.forgetObjects(this.#pool, names);
  }

  async appendLogs({ rows }: { rows: readonly LogLine[] }): Answer<"appendLogs"> {
    admitText(rows);
    return appendLogs(this.#pool, rows);
  }

  async expandRuns({ rows }: { rows: readonly Expansion[] }): Answer<"expandRuns"> {
    admitExpansions(rows);
    return this.#rung(activations.expandRuns(this.#pool, rows));
  }

  async openWaits({ rows }: Args<"openWaits">): Answer<"openWaits"> {
    admitWaits(rows);
    return this.#rung(waits.openWaits(this.#pool, rows));
  }

  async signalRun(args: Args<"signalRun">): Answer<"signalRun"> {
    admitSignal(args);
    const { result, topics } = await waits.signalRun(this.#pool, args);
    this.#doorbell.ring(topics);
    return result;
  }

  claimJobs(args: Args<"claimJobs">): Answer<"claimJobs"> {
    return jobs.claimJobs(this.#pool, args);
  }

  async noteJobs({ rows }: Args<"noteJobs">): Answer<"noteJobs"> {
    admitNotes(rows);
    return this.#rung(jobs.noteJobs(this.#pool, rows));
  }

  async orderEnd(args: Args<"orderEnd">): Answer<"orderEnd"> {
    admitText([args]);
    return (await this.#told(endings.orderEnd(this.#pool, args))).answer;
  }

  async spreadOrders({ limitRows }: Args<"spreadOrders">): Answer<"spreadOrders"> {
    return this.#told(endings.spreadOrders(this.#pool, limitRows));
  }

  async noteObligations({ rows }: Args<"noteObligations">): Answer<"noteObligations"> {
    admitText(rows);
    return { noted: (await noteObligations(this.#pool, rows)).length };
  }

  async wakeRuns({ limitRows }: Args<"wakeRuns">): Answer<"wakeRuns"> {
    const { admitted, lastGate, topics, ...answer } = await endings.wakeRuns(this.#pool, {
      limitRows,
      afterGate: this.#lastGate,
    });
    this.#lastGate = lastGate;
    this.#doorbell.ring(answer.woken + admitted > 0 ? [...topics, "ready"] : topics);
    return answer;
  }

  async expireRuns({ limitRows }: Args<"expireRuns">): Answer<"expireRuns"> {
    return this.#told(endings.expireRuns(this.#pool, limitRows));
  }

  async declareLimits(args: Args<"declareLimits">): Answer<"declareLimits"> {
    admitLimits(args.limits);
    await declareLimits(this.#pool, args);
    await this.#gates.settled();
  }

  async restartRuns({ rows }: { rows: readonly RestartOrder[] }): Answer<"restartRuns"> {
    admitRestarts(rows);
    return this.#rung(restartRuns(this.#pool, rows));
  }

  async markRuns({ rows }: { rows: readonly MarkOrder[] }): Answer<"markRuns"> {
    admitMarks(rows);
    return this.#rung(markRuns(this.#pool, rows));
  }

  async forceEnds(args: Args<"forceEnds">): Answer<"forceEnds"> {
    return this.#told(forceEnds(this.#pool, args));
  }

  async forceOverdue(args: Args<"forceOverdue">): Answer<"forceOverdue"> {
    return this.#told(forceOverdue(this.#pool, args));
  }

  async pauseRuns(args: Args<"pauseRuns">): Answer<"pauseRuns"> {
    admitText([args]);
    const { result, topics } = await pauses.pauseRuns(this.#pool, args);
    this.#doorbell.ring(topics);
    return result;
  }

  async resumeRuns({ target, limitRows }: Args<"resumeRuns">): Answer<"resumeRuns"> {
    const { result, topics } = await pauses.resumeRuns(this.#pool, target);
    if (result.outcome === "done") await pauses.letGoSome(this.#pool, limitRows);
    this.#doorbell.ring(result.outcome === "done" ? [...topics, "ready"] : topics);
    return result;
  }

  async declareSchedules(args: Args<"declareSchedules">): Answer<"declareSchedules"> {
    admitSchedules(args.rows);
    return schedules.declareSchedules(this.#pool, args);
  }

  async fireSchedules({ rows }: Args<"fireSchedules">): Answer<"fireSchedules"> {
    admitFirings(rows);
    if (rows.length === 0) return [];
    return this.#rung(schedules.fireSchedules(this.#pool, rows));
  }

  async pauseSchedule(args: Args<"pauseSchedule">): Answer<"pauseSchedule"> {
    admitText([args]);
    return schedules.pauseSchedule(this.#pool, args);
  }

  removeSchedule(args: Args<"removeSchedule">): Answer<"removeSchedule"> {
    return schedules.removeSchedule(this.#pool, args);
  }

  async carryOutOnce(args: Args<"carryOutOnce">): Answer<"carryOutOnce"> {
    const { result } = await this.#told(carryOutOnce(this.#pool, args));
    if (result.outcome === "done" && args.call.verb === "resumeRuns") {
      await pauses.letGoSome(this.#pool, args.call.args.limitRows);
      this.#doorbell.ring(["ready"]);
    }
    return result;
  }

  async joinMember(args: Args<"joinMember">): Answer<"joinMember"> {
    admitText([args]);
    return membership.joinMember(this.#leases, args);
  }

  renewMember(args: Args<"renewMember">): Answer<"renewMember"> {
    return membership.renewMember(this.#leases, args);
  }

  async leaveMember({ id }: Args<"leaveMember">): Answer<"leaveMember"> {
    const { takenBack, topics } = await membership.leaveMember(this.#pool, id);
    this.#doorbell.ring(topics);
    return { takenBack };
  }

  async judgeMembers(args: Args<"judgeMembers">): Answer<"judgeMembers"> {
    const { judgement, topics } = await membership.judgeMembers(this.#pool, args);
    this.#doorbell.ring(topics);
    return judgement;
  }

  sequenceEvents({ limitRows }: Args<"sequenceEvents">): Answer<"sequenceEvents"> {
    return sequenceEvents(this.#pool, limitRows);
  }

  prune(args: Args<"prune">): Answer<"prune"> {
    return prune(this.#pool, args);
  }

  /** Rings for what a verb has changed. */
  async #rung<T>(done: Promise<{ readonly results: T; readonly topics: readonly RingTopic[] }>): Promise<T> {
    const { results, topics } = await done;
    this.#doorbell.ring(topics);
    return results;
  }

  /** An answer, once the topics that it comes with have been rung. */
  async #told<T extends { readonly topics: readonly RingTopic[] }>(work: Promise<T>): Promise<Omit<T, "topics">> {
    const { topics, ...answer } = await work;
    this.#doorbell.ring(topics);
    return answer;
  }

  ring(topics: readonly RingTopic[]): void {
    this.#doorbell.ring(topics);
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    return this.#doorbell.onRing(listener);
  }
}
