import { hash } from "node:crypto";
import { hostname } from "node:os";
import { type AccessGroup, AppError, type Applied, defaultGrants, type Tracking } from "@holdfast/protocol";
import type { ApiOptions } from "./api/server.ts";
import type { Session } from "./channel/handlers.ts";
import { answer } from "./channel/session.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type ConnectionSettings, connectionOf } from "./connection-settings.ts";
import { Activations, type OpenChannel } from "./engine/activations.ts";
import { Engine, type StopWait } from "./engine/node.ts";
import { type Logger, silentLog } from "./log.ts";
import { BodyState } from "./operations/body-state.ts";
import { BodyWaits } from "./operations/body-waits.ts";
import { BulkActions } from "./operations/bulk.ts";
import { Completion } from "./operations/completion.ts";
import { Concurrency, type QueueLimits } from "./operations/concurrency.ts";
import { Definitions } from "./operations/definitions.ts";
import { Evaluator } from "./operations/evaluation/evaluator.ts";
import { Expander } from "./operations/expansion.ts";
import { ExternalJobs } from "./operations/external-jobs.ts";
import type { Callbacks } from "./operations/external-waits.ts";
import { Firing } from "./operations/firing.ts";
import { History } from "./operations/history.ts";
import { Intents } from "./operations/intents.ts";
import { JobBodies } from "./operations/job-bodies.ts";
import { JobSuccessors } from "./operations/job-successor.ts";
import { Marks } from "./operations/marks.ts";
import { Obligations } from "./operations/obligations.ts";
import { Pauses } from "./operations/pauses.ts";
import { Reasons } from "./operations/reasons.ts";
import { Requests } from "./operations/requests.ts";
import { Restarts } from "./operations/restarts.ts";
import { Runs } from "./operations/runs.ts";
import { ScheduledRuns } from "./operations/scheduled-runs.ts";
import { Schedules } from "./operations/schedules.ts";
import { Signals } from "./operations/signals.ts";
import { State } from "./operations/state.ts";
import { InlinePlacement } from "./placements/inline/inline-placement.ts";
import type { Placement } from "./placements/placement.ts";
import { ProcessPlacement } from "./placements/process/process-placement.ts";
import { type Random, systemRandom } from "./random.ts";
import { intentsOf } from "./store/intents.ts";
import { mergeCalls } from "./store/merging.ts";
import { openStore } from "./store/open.ts";
import type { Store } from "./store/store.ts";
import { BacklogMetrics } from "./telemetry/backlog-metrics.ts";
import { measureStore } from "./telemetry/measured-store.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { openTelemetry, silentTelemetry, type Telemetry } from "./telemetry/telemetry.ts";
import { TrackerProcesses } from "./trackers/client.ts";

// The composition root: the one place where parts are put together.

const dayMs = 86_400_000;

/** What is promised by default; each can be set in the configuration. */
export const defaults = {
  leaseMs: 15_000,
  pollMs: 1_000,
  runsMs: 30 * dayMs,
  keysMs: 30 * dayMs,
  logsMs: 7 * dayMs,
  graceMs: 10_000,
};

/** What can be asked of Holdfast on one store and namespace, without a node of one's own. */
export interface Services {
  readonly store: Store;
  readonly definitions: Definitions;
  readonly concurrency: Concurrency;
  readonly runs: Runs;
  readonly reasons: Reasons;
  readonly schedules: Schedules;
  readonly firing: Firing;
  readonly history: History;
  readonly intents: Intents;
  readonly pauses: Pauses;
  readonly obligations: Obligations;
  readonly externalJobs: ExternalJobs;
  readonly requests: Requests;
  readonly restarts: Restarts;
  readonly marks: Marks;
  readonly signals: Signals;
  readonly state: State;
  readonly bulk: BulkActions;
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** What is counted of the whole store. */
  readonly backlog: BacklogMetrics;
  close(): Promise<void>;
}

