import {
  AppError,
  asStateRecord,
  type ChannelStateOp,
  type ChannelStateScope,
  type Json,
  limits,
  type StateView,
  stateRecord,
} from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import type { Clock } from "../clock.ts";
import type { StateTransaction } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import type { Asking, BodyAssets } from "./body-assets.ts";
import { staleEpoch } from "./completion.ts";
import { persist } from "./persistence.ts";
import { stateRefusal, stateView } from "./state-answers.ts";
import type { StateObjects } from "./state-objects.ts";

/**
 * State as the body of an activation reads and writes it: of its own run, its own task, and the assets that its task has declared, and of
 * nobody else (P8).
 */
export class BodyState {
  readonly #store: Store;
  readonly #objects: StateObjects;
  readonly #clock: Clock;
  readonly #assets: BodyAssets;

  constructor(parts: { store: Store; objects: StateObjects; clock: Clock; assets: BodyAssets }) {
    const { store, objects, clock, assets } = parts;
    this.#store = store;
    this.#objects = objects;
    this.#clock = clock;
    this.#assets = assets;
  }

  /** What is there of the keys. */
  async get(asking: Asking, scope: ChannelStateScope, keys: readonly string[]): Promise<StateView[]> {
    const { held } = asking;
    const row = { namespace: held.run.namespace, scope: await this.#assets.scope(asking, scope, "reads"), keys };
    const read = await persist(this.#clock, held.revoked, () => this.#objects.read(row));
    if (read?.outcome !== "read") throw staleEpoch(held);
    return read.values.map(stateView);
  }

  /** A page in the order of the keys. */
  async list(
    asking: Asking,
    { scope, prefix, after, limit = limits.pageRows }: ListedScope,
  ): Promise<{ values: StateView[]; cursor: string | null }> {
    const { held } = asking;
    const filter = {
      namespace: held.run.namespace,
      scope: await this.#assets.scope(asking, scope, "reads"),
      limitRows: limit,
      ...(prefix === undefined ? {} : { prefix }),
      ...(after === undefined ? {} : { after }),
    };
    const page = await persist(this.#clock, held.revoked, () => this.#objects.list(filter));
    if (page.outcome !== "read") throw staleEpoch(held);
    return { values: page.values.map(stateView), cursor: page.more ? (page.values.at(-1)?.key ?? null) : null };
  }

  /**
   * Changes state in one commit with the record of it (P12), fenced (P2). When the key is recorded already, that record answers.
   * Throws `stale_epoch`, `state_conflict`, `state_mismatch`, `limit_exceeded`, `key_conflict` for the key of something else, and as
   * `BodyAssets.ops` does.
   */
  async transact(
    asking: Asking,
    { key, ops, value }: { key: string; ops: readonly ChannelStateOp[]; value?: Json | undefined },
  ): Promise<{ recorded: boolean; value: Json }> {
    const { held } = asking;
    const { id: runId, epoch, generation, namespace } = held.run;
    const hash = canonicalHash(ops);
    const more = value === undefined ? {} : { value };
    const row = {
      namespace,
      ops: await this.#assets.ops(asking, ops),
      writer: { runId, epoch, generation, key, hash, ...more },
    };
    const send = async (sent: StateTransaction) => (await this.#store.transactState({ rows: [sent] }))[0];
    const result = await persist(this.#clock, held.revoked, () => this.#objects.transact(row, send));
    if (result === undefined) throw staleEpoch(held);
    switch (result.outcome) {
      case "applied":
        return { recorded: true, value: stateRecord({ results: result.results, hash, value }) };
      case "existing":
        if (asStateRecord(result.value) !== undefined) return { recorded: false, value: result.value };
        throw new AppError("key_conflict", `"${key}" is the key of a step or a wait of this run.`, {
          hint: "Give the write a key of its own.",
        });
      case "stale_epoch":
        throw staleEpoch(held);
      default:
        throw stateRefusal(
          result,
          row.ops.map((op) => ({ ...op, whose: `${op.scope.kind} ${op.scope.id}` })),
        );
    }
  }
}

interface ListedScope {
  readonly scope: ChannelStateScope;
  readonly prefix?: string | undefined;
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}
