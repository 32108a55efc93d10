import { type Json, limits, type StepRecord } from "@holdfast/protocol";
import { jsonBytes } from "../admission.ts";
import type { StepResult, StepRow } from "../store.ts";
import type { Change, Note } from "./changes.ts";

interface GenerationSteps {
  readonly values: Map<string, Json>;
  bytes: number;
}

/** What activations recorded, by run and generation. */
export class StepTable {
  readonly #note: Note;
  readonly #runs = new Map<string, Map<number, GenerationSteps>>();

  constructor(note?: Note) {
    this.#note = note;
  }

  /** Records a step of an activation that has been found to be live. */
  record({ runId, generation, key, value }: StepRow): StepResult {
    const steps = this.#of(runId, generation);
    const existing = steps.values.get(key);
    if (existing !== undefined) return { outcome: "existing", value: existing };
    if (steps.values.size >= limits.stepsPerRun) return { outcome: "limit_exceeded", limit: "stepsPerRun" };
    const bytes = steps.bytes + jsonBytes(value);
    if (bytes > limits.stepBytesPerRun) return { outcome: "limit_exceeded", limit: "stepBytesPerRun" };
    this.restore({ runId, generation, key, value });
    return { outcome: "recorded" };
  }

  /** Keeps a step, whatever the limits. */
  restore({ runId, generation, key, value }: Omit<StepRow, "epoch">): void {
    this.#note?.({ is: "step", runId, generation, key, value });
    const steps = this.#of(runId, generation);
    steps.values.set(key, value);
    steps.bytes += jsonBytes(value);
  }

  /** What is recorded of these keys. */
  find(runId: string, generation: number, keys: Iterable<string>): StepRecord[] {
    const steps = this.#runs.get(runId)?.get(generation);
    return [...keys].flatMap((key) => {
      const value = steps?.values.get(key);
      return value === undefined ? [] : [{ key, value }];
    });
  }

  /** How many records there are, and their bytes. */
  used(runId: string, generation: number): { count: number; bytes: number } {
    const steps = this.#runs.get(runId)?.get(generation);
    return { count: steps?.values.size ?? 0, bytes: steps?.bytes ?? 0 };
  }

  list(runId: string, generation: number): StepRecord[] {
    const steps = this.#runs.get(runId)?.get(generation);
    return steps === undefined ? [] : [...steps.values].map(([key, value]) => ({ key, value }));
  }

  forgetRuns(ids: readonly string[]): void {
    for (const id of ids) this.#runs.delete(id);
  }

  /** Everything that is here now. */
  content(): Change[] {
    const changes: Change[] = [];
    for (const [runId, generations] of this.#runs) {
      for (const [generation, { values }] of generations) {
        for (const [key, value] of values) changes.push({ is: "step", runId, generation, key, value });
      }
    }
    return changes;
  }

  #of(runId: string, generation: number): GenerationSteps {
    const generations = this.#runs.get(runId) ?? new Map<number, GenerationSteps>();
    this.#runs.set(runId, generations);
    const steps = generations.get(generation) ?? { values: new Map<string, Json>(), bytes: 0 };
    generations.set(generation, steps);
    return steps;
  }
}