export interface ServicesOptions {
  /** `sqlite:PATH`, `file:FOLDER`, `postgres://…`, `memory:`. */
  readonly address: string;
  readonly namespace?: string;
  /** Whether this process may or must be the one owner of a SQLite file, or of a file store's folder. */
  readonly role?: "owner" | "client" | "either";
  /** Whether the schema may be created or brought up to date; default: PostgreSQL's not, others may. */
  readonly migrate?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly pollMs?: number;
  /** How long a run's key is remembered when its caller does not say. */
  readonly keysMs?: number;
  /** What a point of priority is worth of waiting, for the runs that are made here; default: ten minutes. */
  readonly ageingMs?: number;
  /** What to do about a definition that is not there; default: to apply its file. */
  readonly missingHint?: string;
  /** Who is told what happens; default: as the OTEL_* variables say. */
  readonly telemetry?: Telemetry;
  /** For what goes wrong with that. */
  readonly log?: Logger;
  /** Told what a store's owner has to say, and that it says nothing; default: the log on stderr. */
  readonly onNotice?: (text: string) => void;
}

/** Opens a store and what is asked of it. Throws the store's AppErrors. */
export async function openServices(options: ServicesOptions): Promise<Services> {
  const { address, role = "either", clock = systemClock, migrate, onNotice } = options;
  const { telemetry = openTelemetry(process.env, options.log) } = options;
  const store = await openStore(address, {
    role,
    clock,
    ...(migrate === undefined ? {} : { migrate }),
    ...(onNotice === undefined ? {} : { onNotice }),
  });
  const measured = measureStore(store, telemetry);
  return serve(mergeCalls(measured, { clock }), { ...options, clock, telemetry });
}

/** What is asked of a store that is open already. Closing the services closes it. */
export function serve(store: Store, options: Omit<ServicesOptions, "address" | "role">): Services {
  const { namespace = "default", clock = systemClock, random = systemRandom, pollMs = defaults.pollMs } = options;
  const evaluator = new Evaluator();
  const concurrency = new Concurrency({ store, namespace, clock, evaluator, ageingMs: options.ageingMs });
  const definitions = new Definitions({ store, namespace, evaluator, missingHint: options.missingHint });
  const { telemetry = silentTelemetry() } = options;
  const keyRetentionMs = options.keysMs ?? defaults.keysMs;
  const { observer } = telemetry;
  const runs = new Runs({ store, definitions, concurrency, namespace, clock, random, keyRetentionMs, observer });
  const reasons = new Reasons({ store, runs, namespace });
  const history = new History({ store, runs, namespace, clock, pollMs });
  const intents = new Intents({ intents: intentsOf(store), runs, definitions, namespace });
  runs.useIntents((runId) => intents.redeemRun(runId));
  const pauses = new Pauses({ store, runs, definitions, namespace });
  const requests = new Requests({ store, namespace });
  const obligations = new Obligations({ store, runs, namespace });
  const externalJobs = new ExternalJobs({ store, runs, namespace });
  const restarts = new Restarts({ store, runs });
  const marks = new Marks({ store, runs });
  const signals = new Signals({ store, runs });
  const bulk = new BulkActions({ store, runs, pauses, restarts });
  const close = async () => {
    await evaluator.close();
    await store.close();
    await telemetry.close();
  };
  const scheduledRuns = new ScheduledRuns({ definitions, concurrency, namespace });
  const schedules = new Schedules({ store, definitions, runs, scheduledRuns, namespace, random });
  const firing = new Firing({ store, scheduledRuns, namespace });
  const backlog = new BacklogMetrics({ store, namespace, metrics: telemetry.metrics });
  const asked = {
    definitions,
    concurrency,
    runs,
    schedules,
    firing,
    reasons,
    history,
    intents,
    pauses,
    obligations,
    externalJobs,
    requests,
    restarts,
    marks,
    signals,
    state: new State({ store, runs, namespace }),
    bulk,
  };
  return { ...asked, store, namespace, clock, random, telemetry, backlog, close };
}

