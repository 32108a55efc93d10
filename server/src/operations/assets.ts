import {
  type AdvancedWatermark,
  type AdvanceWatermark,
  AppError,
  type AssetDetailView,
  type AssetEventPage,
  type AssetPage,
  type AssetUse,
  type AssetView,
  type ConsumerView,
  type DeletedAsset,
  type EmitEvent,
  type EmittedEvent,
  limits,
  type RunAssets,
  type StateOp,
  type StateOpResult,
  type StateView,
} from "@holdfast/protocol";
import { type AssetRow, hasNews } from "../core/index.ts";
import type { AssetDetail, ConsumerDetail } from "../store/asset-verbs.ts";
import type { Store } from "../store/store.ts";
import { checkAssetOp, startingEvent, undeclaredAsset } from "./asset-answers.ts";
import type { AssetNames } from "./asset-names.ts";
import type { Definitions } from "./definitions.ts";
import { type Control, plainControl } from "./requests.ts";
import { timeText } from "./run-views.ts";
import type { Runs } from "./runs.ts";
import { stateRefusal, stateView } from "./state-answers.ts";

/** Assets as people and programs see and change them. */
export class Assets {
  readonly #store: Store;
  readonly #names: AssetNames;
  readonly #runs: Runs;
  readonly #definitions: Definitions;
  readonly #namespace: string;

  constructor(parts: { store: Store; names: AssetNames; runs: Runs; definitions: Definitions; namespace: string }) {
    this.#store = parts.store;
    this.#names = parts.names;
    this.#runs = parts.runs;
    this.#definitions = parts.definitions;
    this.#namespace = parts.namespace;
  }

