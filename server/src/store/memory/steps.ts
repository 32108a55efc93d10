import { type Json, limits, type StepRecord } from "@holdfast/protocol";
import { jsonBytes } from "../admission.ts";
import type { StepResult, StepRow } from "../store.ts";

interface GenerationSteps {
  readonly values: Map<string, Json>;
  bytes: number;
}

/** What activations recorded, by run and generation. */
export class StepTable {
  readonly #runs = new Map<string, Map<number, GenerationSteps>>();

  /** Records a step of an activation that has been found to be live. */
  record({ runId, generation, key, value }: StepRow): StepResult {
    const generations = this.#runs.get(runId) ?? new Map<number, GenerationSteps>();
    this.#runs.set(runId, generations);
    const steps = generations.get(generation) ?? { values: new Map<string, Json>(), bytes: 0 };
    generations.set(generation, steps);
    const existing = steps.values.get(key);
    if (existing !== undefined) return { outcome: "existing", value: existing };
    if (steps.values.size >= limits.stepsPerRun) return { outcome: "limit_exceeded", limit: "stepsPerRun" };
    const bytes = steps.bytes + jsonBytes(value);
    if (bytes > limits.stepBytesPerRun) return { outcome: "limit_exceeded", limit: "stepBytesPerRun" };
    steps.values.set(key, value);
    steps.bytes = bytes;
    return { outcome: "recorded" };
  }

  list(runId: string, generation: number): StepRecord[] {
    const steps = this.#runs.get(runId)?.get(generation);
    return steps === undefined ? [] : [...steps.values].map(([key, value]) => ({ key, value }));
  }

  forgetRuns(ids: readonly string[]): void {
    for (const id of ids) this.#runs.delete(id);
  }
}
