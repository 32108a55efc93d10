import {
  AppError,
  type ChangedState,
  limits,
  type StateChangeRequest,
  type StateOp,
  type StatePageView,
  type StateTarget,
  type StateView,
  type SweepState,
  type SweptState,
  stateVersionKey,
} from "@holdfast/protocol";
import type { Store } from "../store/store.ts";
import type { AssetNames } from "./asset-names.ts";
import type { Definitions } from "./definitions.ts";
import { type Control, plainControl } from "./requests.ts";
import type { Runs } from "./runs.ts";
import { stateRefusal, stateView } from "./state-answers.ts";
import { StateFit } from "./state-fit.ts";
import type { StateObjects } from "./state-objects.ts";

/** State as people and programs see and change it. Of a run that is the state of its present generation. */
export class State {
  readonly #store: Store;
  readonly #runs: Runs;
  readonly #fit: StateFit;
  readonly #assets: AssetNames;
  readonly #namespace: string;
  readonly #objects: StateObjects;

  constructor(parts: {
    store: Store;
    objects: StateObjects;
    runs: Runs;
    definitions: Definitions;
    assets: AssetNames;
    namespace: string;
  }) {
    const { store, objects, runs, assets, namespace } = parts;
    this.#fit = new StateFit(parts);
    this.#assets = assets;
    this.#store = store;
    this.#objects = objects;
    this.#runs = runs;
    this.#namespace = namespace;
  }

  /** Throws `not_found` for the run, the task or the asset, and for a key that is not there or has expired. */
  async get(given: StateTarget, key: string): Promise<StateView> {
    const scope = await this.#scope(given);
    const value = await this.#value(scope, key);
    if (value !== undefined) return value;
    throw new AppError("not_found", `There is no "${key}" in the state of ${nameOf(scope)}.`, {
      hint: `holdfast state list ${shownOf(scope)} shows what there is.`,
      details: { key },
    });
  }