  /** In the order of their ids. `all`: also those that nothing declares any more. */
  async list({
    uri,
    all = false,
    after,
    limit = 100,
  }: {
    uri?: string | undefined;
    all?: boolean | undefined;
    after?: string | undefined;
    limit?: number;
  }): Promise<AssetPage> {
    if (uri !== undefined) {
      const found = await this.#store.findAsset({ namespace: this.#namespace, uri });
      return { assets: found === undefined ? [] : [assetView(found.asset)], cursor: null };
    }
    const rows = await this.#store.listAssets({
      namespace: this.#namespace,
      limitRows: limit,
      ...(all ? { inactive: true } : {}),
      ...(after === undefined ? {} : { after }),
    });
    return { assets: rows.map(assetView), cursor: rows.length < limit ? null : (rows.at(-1)?.id ?? null) };
  }

  /** One with its lineage, by its id or its URI. Throws `not_found`. */
  async get(name: string): Promise<AssetDetailView> {
    const { asset, declarations, writers, firstEvent } = await this.#names.find(name);
    const state = await this.#store.listState({ ...this.#scope("asset", asset.id), limitRows: 1 });
    const using = (use: AssetUse) => [...new Set(declarations.flatMap(({ uses }) => uses[use] ?? []))].sort();
    const starts: ConsumerView[] = [];
    for (const definition of using("starts")) {
      const consumer = await this.#consumer(definition);
      if (consumer !== undefined) starts.push(consumer);
    }
    const { watermark, event } = asset.spec;
    return {
      ...assetView(asset),
      firstEvent,
      watermarks: await this.#watermarks(asset.id),
      use: state.outcome === "read" ? { keys: state.use.keys, bytes: state.use.bytes } : { keys: 0, bytes: 0 },
      ...{ reads: using("reads"), writes: using("writes"), starts },
      writers: writers.map(({ runId, at }) => ({ run: runId, at: new Date(at).toISOString() })),
      schemas: { ...(watermark === undefined ? {} : { watermark }), ...(event === undefined ? {} : { event }) },
    };
  }

  /** Its events behind number `after`, in order: fewer where they are large. */
  async events(name: string, { after = 0, limit = 100 }: { after?: number; limit?: number }): Promise<AssetEventPage> {
    const { id, lastEvent } = (await this.#names.find(name)).asset;
    const found = await this.#store.listAssetEvents({ namespace: this.#namespace, id, after, limitRows: limit });
    const last = found.at(-1)?.number;
    const events = found.map((event) => ({ ...startingEvent(event), asset: id }));
    return { events, cursor: last === undefined || last >= lastEvent ? null : last };
  }

  /** Tells an event. Throws `not_found`, `invalid_input`. `control`: see operations/requests.ts. */
  async emit(name: string, { payload, key }: EmitEvent, control?: Control): Promise<EmittedEvent> {
    const found = await this.#names.find(name);
    const scope = { kind: "asset", id: found.asset.id } as const;
    const result = await this.#change(
      found,
      { op: "emit", scope, payload, ...(key === undefined ? {} : { key }) },
      control,
    );
    return { number: result.number ?? 0, existing: result.emitted !== true };
  }

  /** A watermark. Throws `not_found` where it was never said. */
  async watermark(name: string, mark: string): Promise<StateView> {
    const { id } = (await this.#names.find(name)).asset;
    const [read] = await this.#store.readState({ rows: [{ ...this.#scope("watermark", id), keys: [mark] }] });
    const value = read?.outcome === "read" ? read.values[0] : undefined;
    if (value !== undefined) return stateView(value);
    throw new AppError("not_found", `There is no watermark "${mark}" of the asset "${id}".`, {
      hint: `holdfast assets show ${id} has those that there are.`,
      details: { key: mark },
    });
  }

  /** Moves a watermark, with an event where that is asked for. Throws `not_found`, `invalid_input`, `state_mismatch`. */
  async advance(
    name: string,
    mark: string,
    { to, event, backwards }: AdvanceWatermark,
    control?: Control,
  ): Promise<AdvancedWatermark> {
    const found = await this.#names.find(name);
    const scope = { kind: "watermark", id: found.asset.id } as const;
    const back = backwards === true ? { backwards } : {};
    const told = event === undefined ? {} : { event };
    const result = await this.#change(found, { op: "advance", scope, key: mark, to, ...told, ...back }, control);
    const { changed, value = null, version, number } = result;
    return { changed: changed === true, value, version, event: number ?? null };
  }

  /**
   * Deletes an asset that nothing declares any more, with all that is kept of it. Throws `not_found`, and `invalid_request` for one that a
   * definition declares: what it says of it would be there again at once.
   */
  async delete(name: string): Promise<DeletedAsset> {
    const found = await this.#names.findAny(name);
    if (found === undefined) throw undeclaredAsset(name);
    const { id } = found.asset;
    for (;;) {
      const { outcome } = await this.#store.forgetAsset({ namespace: this.#namespace, id, limitRows: limits.pageRows });
      if (outcome === "active") throw stillDeclared(id, found);
      // Somebody else may have been quicker.
      if (outcome !== "more") return { deleted: true };
    }
  }

  /** What a definition waits for whose runs events start. Throws `not_found`. */
  async consumer(definition: string): Promise<ConsumerView> {
    const consumer = await this.#consumer(definition);
    if (consumer !== undefined) return consumer;
    await this.#definitions.get(definition);
    throw new AppError("not_found", `No events start runs of "${definition}".`, {
      hint: "A definition says which do: startOn: { all: [orders] }.",
    });
  }

  /** The assets that a run's definition has declared, as they are now. Throws `not_found`. */
  async ofRun(id: string): Promise<RunAssets> {
    const run = await this.#runs.row(id);
    const spec = await this.#definitions.findSpec(run.manifestHash, run.definition);
    if (spec?.kind !== "task") return { assets: [] };
    const assets: RunAssets["assets"] = [];
    for (const asset of [...new Set([...spec.reads, ...spec.writes])].sort()) {
      const found = await this.#names.findAny(asset);
      if (found === undefined) continue;
      const uses = (["reads", "writes"] as const).filter((use) => spec[use].includes(asset));
      assets.push({ ...assetView(found.asset), uses, watermarks: await this.#watermarks(asset) });
    }
    return { assets };
  }

  async #consumer(definition: string): Promise<ConsumerView | undefined> {
    const found = await this.#store.findConsumer({ namespace: this.#namespace, definition });
    return found === undefined ? undefined : consumerView(found);
  }

  async #watermarks(id: string): Promise<StateView[]> {
    const page = await this.#store.listState({ ...this.#scope("watermark", id), limitRows: limits.pageRows });
    return page.outcome === "read" ? page.values.map(stateView) : [];
  }

  async #change(
    { asset }: AssetDetail,
    op: Extract<StateOp, { op: "advance" | "emit" }>,
    control: Control = plainControl(this.#store),
  ): Promise<StateOpResult> {
    await checkAssetOp(this.#definitions.evaluator, asset.spec, op);
    const [result] = await control.transactState({ rows: [{ namespace: this.#namespace, ops: [op], writer: null }] });
    const done = result?.outcome === "applied" ? result.results[0] : undefined;
    if (done !== undefined) return done;
    switch (result?.outcome) {
      case "conflict":
      case "mismatch":
      case "limit_exceeded":
      case "not_found":
        throw stateRefusal(result, [{ ...op, whose: `asset ${asset.id}` }]);
      default:
        throw new Error(`the store answered a change of an asset with ${result?.outcome ?? "nothing"}`);
    }
  }

  #scope<K extends "asset" | "watermark">(kind: K, id: string) {
    return { namespace: this.#namespace, scope: { kind, id } };
  }
}

function assetView({ id, uri, active, lastEvent, declaredAt }: AssetRow): AssetView {
  return { id, uri, active, lastEvent, declaredAt: new Date(declaredAt).toISOString() };
}

function consumerView({ consumer, places, paused }: ConsumerDetail): ConsumerView {
  const { definition, startOn, active, problem, started, lastRunId, lastAt } = consumer;
  return {
    ...{ definition, mode: startOn.mode, active, paused, problem, started },
    assets: places.map(({ asset, position, lastEvent }) => ({ asset, position, lastEvent })),
    lastRun: lastRunId,
    lastAt: timeText(lastAt),
    waitsFor: waitText({ consumer, places, paused }),
  };
}

/** `waits for an event of customers (orders has 3 more)`. */
function waitText({ consumer, places, paused }: Pick<ConsumerDetail, "consumer" | "places" | "paused">): string {
  const { definition, startOn, active, problem } = consumer;
  if (!active) return "nothing: its current definition does not say that events start it";
  if (problem !== null) return `its definition to be mended: ${problem}`;
  const fresh = places.filter(({ position, lastEvent }) => lastEvent > position);
  const has = fresh.map(({ asset, position, lastEvent }) => `${asset} has ${lastEvent - position} more`).join(", ");
  if (paused) return `holdfast runs resume --definition ${definition}${has === "" ? "" : ` (${has})`}`;
  if (hasNews(startOn, places)) return `a node that starts its run (${has})`;
  const missing = places.filter(({ position, lastEvent }) => lastEvent <= position).map(({ asset }) => asset);
  const what = startOn.mode === "all" ? missing.join(" and of ") : missing.join(" or of ");
  return `an event of ${what}${has === "" ? "" : ` (${has})`}`;
}

function stillDeclared(id: string, { declarations }: AssetDetail): AppError {
  const by = declarations.map(({ root }) => root).join(", ");
  return new AppError("invalid_request", `The asset "${id}" is declared by ${by}.`, {
    hint: "Take it out of what declares it and apply that, or delete its state alone: holdfast state clear asset:ID.",
  });
}
