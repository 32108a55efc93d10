import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { defaultRetry, type Json, type TaskSpec } from "@holdfast/protocol";
import type { RunHandle } from "@holdfast/sdk/client";
import { registerModuleHook } from "@holdfast/sdk/module-hook";
import { Embedded } from "../../server/src/embedded.ts";
import { applyProject, openServices, type RunningNode, type Services, startNode } from "../../server/src/main.ts";
import { bodiesRun, countBodies, takeDelaysMs } from "../definitions/notes.ts";
import { instant, rateOf, type Sizes, Stopwatch, type Subject, type SubjectOptions, serveSubject } from "./subject.ts";

/** The no-op task in Python. */
const noopPython: TaskSpec = {
  kind: "task",
  id: "noop-python",
  executor: "python",
  source: { module: "noop.py", export: "noop" },
  queue: "default",
  priority: 0,
  retry: defaultRetry,
  placement: "process",
  isolation: "pool",
  reads: [],
  writes: [],
};

const root = join(import.meta.dirname, "..", "definitions");
/** Callers that fill the store before a drain: their calls merge. */
const fillers = 2_000;
/** Time to apply schedules before their tick comes. */
const ticksAfterMs = 4_000;

/** Holdfast as a program uses it: services on a store, and a node in the same process. */
class HoldfastSubject implements Subject {
  #options: SubjectOptions | undefined;
  #services: Services | undefined;
  #client: Embedded | undefined;
  #node: RunningNode | undefined;

  async open(options: SubjectOptions): Promise<void> {
    registerModuleHook();
    this.#options = options;
    this.#services = await openServices({ address: options.store, role: "owner", migrate: true });
    await applyProject(this.#services, { root, include: ["bench-tasks.ts"] });
    const definitions = { [noopPython.id]: noopPython };
    await this.#services.definitions.apply([{ format: 1, root: noopPython.id, definitions, assets: {} }]);
    this.#client = new Embedded(this.#services, undefined);
  }

  async drain({ drainRuns, processRuns }: Sizes): Promise<number[]> {
    const { inProcesses } = this.#opened();
    if (inProcesses) return this.#drainProcesses(processRuns);
    await rateOf(drainRuns, fillers, () => this.#start("noop"));
    const watch = new Stopwatch();
    const last = bodiesRun(drainRuns);
    await this.#work();
    await last;
    await this.#untilIdle(5);
    return watch.rates(drainRuns);
  }

  async enqueue({ enqueueRuns }: Sizes): Promise<number[]> {
    await rateOf(enqueueRuns / 20, 10, () => this.#start("noop"));
    return rateOf(enqueueRuns, 10, () => this.#start("noop"));
  }

  async latency({ latencyRuns, latencyGapMs }: Sizes): Promise<number[]> {
    const { inProcesses } = this.#opened();
    await this.#work();
    const delaysMs: number[] = [];
    for (let run = -10; run < latencyRuns; run++) {
      const ms = await this.#result(inProcesses ? "timed-process" : "timed", { at: instant() });
      if (run >= 0 && typeof ms === "number") delaysMs.push(ms);
      await pause(latencyGapMs);
    }
    return delaysMs;
  }

  async work(): Promise<number[]> {
    await this.#work();
    return [];
  }

  async submit({ latencyRuns, latencyGapMs }: Sizes): Promise<number[]> {
    for (let run = 0; run < latencyRuns; run++) {
      await this.#start("timed", { at: instant() });
      await pause(latencyGapMs);
    }
    return [];
  }

  async takeDelays({ latencyRuns }: Sizes): Promise<number[]> {
    while (countBodies() < latencyRuns) await pause(10);
    return takeDelaysMs();
  }

  async chains({ chainRuns }: Sizes): Promise<number[]> {
    await this.#work();
    await rateOf(50, 50, () => this.#result("chain", {}));
    return rateOf(chainRuns, 50, () => this.#result("chain", {}));
  }

  async fan({ fanRuns }: Sizes): Promise<number[]> {
    await this.#work();
    const lengthsMs: number[] = [];
    for (let run = -1; run < fanRuns; run++) {
      const startedMs = performance.now();
      await this.#result("fan", {});
      if (run >= 0) lengthsMs.push(performance.now() - startedMs);
    }
    return lengthsMs;
  }

  async ticks({ schedules: count }: Sizes): Promise<number[]> {
    const { store, schedules, definitions } = this.#asked();
    const { manifestHash } = await definitions.get("noop");
    const at = Math.ceil(((await store.describe()).now + ticksAfterMs) / 1_000) * 1_000;
    const rules = { tz: "Europe/Berlin", catchUp: "latest", overlap: "allow", jitterMs: 0 } as const;
    const specs = Array.from({ length: count }, (_, index) => ({
      id: `noop:s${index}`,
      definition: "noop",
      when: { at: new Date(at).toISOString() },
      params: { object: { day: { tick: "date" as const } } },
      ...rules,
    }));
    await schedules.apply([await definitions.manifest(manifestHash)], specs);
    const all = bodiesRun(count);
    await this.#work();
    await all;
    await this.#untilIdle(5);
    const { runs } = await this.#asked().runs.list({ definition: "noop", rootsOnly: true, limit: count });
    return runs.map(({ startedAt }) => Date.parse(startedAt ?? "") - at);
  }

  async steps({ stepBodies }: Sizes): Promise<number[]> {
    const { concurrency } = this.#opened();
    await this.#work();
    await rateOf(2 * concurrency, concurrency, () => this.#result("ten-steps", {}));
    return rateOf(stepBodies * concurrency, concurrency, () => this.#result("ten-steps", {}));
  }

  async close(): Promise<void> {
    await this.#node?.stop();
    await this.#services?.close();
  }

  /** Through children that are warm already. What is enqueued is begun at once, so the enqueuing counts too. */
  async #drainProcesses(count: number): Promise<number[]> {
    const { concurrency, inPython } = this.#opened();
    const definition = inPython ? noopPython.id : "noop-process";
    await this.#work();
    await rateOf(concurrency * 4, concurrency * 2, () => this.#result(definition, {}));
    const watch = new Stopwatch();
    await rateOf(count, fillers, () => this.#start(definition));
    await this.#untilIdle(20);
    return watch.rates(count);
  }

  #opened(): SubjectOptions {
    if (this.#options === undefined) throw new Error("not opened");
    return this.#options;
  }

  #asked(): Services {
    if (this.#services === undefined) throw new Error("not opened");
    return this.#services;
  }

  async #work(): Promise<void> {
    const { concurrency } = this.#opened();
    this.#node = await startNode(this.#asked(), { root, concurrency });
  }

  /** By the client of `holdfast/embedded`: every call can be repeated, by an id of its own. */
  #start(definition: string, input: Json = {}): Promise<RunHandle> {
    if (this.#client === undefined) throw new Error("not opened");
    return this.#client.start(definition, input);
  }

  async #result(definition: string, input: Json): Promise<Json> {
    return (await this.#start(definition, input)).result();
  }

  async #untilIdle(pollMs: number): Promise<void> {
    const statuses = ["ready", "running"] as const;
    for (;;) {
      const { runs } = await this.#asked().runs.list({ statuses, rootsOnly: false, limit: 1 });
      if (runs.length === 0) return;
      await pause(pollMs);
    }
  }
}

serveSubject(new HoldfastSubject());