export interface NodeOptions {
  /** The project's root: tasks' modules are found from here. */
  readonly root: string;
  /** Activations at a time; default 8. */
  readonly concurrency?: number;
  readonly leaseMs?: number;
  readonly pollMs?: number;
  readonly runsMs?: number;
  readonly logsMs?: number;
  /** The queues that it serves; default every one. */
  readonly queues?: readonly string[];
  /** What is declared for all nodes: see `Concurrency.declareQueues`. Undefined: nothing new. */
  readonly queueLimits?: Readonly<Record<string, QueueLimits>> | undefined;
  /** The Python of Python tasks, where it is not to be looked for. */
  readonly python?: string;
  /** False: schedules are others' business; default true. */
  readonly schedules?: boolean;
  readonly log?: Logger;
  readonly grants?: readonly AccessGroup[];
  /** Where bodies run instead of the two placements: a simulation's. */
  readonly placement?: Placement;
  /** Who calls the services of external jobs; default: tracker processes of its own, with the `connections`. */
  readonly tracking?: Tracking;
  readonly connections?: Readonly<Record<string, ConnectionSettings>>;
  /** Whether `mock://` addresses are jobs that pretend; default false. */
  readonly mockJobs?: boolean;
  /** Where services outside reach this server, for one-time addresses; undefined: nobody can. */
  readonly publicUrl?: string | undefined;
}

export interface StopOptions {
  readonly graceMs?: number;
  /** Told what the stop waits for. */
  readonly tell?: (wait: StopWait) => void;
}

export interface RunningNode {
  readonly memberId: string | undefined;
  /** User code has changed: no process that has loaded any is used again. */
  forgetCode(): void;
  /** Claims nothing more, lets what runs end for `graceMs`, gives the rest back. Cancels nothing. */
  stop(options?: StopOptions): Promise<void>;
}

/** Starts a node: from now on this process carries runs out. */
export async function startNode(services: Services, options: NodeOptions): Promise<RunningNode> {
  const { store, clock, random, runs, intents, namespace } = services;
  const { root, concurrency = 8, log = silentLog } = options;
  const { incarnation, timedLeases } = await store.describe();
  if (options.queueLimits !== undefined) await services.concurrency.declareQueues(options.queueLimits);
  const placements = placementsFor(options, root, concurrency, log);
  const { connections = {}, mockJobs = false, publicUrl } = options;
  const { tracking = new TrackerProcesses({ ...trackersOf(log), projectRoot: root, connections, mock: mockJobs }) } =
    options;
  services.externalJobs.useTracking(tracking);
  const successors = new JobSuccessors({ store, tracking });
  const activations = activationsFor(services, {
    incarnation,
    log,
    placements,
    tracking,
    callbacks: publicUrl === undefined ? undefined : callbacksAt(publicUrl, random),
    grants: options.grants ?? defaultGrants.task,
  });
  intents.useLog(log);
  const engine = new Engine({
    store,
    runs,
    intents,
    activations,
    firing: options.schedules === false ? undefined : services.firing,
    tracking,
    successorOf: (row) => successors.successorOf(row),
    callsOf: (address) => connections[connectionOf(connections, address) ?? ""]?.calls,
    clock,
    random,
    log,
    namespace,
    timedLeases,
    concurrency,
    name: `${hostname()}/${process.pid}`,
    queues: options.queues ?? null,
    leaseMs: options.leaseMs ?? defaults.leaseMs,
    pollMs: options.pollMs ?? defaults.pollMs,
    runsMs: options.runsMs ?? defaults.runsMs,
    logsMs: options.logsMs ?? defaults.logsMs,
    newId: () => hex(random.bytes(10)),
    metrics: services.telemetry.metrics,
  });
  tellOfNode(services.telemetry.metrics, { engine, activations, concurrency, placement: placements.process });
  await engine.start();
  return {
    get memberId() {
      return engine.memberId;
    },
    forgetCode: () => placements.process.forgetCode(),
    stop: async ({ graceMs = defaults.graceMs, tell } = {}) => {
      await engine.stop(graceMs, tell);
      await Promise.all([placements.process.close(), placements.inline.close(), tracking.close()]);
    },
  };
}

