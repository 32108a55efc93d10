import {
  AppError,
  type Duration,
  durationMs,
  isEnded,
  type Json,
  type LogLineView,
  limits,
  type RunView,
} from "@holdfast/protocol";
import { Client, type RunHandle, type StartOptions, type Task, type Workflow } from "@holdfast/sdk";
import { compileDefinitions, definitionData, type ExportedDefinition, type TaskData } from "@holdfast/sdk/definitions";
import { inspectExpression } from "../compile/inspect-expression.ts";
import { LocalPlane } from "../embedded/local-plane.ts";
import { type RunningNode, type Services, type StateBackend, serve, startNode } from "../main.ts";
import { InlinePlacement } from "../placements/inline/inline-placement.ts";
import type { ActivationJob } from "../placements/placement.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import { timingDefect } from "../ticks.ts";
import { version } from "../version.ts";
import { CrashingPlacement, CrashPlan, type CrashPoint } from "./crashing-placement.ts";
import { FakeServices } from "./fake-services.ts";
import { TestAssets } from "./test-assets.ts";
import { TestExternal } from "./test-external.ts";
import { untilQuiet, VirtualClock } from "./virtual-clock.ts";

const module = "test";
/** Rings are never lost here, so the loops need not look by themselves. */
const seldomMs = 365 * 86_400_000;
/** Real time that a body may work before a clock that is told to go on goes on without it. */
const patienceMs = 50;
const quietTurns = 4;

/** What `openTest` takes: a list of definitions, or a module's exports (`import * as tasks from "./tasks.ts"`). */
export type TestedDefinitions = readonly unknown[] | Readonly<Record<string, unknown>>;

export interface TestOptions {
  /** Whether the definitions' schedules start runs while time goes on; default false. */
  readonly schedules?: boolean;
  /** Where large values of state lie, as with `state.backend` configured; default: there are none, as without it. */
  readonly state?: { readonly backend: StateBackend; readonly inlineBytes?: number };
}

/** The time of a test: it stands still until it is told to go on. */
export interface TestClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Goes on by `"3h"` or milliseconds; what becomes due on the way happens on the way. */
  advance(duration: Duration | number): Promise<void>;
}

/** Looks at a run for which nobody sends a signal: whoever does it beside has had the time for it. */
const mostLooks = 1_000;
const longestAdvanceMs = 100 * 366 * 86_400_000;

/** A whole Holdfast in memory, on a clock of its own: any definition runs as it would in the world, in no time. */
export class TestHoldfast {
  readonly clock: TestClock;
  /** The jobs of other systems: see `TestExternal`. */
  readonly external: TestExternal;
  /** What is told of assets from outside, and what bodies have made of them. */
  readonly assets: TestAssets;
  readonly #clock: VirtualClock;
  readonly #services: Services;
  readonly #client: Client;
  readonly #node: RunningNode;
  readonly #placement: CrashingPlacement;
  readonly #plan: CrashPlan;

