import assert from "node:assert/strict";
import {
  type AssetSpec,
  defaultRetry,
  type Json,
  type Manifest,
  type StartOn,
  type StateOp,
  type TaskSpec,
  type Watermark,
} from "@holdfast/protocol";
import type { AssetEvent } from "../../core/index.ts";
import type { ConsumerDetail, ConsumingResult, Consumption } from "../asset-verbs.ts";
import type { ManifestRow, Store } from "../store.ts";
import { applied, change } from "./state.fixture.ts";
import { namespace, type World } from "./world.contract.ts";

// How cases speak of assets.

export interface Declaring {
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
  readonly startOn?: StartOn;
  readonly assets?: readonly AssetSpec[];
  /** Tells two manifests of one definition apart that declare alike. */
  readonly description?: string;
}

/** A task's manifest that declares assets. */
export function declaring(
  id: string,
  { reads = [], writes = [], startOn, assets = [], description }: Declaring,
): Manifest {
  const spec: TaskSpec = {
    ...{
      kind: "task",
      id,
      executor: "typescript",
      source: { module: "tasks/unit.ts", export: "unit" },
      queue: "default",
    },
    ...{ priority: 0, retry: defaultRetry, placement: "process", isolation: "pool" },
    ...{ reads: [...reads], writes: [...writes] },
    ...(startOn === undefined ? {} : { startOn }),
    ...(description === undefined ? {} : { description }),
  };
  return {
    format: 1,
    root: id,
    definitions: { [id]: spec },
    assets: Object.fromEntries(assets.map((one) => [one.id, one])),
  };
}

/** As it is applied; its hash is its text. */
export function manifestRow(manifest: Manifest): ManifestRow {
  return { id: manifest.root, kind: "task", hash: JSON.stringify(manifest), manifest };
}

export function applyTo(store: Store, ...manifests: Manifest[]) {
  return store.applyManifests({ namespace, manifests: manifests.map(manifestRow) });
}

export const advance = (mark: string, to: Watermark, more: object = {}, id = "orders"): StateOp => ({
  ...{ op: "advance", scope: { kind: "watermark", id }, key: mark, to },
  ...more,
});

export const emit = (payload: Json, key?: string, id = "orders"): StateOp => ({
  ...{ op: "emit", scope: { kind: "asset", id }, payload },
  ...(key === undefined ? {} : { key }),
});

/** Tells so many events of an asset. */
export async function tell(world: World, id: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const result = await change(world, emit({ n }, undefined, id));
    assert.equal(result.outcome, "applied");
  }
}

export const told = (number: number, emitted = true): object => ({ version: 0, number, emitted });
export const toldOnce = (number: number): object => applied(told(number));

export function eventsOf(store: Store, id = "orders", after = 0): Promise<AssetEvent[]> {
  return store.listAssetEvents({ namespace, id, after, limitRows: 1_000 });
}

export async function consumerOf(store: Store, definition: string): Promise<ConsumerDetail> {
  const found = await store.findConsumer({ namespace, definition });
  assert.ok(found, `${definition} is a consumer`);
  return found;
}

export async function dueOf(store: Store): Promise<string[]> {
  const due = await store.dueConsumers({ namespace, limitRows: 100 });
  return due.map(({ consumer }) => consumer.definition);
}

/** What a consumer as it was seen takes: everything that there is, for one run. */
export function takingAll(world: World, { consumer, places, manifestHash }: ConsumerDetail): Consumption {
  const { definition, version } = consumer;
  const taken = places.flatMap(({ asset, position, lastEvent }) =>
    lastEvent > position ? { asset, to: lastEvent } : [],
  );
  const run = world.row({ definition, name: definition, manifestHash: manifestHash ?? "", input: { taken } as never });
  return { namespace, definition, version, taken, run };
}

/** Lets a consumer take everything that it has not had. */
export async function consume(world: World, definition: string, store = world.store): Promise<ConsumingResult> {
  const [result] = await store.consumeEvents({ rows: [takingAll(world, await consumerOf(store, definition))] });
  assert.ok(result);
  return result;
}

/** How far a consumer has come, by asset. */
export async function positionsOf(store: Store, definition: string): Promise<Record<string, number>> {
  const { places } = await consumerOf(store, definition);
  return Object.fromEntries(places.map(({ asset, position }) => [asset, position]));
}
