import { AppError, type ErrorCode, isEnded, limits, type Restarted, type RetryRun } from "@holdfast/protocol";
import { type RestartOrder, type RestartRefusal, type RestartResult, type RunRow, refusalText } from "../core/index.ts";
import { mayHaveMore } from "../store/page-bytes.ts";
import type { Store } from "../store/store.ts";
import { type Control, plainControl } from "./requests.ts";
import type { Runs } from "./runs.ts";

const shown = 100;
/** So many start again in one transaction. */
const chunkRows = 100;

/** A run that failed of itself, at the attempt that did. */
type Leaf = { readonly id: string; readonly attempt: number };

/** What restarts came to, put together. */
type Tally = Omit<Restarted, "run">;

/** Lets runs that have ended start again: retry and clear (core/restart.ts). */
export class Restarts {
  readonly #store: Store;
  readonly #runs: Runs;

  constructor({ store, runs }: { store: Store; runs: Runs }) {
    this.#store = store;
    this.#runs = runs;
  }

  /**
   * Tries again what did not succeed, recorded steps kept: the run, or of a workflow or map what failed of itself below it. Throws
   * `run_live`, `run_ended` for what succeeded, `upstream_unmet`, `run_superseded`.
   */
  async retry(
    id: string,
    { fromFailed = false, reason, attempt }: RetryRun,
    control: Control = plainControl(this.#store),
  ): Promise<Restarted> {
    const row = await this.#runs.row(id);
    const data = { by: "retry", reason: reason ?? null };
    if (fromFailed) {
      const leaves = await control.agree(() => this.#listFailedLeaves(row));
      return this.#answer(row, await this.#restartLeaves(row, leaves, data, control), { alone: false });
    }
    if (row.status === "succeeded" && !control.hasBegun) {
      throw new AppError("run_ended", `Run ${row.id} has succeeded: there is nothing to try again.`, {
        hint: `holdfast runs clear ${row.id} starts it again nevertheless.`,
      });
    }
    return this.#resume(row, { data, attempt, live: false }, control);
  }

  /**
   * Starts a run again with everything that depends on it, afresh or going on with what is recorded. One that has not ended is taken back:
   * afresh, what it has under way is ended first; else a body that waits goes on in its next try. Throws as `retry`.
   */
  async clear(
    id: string,
    { fresh, reason, attempt }: { fresh: boolean; reason?: string | undefined; attempt?: number | undefined },
    control: Control = plainControl(this.#store),
  ): Promise<Restarted> {
    const row = await this.#runs.row(id);
    const data = { by: "clear", reason: reason ?? null };
    if (!fresh) return this.#resume(row, { data, attempt, live: true }, control);
    const orders = [order(row.id, { fresh, data, attempt, live: true })];
    return this.#answer(row, await this.#restart(orders, control), { alone: true });
  }

  async #resume(
    row: RunRow,
    { data, attempt, live }: { data: RestartOrder["data"]; attempt: number | undefined; live: boolean },
    control: Control,
  ): Promise<Restarted> {
    // Which it is was decided when it was asked for first.
    const leaves = await control.agree(async () => {
      const isOld = attempt !== undefined && attempt !== row.attempt;
      // A body calls again itself what failed: it is what is tried again.
      const hasLeaves = row.kind !== "task" && isEnded(row.status) && row.children.failed > 0;
      return hasLeaves && !isOld ? this.#listFailedLeaves(row) : null;
    });
    if (leaves !== null)
      return this.#answer(row, await this.#restartLeaves(row, leaves, data, control), { alone: false });
    const orders = [order(row.id, { fresh: false, data, attempt, live })];
    return this.#answer(row, await this.#restart(orders, control), { alone: true });
  }

  async #restartLeaves(
    top: RunRow,
    leaves: readonly Leaf[],
    data: RestartOrder["data"],
    control: Control,
  ): Promise<Tally> {
    const orders = leaves.map(({ id, attempt }) => order(id, { fresh: false, data, attempt, live: false }));
    if (orders.length > 0) return this.#restart(orders, control);
    throw new AppError("not_found", `Nothing has failed in run ${top.id}.`, {
      hint: `holdfast runs show ${top.id} shows how it stands.`,
    });
  }

  /** Runs below, and the run itself, that ended badly of themselves: not because of what is below them or before them. */
  async #listFailedLeaves(top: RunRow): Promise<Leaf[]> {
    const generations = new Map([[top.id, top.generation]]);
    const leaves: Leaf[] = isFailedLeaf(top) ? [leafOf(top)] : [];
    for (let after: string | undefined = top.id; after !== undefined; ) {
      const page: RunRow[] = await this.#store.listTree({ rootId: top.rootId, after, limitRows: limits.pageRows });
      for (const row of page) {
        if (generations.get(row.parentId ?? "") !== row.parentGeneration) continue;
        generations.set(row.id, row.generation);
        if (isFailedLeaf(row)) leaves.push(leafOf(row));
      }
      after = mayHaveMore(page, limits.pageRows) ? page.at(-1)?.id : undefined;
    }
    return leaves;
  }

