import { resolve } from "node:path";
import {
  canonicalText,
  isTrackingError,
  type JobAddress,
  type JobWatch,
  type Json,
  type Observation,
  type PollResult,
  type Tracking,
  TrackingError,
} from "@holdfast/protocol";
import { childEnvironment } from "../child-environment.ts";
import { type Clock, systemClock } from "../clock.ts";
import { type ConnectionSettings, connectionOf, missingConnection } from "../connection-settings.ts";
import { Guard } from "../guard.ts";
import { type Moment, momentIn } from "./moment.ts";
import { TrackerProcess } from "./tracker-process.ts";
import { portions, type Said } from "./wire.ts";

export interface TrackerProcessesOptions {
  readonly projectRoot: string;
  readonly connections: Readonly<Record<string, ConnectionSettings>>;
  /** Whether `mock://` addresses are jobs that pretend. */
  readonly mock?: boolean;
  /** How long one call to a service may take; default 30 s. */
  readonly callMs?: number;
  /** A process that is asked something and does not even say for so long that it is there is ended; default 20 s. */
  readonly silenceMs?: number;
  readonly clock?: Clock;
  readonly log?: (level: "info" | "warn", text: string) => void;
}

/** Variables by which Google's and Kubernetes' own clients find who they are, and the certificates that a company trusts. */
const identityVariables = [
  "GOOGLE_APPLICATION_CREDENTIALS",
  "GOOGLE_CLOUD_PROJECT",
  "GCE_METADATA_HOST",
  "GCE_METADATA_IP",
  "METADATA_SERVER_DETECTION",
  "CLOUDSDK_CONFIG",
  "KUBECONFIG",
  "KUBERNETES_SERVICE_HOST",
  "KUBERNETES_SERVICE_PORT",
  "NODE_EXTRA_CA_CERTS",
];
/** At so many at a time does a tracker read jobs that it has no listing for. */
const callsAtOnce = 8;

/** The tracker processes of a node: one for the services that are known, one for each module of the user's. */
export class TrackerProcesses implements Tracking {
  readonly #options: TrackerProcessesOptions;
  readonly #callMs: number;
  /** There is none before there is a process. */
  #guard: Guard | undefined;
  readonly #processes = new Map<string, TrackerProcess>();
  readonly #watches = new Map<number, OpenWatch>();
  #nextWatch = 1;

  constructor(options: TrackerProcessesOptions) {
    this.#options = options;
    this.#callMs = options.callMs ?? 30_000;
  }