  constructor(parts: {
    clock: VirtualClock;
    services: Services;
    node: RunningNode;
    placement: CrashingPlacement;
    plan: CrashPlan;
    fakes: FakeServices;
  }) {
    this.#clock = parts.clock;
    this.#services = parts.services;
    this.#client = new Client(new LocalPlane(parts.services, version));
    this.#node = parts.node;
    this.#placement = parts.placement;
    this.#plan = parts.plan;
    this.clock = { now: () => this.#clock.now(), advance: (duration) => this.#advance(duration) };
    const { store, namespace } = parts.services;
    const settle = () => this.#settled(patienceMs);
    this.assets = new TestAssets({ services: parts.services, settle });
    this.external = new TestExternal({ services: parts.fakes, store, namespace, settle });
  }

  /** Starts a run, as a client would. Its `result()` lets time go on by itself whenever nothing is at work. */
  start<I, O>(definition: Task<I, O> | Workflow<I, O>, input?: I, options?: StartOptions): Promise<TestRun<O>>;
  start(definition: string, input?: Json, options?: StartOptions): Promise<TestRun>;
  async start(
    definition: string | { readonly id: string },
    input?: unknown,
    options: StartOptions = {},
  ): Promise<TestRun> {
    const id = typeof definition === "string" ? definition : definition.id;
    const handle = await this.#client.start(id, input as Json, options);
    return new TestRun(handle, { services: this.#services, goOn: () => this.#goOn(handle.id) });
  }

  /** Starts a run and answers its output; see `start` and `TestRun.result`. */
  run<I, O>(definition: Task<I, O> | Workflow<I, O>, input?: I, options?: StartOptions): Promise<O>;
  run(definition: string, input?: Json, options?: StartOptions): Promise<Json>;
  async run(
    definition: string | { readonly id: string },
    input?: unknown,
    options: StartOptions = {},
  ): Promise<unknown> {
    const id = typeof definition === "string" ? definition : definition.id;
    return (await this.start(id, input as Json, options)).result();
  }

  /** Every run that nobody's workflow started: the oldest first, at most 1,000. */
  async runs(): Promise<RunView[]> {
    return (await this.#services.runs.list({ rootsOnly: true, limit: 1_000 })).runs.reverse();
  }

  /** From now on the process of a body dies at this point, `times` times (default once); `of`: only of this task. */
  crashAt(point: CrashPoint, { times = 1, of }: { times?: number; of?: { readonly id: string } } = {}): void {
    this.#plan.add(point, times, of?.id);
  }

  /** Ends it. Rejects when a crash point was never reached: such a test would prove nothing. */
  async close(): Promise<void> {
    const stopped = this.#node.stop({ graceMs: 0 });
    let done = false;
    void stopped.then(() => {
      done = true;
    });
    while (!done) {
      await untilQuiet();
      this.#clock.step();
    }
    await this.#services.close();
    this.external.check();
    const [unreached] = this.#plan.unreached;
    if (unreached === undefined) return;
    throw new AppError("invalid_request", `The crash point "${unreached}" was never reached.`, {
      hint: "Check the step's key, and that the task runs as often as crashAt says.",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #advance(duration: Duration | number): Promise<void> {
    const ms = typeof duration === "number" ? duration : durationMs(duration);
    if (ms === undefined) {
      throw new AppError("invalid_request", `"${duration}" is no duration.`, {
        hint: 'Write "90s", "3h" or milliseconds.',
      });
    }
    if (!(ms >= 0 && ms <= longestAdvanceMs)) {
      throw new AppError("invalid_request", `Time does not go on by ${ms} ms.`, {
        hint: "It goes on by 0 ms to a hundred years.",
      });
    }
    await this.#clock.advanceMs(ms, async () => {
      await this.#settled(patienceMs);
      if (await this.external.catchUp()) await this.#settled(patienceMs);
    });
  }

  /** Waits for what is at work, then lets time go on to whatever is due next. Throws where no time would ever end the run. */
  async #goOn(runId: string): Promise<void> {
    await this.#settled(Number.POSITIVE_INFINITY);
    if (await this.external.catchUp()) return;
    await this.external.checkOpen(runId);
    this.#clock.step();
  }

  /** Resolves when no body is at work and nothing else goes on, or when bodies have worked for `limitMs` of real time. */
  async #settled(limitMs: number): Promise<void> {
    const since = performance.now();
    for (let quiet = 0; quiet < quietTurns; ) {
      await untilQuiet();
      quiet = this.#placement.active === 0 || performance.now() - since > limitMs ? quiet + 1 : 0;
    }
  }
}

/** A run in a test. */
export class TestRun<O = Json> {
  readonly id: string;
  readonly #handle: RunHandle<O>;
  readonly #services: Services;
  readonly #goOn: () => Promise<void>;

  constructor(handle: RunHandle<O>, { services, goOn }: { services: Services; goOn: () => Promise<void> }) {
    this.id = handle.id;
    this.#handle = handle;
    this.#services = services;
    this.#goOn = goOn;
  }

  /** The output. Rejects with `run_ended` when the run ends in another way. Time goes on by itself meanwhile. */
  async result(): Promise<O> {
    await this.ended();
    return this.#handle.result();
  }

  /** The run once it has ended, however. Time goes on by itself meanwhile. */
  async ended(): Promise<RunView> {
    for (let looks = 0; ; looks++) {
      const run = await this.status();
      if (isEnded(run.status)) return run;
      if (looks === mostLooks) await this.#checkSignals();
      await this.#goOn();
    }
  }

  /** Throws where every body of the tree waits for a signal, and for nothing that time brings. */
  async #checkSignals(): Promise<void> {
    const tree = await this.tree();
    const live = await Promise.all(
      tree.filter(({ status }) => !isEnded(status)).map(({ id }) => this.#services.runs.get(id)),
    );
    const waits = live.flatMap((run) => run.waits ?? []).filter(({ kind }) => kind !== "call");
    const [first] = waits;
    const isForEver = waits.every(({ kind, until }) => kind === "signal" && until === null);
    const isTimed = live.some(
      ({ status, expiresAt }) => (status !== "waiting" && status !== "pending") || expiresAt !== null,
    );
    if (first === undefined || !isForEver || isTimed) return;
    const name = first.signal ?? first.key;
    throw new AppError("invalid_request", `The run waits for the signal "${name}", which the test does not send.`, {
      hint: `Send it before its result is awaited: await run.signal(${JSON.stringify(name)}, …).`,
    });
  }

  status(): Promise<RunView> {
    return this.#handle.status();
  }

  cancel(reason?: string): Promise<void> {
    return this.#handle.cancel(reason);
  }

  /** Sends a signal: to the wait for it, or to the next one of its name. */
  signal(name: string, payload?: unknown): Promise<void> {
    return this.#handle.signal(name, payload);
  }

  /** The whole tree: the run, its tasks, their items. */
  async tree(): Promise<RunView[]> {
    return (await this.#services.runs.tree(this.id, { limit: 1_000 })).runs;
  }

  /** What the run's activations wrote. */
  async logs(): Promise<LogLineView[]> {
    return (await this.#services.history.logs(this.id, { limit: 1_000 })).lines;
  }
}

/**
 * A Holdfast for one test, with these definitions. Throws `invalid_definition` with every mistake in them.
 *
 * @example
 * await using holdfast = await openTest([extract]);
 * holdfast.crashAt("step:export");
 * assert.deepEqual(await holdfast.run(extract, { day: "2026-01-01" }), { files: ["a", "b"] });
 */
export async function openTest(definitions: TestedDefinitions, options: TestOptions = {}): Promise<TestHoldfast> {
  const exported = exportsOf(definitions);
  const { manifests, schedules, problems } = await compileDefinitions(exported, {
    expression: inspectExpression,
    timing: timingDefect,
  });
  if (problems.length > 0) {
    const message = problems.map((each) => `${each.file}:${each.line} ${inTest(each.message)}`).join("\n");
    const [first] = problems;
    const isMissing = first !== undefined && inTest(first.message) !== first.message;
    throw new AppError("invalid_definition", message, { hint: isMissing ? wholeHint : (first?.hint ?? "") });
  }
  const clock = new VirtualClock();
  const { state } = options;
  const stateBackend = state === undefined ? undefined : { inlineBytes: limits.stateValueBytes, graceMs: 0, ...state };
  const asked = { clock, pollMs: seldomMs, missingHint: wholeHint, stateBackend };
  const services = serve(openMemoryStore({ clock }), asked);
  const follows = options.schedules === true;
  await services.schedules.apply(manifests, follows ? schedules : undefined);
  const plan = new CrashPlan();
  const inline = new InlinePlacement({ projectRoot: "/", concurrency: 1_000, clock, find: finder(exported) });
  const placement = new CrashingPlacement(inline, plan);
  const fakes = new FakeServices();
  const node = await startNode(services, {
    root: "/",
    concurrency: 1_000,
    placement,
    tracking: fakes,
    schedules: follows,
    consumers: true,
    leaseMs: seldomMs,
    pollMs: seldomMs,
  });
  return new TestHoldfast({ clock, services, node, placement, plan, fakes });
}

/** In a test there are no files that export: there is what was given. */
function inTest(message: string): string {
  return message.replace(/which is not exported\.$/, "which was not given to openTest.");
}

const wholeHint =
  'Pass what is used as well: openTest([daily, extract, load]), or all of a module: import * as tasks from "./tasks.ts".';

function exportsOf(definitions: TestedDefinitions): ExportedDefinition[] {
  const exported: ExportedDefinition[] = [];
  for (const [name, value] of Object.entries(definitions)) {
    const data = definitionData(value);
    if (data !== undefined) exported.push({ data, source: { module, export: name } });
  }
  if (exported.length > 0) return exported;
  throw new AppError("invalid_definition", "There is no definition among what was given.", {
    hint: 'Pass a module\'s exports: import * as tasks from "./tasks.ts"; openTest(tasks).',
  });
}

function finder(exported: readonly ExportedDefinition[]): (start: ActivationJob["start"]) => TaskData {
  const byExport = new Map(exported.map(({ data, source }) => [source.export, data]));
  return (start) => {
    const data = start.executor === "typescript" ? byExport.get(start.source.export) : undefined;
    if (data?.kind === "task") return data;
    throw new AppError("not_found", `"${start.run.definition}" is not among the tested definitions.`);
  };
}