/** What can be read off a node at any moment. */
function tellOfNode(
  metrics: Metrics,
  node: { engine: Engine; activations: Activations; concurrency: number; placement: Placement },
): void {
  const { engine, activations, concurrency, placement } = node;
  metrics.gauge("activations_running", "Activations under way here.", () => [[activations.count]]);
  metrics.gauge("activation_slots", "Activations that may be under way here at a time.", () => [[concurrency]]);
  metrics.gauge("external_jobs_tracked", "External jobs that this node tracks.", () => [[engine.trackedJobs]]);
  metrics.gauge("lease_at_risk", "1 while this node's lease may run out.", () => [[engine.isAtRisk ? 1 : 0]]);
  if (!(placement instanceof ProcessPlacement)) return;
  metrics.gauge(
    "idle_processes",
    "Child processes that wait for an activation: spare, or warm from an earlier one.",
    () => (["spare", "warm"] as const).map((kind) => [placement.processes[kind], kind]),
    ["kind"],
  );
}

function placementsFor({ placement, python }: NodeOptions, root: string, concurrency: number, log: Logger) {
  if (placement !== undefined) return { process: placement, inline: placement };
  const found = python === undefined ? {} : { python };
  const process = new ProcessPlacement({ projectRoot: root, concurrency, log, ...found });
  return { process, inline: new InlinePlacement({ projectRoot: root, concurrency }) };
}

interface Held {
  readonly incarnation: string;
  readonly log: Logger;
  readonly placements: { readonly process: Placement; readonly inline: Placement };
  readonly tracking: Tracking;
  readonly callbacks: Callbacks | undefined;
  readonly grants: readonly AccessGroup[];
}

function activationsFor(services: Services, { tracking, callbacks, ...held }: Held): Activations {
  const { store, clock, random, definitions, concurrency, runs } = services;
  const { tracing, observer } = services.telemetry;
  const completion = new Completion({ store, clock, random, observer });
  const expander = new Expander({ store, definitions, completion, concurrency, clock, observer });
  const asked = { store, definitions, concurrency, completion, runs, clock, observer, tracking };
  const waits = new BodyWaits({ ...asked, ...(callbacks === undefined ? {} : { callbacks }) });
  const state = new BodyState({ store, clock });
  const jobs = new JobBodies({ store, waits, completion, definitions });
  const openChannel: OpenChannel = ({ held: activation, task, log, grants }) => {
    const session: Session = { held: activation, task, definitions, completion, waits, state, jobs, log };
    return (method, params) => answer(session, grants, method, params as never);
  };
  const newNonce = () => hex(random.bytes(16));
  const digest = (text: string) => hash("sha256", text, "hex");
  const parts = { store, clock, definitions, expander, completion, jobs, openChannel, newNonce, tracing, hash: digest };
  return new Activations({ ...held, ...parts });
}

/** Trackers speak in the node's log. */
function trackersOf(log: Logger) {
  return { log: (level: "info" | "warn", text: string) => log[level]({ from: "trackers" }, text) };
}

function callbacksAt(publicUrl: string, random: Random): Callbacks {
  const base = publicUrl.replace(/\/$/, "");
  return {
    address: (jobId, secret) => `${base}/v1/callbacks/${jobId}/${secret}`,
    newSecret: () => hex(random.bytes(24)),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export interface RunningServer {
  /** The base address: `http://127.0.0.1:4400`. */
  readonly url: string;
  /** Answers those who wait with what there is, then closes the port. */
  close(): Promise<void>;
}

/** Listens for HTTP. Throws `invalid_request` for an address that others reach without a token. */
export async function startServer(services: Services, options: ApiOptions): Promise<RunningServer> {
  const { buildApi } = await import("./api/server.ts");
  const api = buildApi(services, options);
  return { url: await api.listen(), close: () => api.close() };
}

/** Compiles the files that `include` (globs relative to the root) names and applies them. Throws `invalid_definition`. */
export async function applyProject(
  { schedules }: Services,
  options: {
    readonly root: string;
    readonly include: readonly string[];
    readonly connections?: Readonly<Record<string, ConnectionSettings>>;
  },
): Promise<Applied> {
  const { compileProject } = await import("./compile/compile.ts");
  const { manifests, schedules: specs, problems } = await compileProject(options);
  const [first] = problems;
  if (first === undefined)
    return schedules.apply(
      manifests.map(({ manifest }) => manifest),
      specs,
    );
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  const { file, line, message, hint } = first;
  throw new AppError("invalid_definition", `${file === "" ? "" : `${file}:${line}: `}${message}${more}`, {
    hint,
    details: problems,
  });
}