  /** A page in the order of the keys. */
  async list(
    given: StateTarget,
    { prefix, after, limit = 100 }: { prefix?: string | undefined; after?: string | undefined; limit?: number },
  ): Promise<StatePageView> {
    const scope = await this.#scope(given);
    const page = await this.#objects.list({
      namespace: this.#namespace,
      scope,
      limitRows: limit,
      ...(prefix === undefined ? {} : { prefix }),
      ...(after === undefined ? {} : { after }),
    });
    if (page.outcome === "not_found") throw unknown(scope);
    const { keys, bytes, objectBytes } = page.use;
    const cursor = page.more ? (page.values.at(-1)?.key ?? null) : null;
    return { values: page.values.map(stateView), use: { keys, bytes, objectBytes }, cursor };
  }

  /**
   * Makes all the changes or none; what they leave has to fit what the task declares. Throws `not_found`, `invalid_input`,
   * `state_conflict`, `state_mismatch`, `limit_exceeded`. `control`: see operations/requests.ts.
   */
  async change(
    given: StateTarget,
    changes: readonly StateChangeRequest[],
    control: Control = plainControl(this.#store),
  ): Promise<ChangedState> {
    const own = await this.#scope(given);
    const ops: StateOp[] = [];
    for (const { scope, ...op } of changes) {
      const of = scope === undefined ? own : await this.#scope(scope);
      ops.push({ ...op, scope: of } as StateOp);
    }
    // Of a request that is repeated the sums are made already: they are not to be looked at again.
    if (!control.hasBegun) await this.#fit.check(ops, async (scope, key) => (await this.#value(scope, key))?.value);
    const row = { namespace: this.#namespace, ops, writer: null };
    const result = await this.#objects.transact(
      row,
      async (sent) => (await control.transactState({ rows: [sent] }))[0],
    );
    if (result?.outcome === "applied") return { results: [...result.results] };
    if (result === undefined || result.outcome === "existing" || result.outcome === "stale_epoch") {
      throw new Error("the store fenced a change of state that nobody's activation makes");
    }
    throw stateRefusal(
      result,
      ops.map((op) => ({ ...op, whose: nameOf(op.scope) })),
    );
  }

  /** Deletes all values of a scope, or those whose keys begin so, and answers how many. The version of its schema stays. */
  async clear(given: StateTarget, prefix: string | undefined, control: Control = plainControl(this.#store)) {
    const kept = stateVersionKey.startsWith(prefix ?? "") ? await this.#version(given) : undefined;
    const clear = { op: "clear", ...(prefix === undefined ? {} : { prefix }) } as const;
    const stays = kept === undefined ? [] : [{ op: "set", key: stateVersionKey, value: kept.value } as const];
    const { results } = await this.change(given, [clear, ...stays], control);
    return { cleared: (results[0]?.cleared ?? 0) - stays.length };
  }

  /** Deletes values whose time is over, the longest over first, and objects that no value names. */
  async sweep({ preview = false, limit = limits.pageRows }: SweepState): Promise<SweptState> {
    const values = await this.#store.sweepState({ limitRows: limit, dryRun: preview });
    const { expired, swept } = values;
    const objects = await this.#objects.sweep({ limitRows: limit, dryRun: preview });
    const more = values.more || objects.more;
    return {
      swept,
      more,
      objects: {
        swept: objects.swept,
        bytes: objects.bytes,
        unknown: more || preview ? 0 : await this.#sweepUnknown(),
      },
      expired: expired.map(({ kind, id, generation, key, expiresAt }) => {
        return { kind, id, generation, key, expiresAt: new Date(expiresAt).toISOString() };
      }),
    };
  }

  async #version(given: StateTarget): Promise<StateView | undefined> {
    return this.#value(await this.#scope(given), stateVersionKey);
  }

  async #value(scope: StateTarget, key: string): Promise<StateView | undefined> {
    const read = await this.#objects.read({ namespace: this.#namespace, scope, keys: [key] });
    const value = read?.outcome === "read" ? read.values[0] : undefined;
    return value === undefined ? undefined : stateView(value);
  }

  /** What lies with the backend and nobody knows, all of it. */
  async #sweepUnknown(): Promise<number> {
    let all = 0;
    let cursor: string | undefined;
    do {
      const page = await this.#objects.sweepUnknown(cursor);
      all += page.swept;
      cursor = page.cursor;
    } while (cursor !== undefined);
    return all;
  }

  /** A run by the beginning of its id, a task by its whole one, an asset by its id or its URI. Throws `not_found`: nobody writes into what is not there. */
  async #scope({ kind, id }: StateTarget): Promise<StateTarget> {
    if (kind === "run") return { kind, id: (await this.#runs.row(id)).id };
    if (kind === "asset") return { kind, id: (await this.#assets.find(id)).asset.id };
    if (await this.#isTask(id)) return { kind, id };
    throw new AppError("not_found", `There is no task "${id}".`, {
      hint: "holdfast definitions list names them; a task of a workflow is named as in its file.",
    });
  }

  /** A task that was applied, or one of a workflow's own that has had a run. */
  async #isTask(id: string): Promise<boolean> {
    const of = { namespace: this.#namespace };
    const known = await this.#store.findDefinition({ ...of, id });
    if (known !== undefined) return known.kind === "task";
    const { runs } = await this.#store.listRuns({ ...of, definition: id, rootsOnly: false, limitRows: 1 });
    return runs.some((run) => run.kind === "task");
  }
}

function nameOf({ kind, id }: { readonly kind: string; readonly id: string }): string {
  return `${kind} ${id}`;
}

/** As the command line names it. */
function shownOf({ kind, id }: StateTarget): string {
  return kind === "run" ? id : `${kind}:${id}`;
}

function unknown(scope: StateTarget): AppError {
  return new AppError("not_found", `There is no ${nameOf(scope)}.`);
}
