import { AppError, type ErrorCode, type Marked, type MarkRun } from "@holdfast/protocol";
import { type MarkResult, refusalText, type Verdict } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import type { Definitions } from "./definitions.ts";
import { type Control, plainControl } from "./requests.ts";
import { type Runs, unknownRun } from "./runs.ts";

/** Ends that people decide: mark and skip (core/marks.ts). */
export class Marks {
  readonly #store: Store;
  readonly #runs: Runs;
  readonly #definitions: Definitions;

  constructor({ store, runs, definitions }: { store: Store; runs: Runs; definitions: Definitions }) {
    this.#store = store;
    this.#definitions = definitions;
    this.#runs = runs;
  }

  /**
   * Ends a run so, or says that it had ended so; what depends on it follows. Throws `run_live`, `run_superseded`, `limit_exceeded`,
   * `invalid_output` for an output that is not what the task declares.
   */
  async mark(
    id: string,
    { status, output, reason }: MarkRun,
    control: Control = plainControl(this.#store),
  ): Promise<Marked> {
    const { id: runId, kind, manifestHash, definition } = await this.#runs.row(id);
    if (output !== undefined && status !== "succeeded") {
      throw new AppError("invalid_request", `A run that is marked as ${status} has no output.`);
    }
    if (status === "succeeded" && kind === "task") {
      const spec = await this.#definitions.spec(manifestHash, definition);
      if (spec.kind === "task") await this.#definitions.checkDeclared(spec, output ?? null);
    }
    const verdict = verdictOf(status, output ?? null, reason);
    const rows = [{ runId, verdict, data: { reason: reason ?? null } }];
    const [result] = await control.markRuns({ rows });
    return this.#answer(runId, result);
  }

  async #answer(runId: string, result: MarkResult | undefined): Promise<Marked> {
    if (result === undefined || result.outcome === "not_found") throw unknownRun(runId);
    if (result.outcome === "refused") {
      const { code, message, hint } = refusalText(result.refusal);
      throw new AppError(code as ErrorCode, message, hint === undefined ? {} : { hint });
    }
    const run = await this.#runs.get(runId);
    if (result.outcome === "unchanged") return { run, changed: false, reset: 0, reopened: 0, jobs: 0 };
    const { reset, reopened, jobs } = result;
    return { run, changed: true, reset: reset.length, reopened: reopened.length, jobs };
  }
}

function verdictOf(
  status: MarkRun["status"],
  output: NonNullable<MarkRun["output"]> | null,
  reason: string | undefined,
): Verdict {
  const why = reason === undefined || reason === "" ? "." : `: ${reason}`;
  if (status === "succeeded") return { status, output };
  if (status === "failed")
    return { status, error: { code: "marked_failed", message: `It was marked as failed${why}` } };
  return { status, error: { code: "skipped_by_person", message: `It was skipped${why}` } };
}
