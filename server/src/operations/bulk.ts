import { AppError, type Bulk, type BulkPage, isAppError, type Restarted, type RunView } from "@holdfast/protocol";
import type { Store } from "../store/store.ts";
import type { Pauses } from "./pauses.ts";
import { type Control, plainControl } from "./requests.ts";
import type { Restarts } from "./restarts.ts";
import type { Runs } from "./runs.ts";

/** So many runs are gone through in one request. */
const pageRows = 100;

type Outcome = BulkPage["runs"][number];

/** A run of the page, as it was found. */
type Named = Pick<RunView, "id" | "name" | "status" | "attempt">;

type Found = { readonly runs: readonly Named[]; readonly cursor: string | null };

/**
 * One action for every run that a filter names, a page a request, from the newest. Each run is acted on as it would be alone, so that a
 * page can be repeated and a refusal is the affair of its run.
 */
export class BulkActions {
  readonly #store: Store;
  readonly #runs: Runs;
  readonly #pauses: Pauses;
  readonly #restarts: Restarts;

  constructor({ store, runs, pauses, restarts }: { store: Store; runs: Runs; pauses: Pauses; restarts: Restarts }) {
    this.#store = store;
    this.#runs = runs;
    this.#pauses = pauses;
    this.#restarts = restarts;
  }

  async act(request: Bulk, control: Control = plainControl(this.#store)): Promise<BulkPage> {
    const { definition, statuses, since, preview = false } = request;
    if (definition === undefined && statuses === undefined && since === undefined) {
      throw new AppError("invalid_request", "It would concern every run: nothing says which.", {
        hint: "Give a definition, a status or a time.",
      });
    }
    const { runs: named, cursor: next } = await control.agree(() => this.#find(request));
    const runs: Outcome[] = [];
    for (const run of named) {
      runs.push(preview ? of(run, "matched") : await this.#actOn(run, request, control.within(run.id)));
    }
    return { runs, cursor: next };
  }

  async #find({ definition, statuses, since, scope = "roots", cursor }: Bulk): Promise<Found> {
    const page = await this.#runs.list({
      rootsOnly: scope === "roots",
      limit: pageRows,
      ...(definition === undefined ? {} : { definition }),
      ...(statuses === undefined ? {} : { statuses }),
      ...(cursor === undefined ? {} : { cursor }),
      since,
    });
    return {
      runs: page.runs.map(({ id, name, status, attempt }) => ({ id, name, status, attempt })),
      cursor: page.cursor,
    };
  }

  async #actOn(run: Named, request: Bulk, control: Control): Promise<Outcome> {
    try {
      const done = await this.#change(run, request, control);
      return typeof done === "boolean" ? of(run, done ? "changed" : "unchanged") : restartOf(run, done);
    } catch (error) {
      // What is over can be neither paused nor resumed, what has succeeded not retried: it is as it should be.
      if (isAppError(error, "run_ended") && request.action !== "clear") return of(run, "unchanged", error.message);
      if (isAppError(error) && error.code !== "store_unavailable" && error.code !== "internal") {
        return of(run, "refused", error.message);
      }
      throw error;
    }
  }

  /** Whether anything changed, or what a restart did. */
  async #change({ id, attempt }: Named, request: Bulk, control: Control): Promise<boolean | Restarted> {
    const { action, reason, force, mode } = request;
    switch (action) {
      case "cancel": {
        const { requested, forced } = await this.#runs.cancel(id, { reason, force }, control);
        return requested + forced > 0;
      }
      case "pause":
        return (await this.#pauses.pause("run", id, reason, control)).changed;
      case "resume":
        return (await this.#pauses.resume("run", id, control)).changed;
      case "retry":
        return this.#restarts.retry(id, { attempt, reason }, control);
      case "clear":
        return this.#restarts.clear(id, { fresh: mode !== "resume", attempt, reason }, control);
    }
  }
}

function restartOf(run: Named, { restarted, kept, dropped }: Restarted): Outcome {
  return restarted === 0 ? of(run, "unchanged") : { ...of(run, "changed"), kept, dropped };
}

function of({ id, name, status }: Named, outcome: Outcome["outcome"], message?: string): Outcome {
  return { id, name, status, outcome, ...(message === undefined ? {} : { message }) };
}
