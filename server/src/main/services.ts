import { type Clock, systemClock } from "../clock.ts";
import type { Logger } from "../log.ts";
import { AssetNames } from "../operations/asset-names.ts";
import { Assets } from "../operations/assets.ts";
import { BulkActions } from "../operations/bulk.ts";
import { Concurrency } from "../operations/concurrency.ts";
import { Consuming } from "../operations/consuming.ts";
import { Definitions } from "../operations/definitions.ts";
import { Evaluator } from "../operations/evaluation/evaluator.ts";
import { ExternalJobs } from "../operations/external-jobs.ts";
import { Firing } from "../operations/firing.ts";
import { History } from "../operations/history.ts";
import { Intents } from "../operations/intents.ts";
import { Marks } from "../operations/marks.ts";
import { Obligations } from "../operations/obligations.ts";
import { Pauses } from "../operations/pauses.ts";
import { Reasons } from "../operations/reasons.ts";
import { Requests } from "../operations/requests.ts";
import { Restarts } from "../operations/restarts.ts";
import { Runs } from "../operations/runs.ts";
import { ScheduledRuns } from "../operations/scheduled-runs.ts";
import { Schedules } from "../operations/schedules.ts";
import { Signals } from "../operations/signals.ts";
import { State } from "../operations/state.ts";
import { type StateBackendOptions, StateObjects } from "../operations/state-objects.ts";
import { type Random, systemRandom } from "../random.ts";
import { intentsOf } from "../store/intents.ts";
import { mergeCalls } from "../store/merging.ts";
import { openStore } from "../store/open.ts";
import { keepState, type StateRetention } from "../store/state-retention.ts";
import type { Store } from "../store/store.ts";
import { BacklogMetrics } from "../telemetry/backlog-metrics.ts";
import { measureStore } from "../telemetry/measured-store.ts";
import { openTelemetry, silentTelemetry, type Telemetry } from "../telemetry/telemetry.ts";

// What can be asked, put together on one store.

const dayMs = 86_400_000;

/** What is promised by default; each can be set in the configuration. */
export const defaults = {
  leaseMs: 15_000,
  pollMs: 1_000,
  runsMs: 30 * dayMs,
  keysMs: 30 * dayMs,
  logsMs: 7 * dayMs,
  assetEventsMs: 30 * dayMs,
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
  readonly consuming: Consuming;
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
  readonly objects: StateObjects;
  readonly assets: Assets;
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
  /** How long values of state are kept where nobody says, by kind; a kind that is absent: until they are deleted. */
  readonly stateRetention?: StateRetention;
  /** Where large values of state lie; absent: there are none. Closing the services closes it. */
  readonly stateBackend?: StateBackendOptions | undefined;
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
  return serve(keepState(mergeCalls(measured, { clock }), options.stateRetention ?? {}), {
    ...options,
    clock,
    telemetry,
  });
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
  const intents = new Intents({ intents: intentsOf(store), runs, definitions, namespace, clock });
  runs.useIntents((runId) => intents.redeemRun(runId));
  const pauses = new Pauses({ store, runs, definitions, namespace });
  const requests = new Requests({ store, namespace });
  const obligations = new Obligations({ store, runs, namespace });
  const externalJobs = new ExternalJobs({ store, runs, namespace });
  const restarts = new Restarts({ store, runs });
  const marks = new Marks({ store, runs, definitions });
  const signals = new Signals({ store, runs });
  const bulk = new BulkActions({ store, runs, pauses, restarts });
  const objects = new StateObjects({ store, clock, random, options: options.stateBackend });
  const close = async () => {
    await evaluator.close();
    await objects.backend?.close();
    await store.close();
    await telemetry.close();
  };
  const scheduledRuns = new ScheduledRuns({ definitions, concurrency, namespace });
  const schedules = new Schedules({ store, definitions, runs, scheduledRuns, namespace, random });
  const firing = new Firing({ store, scheduledRuns, namespace, clock });
  const consuming = new Consuming({ store, definitions, concurrency, namespace });
  const backlog = new BacklogMetrics({ store, namespace, metrics: telemetry.metrics });
  const names = new AssetNames({ store, namespace });
  const asked = {
    definitions,
    concurrency,
    runs,
    schedules,
    firing,
    consuming,
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
    state: new State({ store, objects, runs, definitions, assets: names, namespace }),
    objects,
    assets: new Assets({ store, names, runs, definitions, namespace }),
    bulk,
  };
  return { ...asked, store, namespace, clock, random, telemetry, backlog, close };
}