  /** The processes that live, for tests. */
  get pids(): number[] {
    return [...this.#processes.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  prepare: Tracking["prepare"] = async (asked) =>
    this.#toStart(asked).call("prepare", this.#whole(asked, { spec: asked.spec, token: asked.token }), this.#callMs);

  adopt: Tracking["adopt"] = async (asked) =>
    this.#toStart(asked).call("adopt", this.#whole(asked, { ref: asked.ref }), this.#callMs);

  submit: Tracking["submit"] = async (asked) =>
    this.#toStart(asked).call(
      "submit",
      this.#whole(asked, {
        spec: asked.spec,
        token: asked.token,
        ...(asked.notAfterMs !== undefined && { notAfter: this.#momentOf(asked.notAfterMs) }),
      }),
      3 * this.#callMs,
    );

  find: Tracking["find"] = (asked) =>
    this.#of(asked).call("find", this.#whole(asked, { spec: asked.spec, token: asked.token }), 10 * this.#callMs);

  cancel: Tracking["cancel"] = (asked) =>
    this.#of(asked).call("cancel", this.#whole(asked, { ref: asked.ref }), 5 * this.#callMs);

  poll: Tracking["poll"] = async (asked) => {
    const results: PollResult[] = [];
    for (const refs of portions(asked.refs)) results.push(...(await this.#poll(asked, refs)));
    return results;
  };

  /** Answers that are too much for one message are asked for in halves. */
  async #poll(asked: JobAddress, refs: readonly Json[]): Promise<PollResult[]> {
    const limitMs = this.#callMs * (4 + 2 * Math.ceil(refs.length / callsAtOnce));
    try {
      return await this.#of(asked).call("poll", this.#whole(asked, { refs: [...refs] }), limitMs);
    } catch (error) {
      if (!isTrackingError(error) || error.failure.code !== "too_large" || refs.length === 1) throw error;
    }
    const half = Math.ceil(refs.length / 2);
    return [...(await this.#poll(asked, refs.slice(0, half))), ...(await this.#poll(asked, refs.slice(half)))];
  }

  watch: Tracking["watch"] = (asked) => {
    const number = this.#nextWatch++;
    const owner = this.#of(asked);
    const refs = new Map<string, Json>();
    this.#watches.set(number, { asked, owner, refs });
    const order = (added: readonly Json[]) => this.#orderWatch(owner, { asked, watch: number, refs: added });
    const watch: JobWatch = {
      add: (added) => {
        const fresh = added.filter((ref) => !refs.has(canonicalText(ref)));
        for (const ref of fresh) refs.set(canonicalText(ref), ref);
        if (fresh.length === 0) return;
        // A process that has to be started hears of all its watches when it is ready.
        if (owner.pid === undefined) owner.wake();
        else order(fresh);
      },
      remove: (removed) => {
        for (const ref of removed) refs.delete(canonicalText(ref));
        owner.order({ jsonrpc: "2.0", method: "unwatch", params: { watch: number, refs: [...removed] } });
      },
      close: () => {
        this.#watches.delete(number);
        owner.order({ jsonrpc: "2.0", method: "unwatch", params: { watch: number } });
      },
    };
    return watch;
  };

  async close(): Promise<void> {
    this.#watches.clear();
    await Promise.all([...this.#processes.values()].map((one) => one.close()));
    await this.#guard?.close();
  }

  /** The machine's time is read first: who sleeps between the two lines has less of it left. */
  #momentOf(monotonicMs: number): Moment {
    const { machineMs, wallMs } = momentIn(0);
    const leftMs = monotonicMs - (this.#options.clock ?? systemClock).monotonicMs();
    return { machineMs: machineMs + leftMs, wallMs: wallMs + leftMs };
  }

  async #endAll(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((one) => one.end()));
  }

  /**
   * Throws where a connection is named that is not there: no process could say which ones are. A job that runs already does not end by
   * that: its process says it, as something that will be mended.
   */
  #toStart(asked: JobAddress): TrackerProcess {
    const { service } = asked;
    const { connections } = this.#options;
    const name = connectionOf(connections, asked);
    const missing =
      name === null ? unnamed(connections, service) : missingConnection(Object.keys(connections), name, service);
    if (missing === undefined) return this.#of(asked);
    throw new TrackingError({ fault: "permanent", code: "unknown_connection", ...missing });
  }

  #of(asked: JobAddress): TrackerProcess {
    const { connections, projectRoot } = this.#options;
    const name = connectionOf(connections, asked);
    const named = name === null ? undefined : connections[name];
    const module = named?.module === undefined ? "" : resolve(projectRoot, named.module);
    const process = this.#processes.get(module) ?? this.#make(module);
    this.#processes.set(module, process);
    return process;
  }

  /** What its process is told: the connection by its name, so that it need not choose one. */
  #whole<T extends object>(asked: JobAddress, more: T): T & JobAddress {
    return { service: asked.service, connection: connectionOf(this.#options.connections, asked), ...more };
  }

  #make(module: string): TrackerProcess {
    const { connections, projectRoot, mock = false, clock = systemClock, log = () => undefined } = this.#options;
    const own = Object.entries(connections).filter(([, one]) => {
      return (one.module === undefined ? "" : resolve(projectRoot, one.module)) === module;
    });
    const variables = module === "" ? identityVariables : own.flatMap(([, { env = [] }]) => env);
    this.#guard ??= new Guard(() => void this.#endAll());
    const made: TrackerProcess = new TrackerProcess({
      start: {
        connections: Object.fromEntries(
          own.map(([name, { module: _, env: __, calls: ___, ...settings }]) => [name, { settings: settings as Json }]),
        ),
        modules: module === "" ? [] : [module],
        mock,
        callMs: this.#callMs,
      },
      projectRoot,
      silenceMs: this.#options.silenceMs ?? 20_000,
      environment: childEnvironment(process.env, pick(process.env, variables)),
      guard: this.#guard,
      clock,
      log,
      onReady: () => this.#watchAgain(made),
      onSaid: (said) => this.#hear(said),
      onGone: () => this.#lose(made),
    });
    return made;
  }

  #hear(said: Extract<Said, { method: "observed" | "watched" }>): void {
    const open = this.#watches.get(said.params.watch);
    if (open === undefined) return;
    if (said.method === "observed") {
      const { ref, observation } = said.params;
      if (open.refs.has(canonicalText(ref))) open.asked.onObservation(ref, observation as Observation);
      return;
    }
    for (const ref of said.params.refs)
      if (open.refs.has(canonicalText(ref))) open.asked.onWatched(ref, said.params.watched);
  }

  #watchAgain(owner: TrackerProcess): void {
    for (const [watch, open] of this.#watches) {
      if (open.owner !== owner || open.refs.size === 0) continue;
      this.#orderWatch(owner, { asked: open.asked, watch, refs: [...open.refs.values()] });
    }
  }

  #orderWatch(
    owner: TrackerProcess,
    { asked, watch, refs }: { readonly asked: JobAddress; readonly watch: number; readonly refs: readonly Json[] },
  ): void {
    for (const some of portions(refs)) {
      owner.order({ jsonrpc: "2.0", method: "watch", params: this.#whole(asked, { watch, refs: some }) });
    }
  }

  #lose(owner: TrackerProcess): void {
    for (const { owner: one, refs, asked } of this.#watches.values()) {
      if (one === owner) for (const ref of refs.values()) asked.onWatched(ref, false);
    }
  }
}

interface OpenWatch {
  readonly asked: Parameters<Tracking["watch"]>[0];
  readonly owner: TrackerProcess;
  readonly refs: Map<string, Json>;
}

/** A tracker of the user's own is reached by its connection alone. */
function unnamed(connections: TrackerProcessesOptions["connections"], service: string) {
  const own = Object.entries(connections).filter(([, one]) => one.module !== undefined && one.service === service);
  const [first] = own.map(([name]) => name);
  if (first === undefined) return undefined;
  const message = `Jobs of ${service} go through a connection that has to be named.`;
  return { message, hint: `Say connection: "${first}", or call the connection "${service}".` };
}

function pick(env: Readonly<Record<string, string | undefined>>, names: readonly string[]): Record<string, string> {
  const entries = names.map((name) => [name, env[name]] as const);
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}
