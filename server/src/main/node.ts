import { hash } from "node:crypto";
import { hostname } from "node:os";
import { type AccessGroup, defaultGrants, type Tracking } from "@holdfast/protocol";
import type { Session } from "../channel/handlers.ts";
import { answer } from "../channel/session.ts";
import { type ConnectionSettings, connectionOf } from "../connection-settings.ts";
import { Activations, type OpenChannel } from "../engine/activations.ts";
import { Engine, type StopWait } from "../engine/node.ts";
import { type Logger, silentLog } from "../log.ts";
import { BodyAssets } from "../operations/body-assets.ts";
import { BodyState } from "../operations/body-state.ts";
import { BodyWaits } from "../operations/body-waits.ts";
import { Completion } from "../operations/completion.ts";
import type { QueueLimits } from "../operations/concurrency.ts";
import { Expander } from "../operations/expansion.ts";
import type { Callbacks } from "../operations/external-waits.ts";
import { JobBodies } from "../operations/job-bodies.ts";
import { JobSuccessors } from "../operations/job-successor.ts";
import { InlinePlacement } from "../placements/inline/inline-placement.ts";
import type { Placement } from "../placements/placement.ts";
import { ProcessPlacement } from "../placements/process/process-placement.ts";
import type { Random } from "../random.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { TrackerProcesses } from "../trackers/client.ts";
import { defaults, type Services } from "./services.ts";

// A node, put together: engine, placements, trackers and the channel of its activations.

export interface NodeOptions {
  /** The project's root: tasks' modules are found from here. */
  readonly root: string;
  /** Activations at a time; default 8. */
  readonly concurrency?: number;
  readonly leaseMs?: number;
  readonly pollMs?: number;
  readonly runsMs?: number;
  readonly logsMs?: number;
  /** How long events of assets are kept once every consumer has had them. */
  readonly assetEventsMs?: number;
  /** The queues that it serves; default every one. */
  readonly queues?: readonly string[];
  /** What is declared for all nodes: see `Concurrency.declareQueues`. Undefined: nothing new. */
  readonly queueLimits?: Readonly<Record<string, QueueLimits>> | undefined;
  /** The Python of Python tasks, where it is not to be looked for. */
  readonly python?: string;
  /** False: schedules, and definitions that wait for events, are others' business; default true. */
  readonly schedules?: boolean;
  /** Whether it starts runs of definitions that wait for events; default as `schedules`. */
  readonly consumers?: boolean;
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
  const { store, clock, random, runs, intents, objects, namespace } = services;
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
  objects.useLog(log);
  await objects.admitBackend();
  const engine = new Engine({
    store,
    runs,
    intents,
    objects,
    activations,
    firing: options.schedules === false ? undefined : services.firing,
    consuming: (options.consumers ?? options.schedules) === false ? undefined : services.consuming,
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
    assetEventsMs: options.assetEventsMs ?? defaults.assetEventsMs,
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
  const assets = new BodyAssets({ store, clock, definitions });
  const state = new BodyState({ store, objects: services.objects, clock, assets });
  const jobs = new JobBodies({ store, waits, completion, definitions });
  const openChannel: OpenChannel = ({ held: activation, task, log, grants }) => {
    const session: Session = { held: activation, task, definitions, completion, waits, state, assets, jobs, log };
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
