import {
  AppError,
  type ChannelStateOp,
  type ChannelStateScope,
  type CodeTaskSpec,
  limits,
  type Manifest,
  type StartingEvent,
  type StateOp,
  type StateScope,
  type StateView,
} from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Store } from "../store/store.ts";
import { checkAssetOp, startingEvent, undeclaredAsset } from "./asset-answers.ts";
import { type HeldActivation, staleEpoch } from "./completion.ts";
import type { Definitions } from "./definitions.ts";
import { persist } from "./persistence.ts";
import { stateView } from "./state-answers.ts";

/** An activation that asks, and what its task has declared. */
export interface Asking {
  readonly held: HeldActivation;
  readonly task: CodeTaskSpec;
}

type Use = "reads" | "writes";

/**
 * Assets as the body of an activation sees them: those that its task has declared, by their ids or their URIs (P8). What it writes it may
 * read as well: a load goes on from its own watermark.
 */
export class BodyAssets {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #definitions: Definitions;
  /** Whether an asset is declared by what is current: looked at once an activation. */
  readonly #active = new WeakMap<HeldActivation, Map<string, Promise<boolean>>>();

  constructor({ store, clock, definitions }: { store: Store; clock: Clock; definitions: Definitions }) {
    this.#store = store;
    this.#clock = clock;
    this.#definitions = definitions;
  }

  /** An asset and how far it is. Throws `denied`, and `not_found` for one that nothing declares any more. */
  async get(
    asking: Asking,
    { asset, watermarks }: { asset: string; watermarks: readonly string[] },
  ): Promise<{ id: string; uri: string | null; watermarks: StateView[] }> {
    const { id, uri = null } = await this.#spec(asking, asset, "reads");
    const row = { namespace: asking.held.run.namespace, scope: { kind: "watermark", id } as const, keys: watermarks };
    const [read] = await this.#persist(asking, () => this.#store.readState({ rows: [row] }));
    if (read?.outcome !== "read") throw staleEpoch(asking.held);
    return { id, uri, watermarks: read.values.map(stateView) };
  }

  /** Its events behind a number. Throws as `get` does. */
  async events(
    asking: Asking,
    {
      asset,
      after = 0,
      limit = limits.pageRows,
    }: { asset: string; after?: number | undefined; limit?: number | undefined },
  ): Promise<{ events: StartingEvent[] }> {
    const { id } = await this.#spec(asking, asset, "reads");
    const filter = { namespace: asking.held.run.namespace, id, after, limitRows: limit };
    const events = await this.#persist(asking, () => this.#store.listAssetEvents(filter));
    return { events: events.map(startingEvent) };
  }

  /** The scope that is read: of the activation's own run or task, or of an asset. */
  async scope(asking: Asking, scope: ChannelStateScope, use: Use): Promise<StateScope> {
    const { run } = asking.held;
    if (scope.kind === "asset") return { kind: "asset", id: (await this.#spec(asking, scope.id, use)).id };
    return { kind: scope.kind, id: scope.kind === "run" ? run.id : run.definition };
  }

  /** The changes as the store takes them. Throws `denied`, `not_found`, and `invalid_input` for what does not fit the asset. */
  async ops(asking: Asking, ops: readonly ChannelStateOp[]): Promise<StateOp[]> {
    const resolved: StateOp[] = [];
    for (const op of ops) {
      if (op.op !== "advance" && op.op !== "emit") {
        resolved.push({ ...op, scope: await this.scope(asking, op.scope, "writes") });
        continue;
      }
      const spec = await this.#spec(asking, op.scope.id, "writes");
      await checkAssetOp(this.#definitions.evaluator, spec, op);
      resolved.push({ ...op, scope: { ...op.scope, id: spec.id } } as StateOp);
    }
    return resolved;
  }

  async #spec({ held, task }: Asking, name: string, use: Use) {
    const { assets } = await this.#definitions.manifest(held.run.manifestHash);
    const id = idOf(assets, name);
    const isDeclared = id !== undefined && (task.writes.includes(id) || (use === "reads" && task.reads.includes(id)));
    if (!isDeclared) throw notDeclared(task, { name, id: id ?? name, use });
    if (!(await this.#isActive(held, id))) throw undeclaredAsset(id);
    return assets[id] ?? { id };
  }

  #isActive(held: HeldActivation, id: string): Promise<boolean> {
    const known = this.#active.get(held) ?? new Map<string, Promise<boolean>>();
    this.#active.set(held, known);
    const looked = known.get(id);
    if (looked !== undefined) return looked;
    const { namespace } = held.run;
    const looking = persist(this.#clock, held.revoked, () => this.#store.findAsset({ namespace, id })).then(
      (found) => found?.asset.active === true,
    );
    known.set(id, looking);
    looking.catch(() => known.delete(id));
    return looking;
  }

  #persist<T>({ held }: Asking, ask: () => Promise<T>): Promise<T> {
    return persist(this.#clock, held.revoked, ask);
  }
}

/** Of the assets that the run's manifest knows. What its definitions name and it does not list has no other name. */
function idOf(assets: Manifest["assets"], name: string): string | undefined {
  if (!name.includes(":")) return name;
  return Object.values(assets).find(({ uri }) => uri === name)?.id;
}

function notDeclared(task: CodeTaskSpec, { name, id, use }: { name: string; id: string; use: Use }): AppError {
  const verb = use === "reads" ? "read" : "write";
  const onlyReads = use === "writes" && task.reads.includes(id);
  const which = onlyReads
    ? `declares to read the asset "${name}", and not to write it`
    : `has not declared to ${verb} the asset "${name}"`;
  const isName = !id.includes(":");
  const listed = isName ? `${use}: [${id}]` : use;
  return new AppError("denied", `The task "${task.id}" ${which}.`, {
    hint: isName
      ? `Add it to the task: ${listed}.`
      : `No asset that the task declares has this URI: add the one that has it to the task's "${listed}".`,
    details: { task: task.id, asset: name, use },
  });
}
