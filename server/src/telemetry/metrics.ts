import { isEnded } from "@holdfast/protocol";
import type { RunRow } from "../core/index.ts";
import { BoundedLabel, Counter, Gauge, Histogram, type Instrument, rowsBounds, secondsBounds } from "./instruments.ts";
import type { CommittedStep, EndedActivation, Observer } from "./observer.ts";
import { processInstruments } from "./process-metrics.ts";

// Everything that this process counts. docs/guides/observability.md says what each is for, and what is the same on every node.

/** Definitions and queues that have series of their own. */
const labelValues = 500;

const storeLabels = { labels: ["verb"], bounds: secondsBounds };

/** What is counted here. Counts are of this process, since its start. */
export class Metrics implements Observer {
  readonly definitions = new BoundedLabel(labelValues);
  readonly queues = new BoundedLabel(labelValues);
  readonly #all = new Map<string, Instrument>();

  readonly httpRequests = this.#counter("http_requests_total", "HTTP requests answered.", [
    "method",
    "route",
    "status",
  ]);
  readonly runsEnqueued = this.#counter(
    "runs_enqueued_total",
    "Runs created here: roots, and children of workflows and maps.",
    ["definition"],
  );
  readonly enqueueRepeats = this.#counter(
    "enqueue_repeats_total",
    "Starts that made no new run, by outcome: the key, the request or the id was there.",
    ["outcome"],
  );
  readonly runsClaimed = this.#counter("runs_claimed_total", "Activations begun here.", ["queue"]);
  readonly startDelay = this.#histogram({
    name: "run_start_delay_seconds",
    help: "From the creation of a root to its first start here, delays that were asked for included.",
    labels: ["queue"],
    bounds: secondsBounds,
  });
  readonly activationEnds = this.#counter("activations_ended_total", "Activations whose end was committed here.", [
    "definition",
    "outcome",
  ]);
  readonly runEnds = this.#counter("runs_ended_total", "Runs whose end was committed here.", ["definition", "status"]);
  readonly activationSeconds = this.#histogram({
    name: "activation_seconds",
    help: "Running time of activations, frozen time left out.",
    labels: ["definition"],
    bounds: secondsBounds,
  });
  readonly stepsCommitted = this.#counter("steps_committed_total", "Steps recorded.", ["definition"]);
  readonly storeSeconds = this.#histogram({ name: "store_call_seconds", help: "Calls of the store.", ...storeLabels });
  readonly storeErrors = this.#counter("store_errors_total", "Calls of the store that failed.", ["verb", "code"]);
  readonly batchRows = this.#histogram({
    name: "store_batch_rows",
    help: "Rows that went in one call of the store.",
    labels: ["verb"],
    bounds: rowsBounds,
  });
  readonly takeovers = this.#counter("takeovers_total", "Activations taken over from members that were judged gone.");
  readonly judgedMembers = this.#counter("members_judged_total", "Members that this node found gone.");
  readonly renewals = this.#counter("lease_renewals_total", "Renewals of this node's lease, by result.", ["result"]);
  readonly leaseRisks = this.#counter(
    "lease_risks_total",
    "How often the lease was at risk, so that bodies were frozen.",
  );
  readonly sequenced = this.#counter("events_sequenced_total", "Events moved into their topics.");
  readonly assetEvents = this.#counter("asset_events_total", "Events of assets that were told here.");
  readonly watermarks = this.#counter("asset_watermarks_moved_total", "Watermarks of assets that were moved here.");
  readonly startedByEvents = this.#counter("runs_started_by_events_total", "Runs that events of assets started here.", [
    "definition",
  ]);
  readonly woken = this.#counter("runs_woken_total", "Runs that became due: retries and delayed starts.");
  readonly expired = this.#counter("runs_expired_total", "Runs whose time was over.");
  readonly loopSeconds = this.#histogram({
    name: "loop_tick_seconds",
    help: "Ticks of the node's loops.",
    labels: ["loop"],
    bounds: secondsBounds,
  });
  readonly loopFailures = this.#counter("loop_failures_total", "Ticks that failed.", ["loop"]);
  readonly rings = this.#counter("rings_heard_total", "Rings of the doorbell that were heard, by topic.", ["topic"]);

  readonly externalCalls = this.#counter(
    "external_calls_total",
    "Calls to services outside about external jobs: looks, and acts that start or end one.",
    ["service", "kind", "result"],
  );
  readonly externalLooks = this.#counter("external_looks_total", "External jobs that were looked at.", ["service"]);

  constructor(version: string) {
    this.gauge("info", "The version that runs.", () => [[1, version]], ["version"]);
    for (const instrument of processInstruments()) this.#all.set(instrument.name, instrument);
  }

  /** A gauge that is asked for its value whenever it is read; it takes the place of an earlier one of its name. */
  gauge(
    name: string,
    help: string,
    read: () => Iterable<readonly [value: number, ...labels: string[]]>,
    labels: readonly string[] = [],
  ): void {
    this.#all.set(name, new Gauge({ name: `holdfast_${name}`, help, labels }, read));
  }

  activationEnded({ run, outcome, status, ranMs }: EndedActivation): void {
    const definition = this.definitions.of(run.definition);
    this.activationEnds.add(1, definition, outcome);
    if (run.kind === "task") this.activationSeconds.observe(ranMs / 1_000, definition);
    if (isEnded(status)) this.runEnds.add(1, definition, status);
  }

  stepCommitted({ run }: CommittedStep): void {
    this.stepsCommitted.add(1, this.definitions.of(run.definition));
  }

  runsEnded(runs: readonly RunRow[]): void {
    for (const { definition, status } of runs) this.runEnds.add(1, this.definitions.of(definition), status);
  }

  /** In the text format 0.0.4. */
  text(): string {
    return [...this.#all.values()].map((instrument) => instrument.text()).join("");
  }

  #counter(name: string, help: string, labels: readonly string[] = []): Counter {
    const counter = new Counter({ name: `holdfast_${name}`, help, labels });
    this.#all.set(name, counter);
    return counter;
  }

  #histogram(options: ConstructorParameters<typeof Histogram>[0]): Histogram {
    const histogram = new Histogram({ ...options, name: `holdfast_${options.name}` });
    this.#all.set(options.name, histogram);
    return histogram;
  }
}
