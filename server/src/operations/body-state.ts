import {
  AppError,
  asStateRecord,
  type ChannelStateOp,
  type ChannelStateScope,
  type Json,
  limits,
  type StateOp,
  type StateScope,
  type StateView,
  stateRecord,
} from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import type { Clock } from "../clock.ts";
import type { StateTransaction } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import { type HeldActivation, staleEpoch } from "./completion.ts";
import { persist } from "./persistence.ts";
import { stateRefusal, stateView } from "./state-answers.ts";
import type { StateObjects } from "./state-objects.ts";

/** State as the body of an activation reads and writes it: of its own run and its own task, and of nobody else (P8). */
export class BodyState {
  readonly #store: Store;
  readonly #objects: StateObjects;
  readonly #clock: Clock;

  constructor({ store, objects, clock }: { store: Store; objects: StateObjects; clock: Clock }) {
    this.#store = store;
    this.#objects = objects;
    this.#clock = clock;
  }

  /** What is there of the keys. */
  async get(held: HeldActivation, scope: ChannelStateScope, keys: readonly string[]): Promise<StateView[]> {
    const row = { ...this.#of(held, scope), keys };
    const read = await persist(this.#clock, held.revoked, () => this.#objects.read(row));
    if (read?.outcome !== "read") throw staleEpoch(held);
    return read.values.map(stateView);
  }

  /** A page in the order of the keys. */
  async list(
    held: HeldActivation,
    { scope, prefix, after, limit = limits.pageRows }: ListedScope,
  ): Promise<{ values: StateView[]; cursor: string | null }> {
    const filter = {
      ...this.#of(held, scope),
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
   * Throws `stale_epoch`, `state_conflict`, `state_mismatch`, `limit_exceeded`, and `key_conflict` for the key of something else.
   */
  async transact(
    held: HeldActivation,
    { key, ops, value }: { key: string; ops: readonly ChannelStateOp[]; value?: Json | undefined },
  ): Promise<{ recorded: boolean; value: Json }> {
    const { id: runId, epoch, generation, namespace } = held.run;
    const hash = canonicalHash(ops);
    const more = value === undefined ? {} : { value };
    const row = {
      namespace,
      ops: ops.map((op): StateOp => ({ ...op, scope: this.#of(held, op.scope).scope })),
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

  #of({ run }: HeldActivation, { kind }: ChannelStateScope): { namespace: string; scope: StateScope } {
    return { namespace: run.namespace, scope: { kind, id: kind === "run" ? run.id : run.definition } };
  }
}

interface ListedScope {
  readonly scope: ChannelStateScope;
  readonly prefix?: string | undefined;
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}