  async #restart(orders: readonly RestartOrder[], control: Control): Promise<Tally> {
    const tally = nothingDone();
    let first: RestartRefusal | undefined;
    for (let at = 0; at < orders.length; at += chunkRows) {
      const rows = orders.slice(at, at + chunkRows);
      for (const [index, result] of (await control.restartRuns({ rows })).entries()) {
        const id = rows[index]?.runId ?? "";
        if (result.outcome === "restarted") count(tally, id, result, rows[index]?.fresh === true);
        // One that another of them has set back is on its way already, or will be made anew.
        else if (result.outcome !== "refused" || (orders.length > 1 && isOnItsWay(result.refusal)))
          tally.unchanged += 1;
        else {
          first ??= result.refusal;
          if (tally.refused.length < shown) tally.refused.push({ id, message: refusalText(result.refusal).message });
        }
      }
    }
    if (tally.restarted + tally.unchanged === 0 && first !== undefined) throw refusalError(first);
    return tally;
  }

  async #answer(row: RunRow, tally: Tally, { alone }: { alone: boolean }): Promise<Restarted> {
    // A repeat of what was done is told apart from what somebody else did by nobody: both leave it as it is.
    const unchanged = alone ? Math.min(1, tally.unchanged) : tally.unchanged;
    return { run: await this.#runs.get(row.id), ...tally, unchanged };
  }
}

function leafOf({ id, attempt }: RunRow): Leaf {
  return { id, attempt };
}

function order(
  runId: string,
  { attempt, ...how }: Pick<RestartOrder, "fresh" | "data"> & { attempt: number | undefined; live: boolean },
): RestartOrder {
  return { runId, ifAttempt: attempt ?? null, ...how };
}

function nothingDone(): Tally {
  const none = () => ({ steps: 0, values: 0, jobs: [] });
  const counts = { restarted: 0, reset: 0, reopened: 0, unchanged: 0 };
  return { ids: [], ...counts, kept: none(), dropped: none(), refused: [] };
}

function isFailedLeaf({ kind, status, children, error }: RunRow): boolean {
  if (status !== "failed" && status !== "cancelled") return false;
  return children.failed === 0 || (kind === "task" && error?.code !== "child_failed");
}

function count(
  tally: Tally,
  id: string,
  { reset, reopened, adopted, awaited, had }: Extract<RestartResult, { outcome: "restarted" }>,
  fresh: boolean,
): void {
  const left = fresh ? tally.dropped : tally.kept;
  left.steps += had?.steps ?? 0;
  left.values += had?.values ?? 0;
  tally.kept.jobs.push(...adopted.slice(0, shown - tally.kept.jobs.length));
  tally.dropped.jobs.push(...awaited.slice(0, shown - tally.dropped.jobs.length));
  tally.restarted += 1;
  tally.reset += reset.length;
  tally.reopened += reopened.length;
  if (tally.ids.length < shown) tally.ids.push(id);
}

function isOnItsWay({ reason }: RestartRefusal): boolean {
  return reason === "live" || reason === "superseded" || reason === "caller_live";
}

function refusalError(refusal: RestartRefusal): AppError {
  const { code, message, hint } = refusalText(refusal);
  return new AppError(code as ErrorCode, message, {
    ...(hint === undefined ? {} : { hint }),
    details: { runId: refusal.runId, status: refusal.status },
  });
}
