import type { AssetSpec, AssetUse, Json, StartOn } from "@holdfast/protocol";

// What stores keep of assets, and what they are asked and answer about them (core/asset-events.ts and core/asset-declarations.ts decide).

/** Names an asset. */
export interface AssetName {
  readonly namespace: string;
  readonly id: string;
}

/** An asset as the store keeps it. */
export interface AssetRow extends AssetName {
  /** Of the asset as it is declared; null: it has none, or nothing declares it any more. No two assets of a namespace have one. */
  readonly uri: string | null;
  /** What was declared last. */
  readonly spec: AssetSpec;
  /** Whether a current manifest declares it. Of one that is not, nothing is told, and its state stays. */
  readonly active: boolean;
  /** When it came first, and when what is said of it changed last. */
  readonly createdAt: number;
  readonly declaredAt: number;
  /** The number of its newest event; 0: there was none. */
  readonly lastEvent: number;
}

/** That the current manifest of a definition, its root, declares an asset, and which definitions in it use it how. */
export interface AssetDeclaration {
  readonly namespace: string;
  readonly asset: string;
  readonly root: string;
  readonly spec: AssetSpec;
  readonly uses: Readonly<Partial<Record<AssetUse, readonly string[]>>>;
  readonly declaredAt: number;
}

/** An event of an asset. Numbers have no holes and are in the order of commits. */
export interface AssetEvent {
  readonly namespace: string;
  readonly asset: string;
  readonly number: number;
  readonly key: string | null;
  readonly payload: Json;
  readonly at: number;
  /** Null: a person. */
  readonly writer: { readonly runId: string; readonly epoch: number; readonly generation: number } | null;
}

/** A definition whose runs events start. */
export interface ConsumerRow {
  readonly namespace: string;
  readonly definition: string;
  /** What its current manifest says; of one that is not active, what the last said that did. */
  readonly startOn: StartOn;
  /** Whether its current manifest says so. One that is not takes nothing, and its places are kept. */
  readonly active: boolean;
  /** Rises with each change; who changes it says which one was seen. */
  readonly version: number;
  /** Runs that were started so, the last one, and when. */
  readonly started: number;
  readonly lastRunId: string | null;
  readonly lastAt: number | null;
  /** Why nothing could be started; null: nothing is wrong. */
  readonly problem: string | null;
}

/** How far a consumer has come with an asset: it has had the events up to this number. */
export interface CursorRow {
  readonly namespace: string;
  readonly definition: string;
  readonly asset: string;
  readonly position: number;
  /** Whether the consumer still asks for it: events that it has not had are kept. */
  readonly active: boolean;
}

/** How a consumer stands with an asset that it asks for. `lastEvent`: of the asset. */
export interface ConsumerPlace {
  readonly asset: string;
  readonly position: number;
  readonly lastEvent: number;
}

/** Whether a consumer has what it waits for. */
export function hasNews({ mode }: Pick<StartOn, "mode">, places: readonly ConsumerPlace[]): boolean {
  const isNew = ({ position, lastEvent }: ConsumerPlace) => lastEvent > position;
  return mode === "all" ? places.length > 0 && places.every(isNew) : places.some(isNew);
}

/** What the id of a run is the hash of that events have started: the consumer, and how often it has been one. */
export function consumingIdentity(namespace: string, definition: string, started: number): string {
  return JSON.stringify(["events", namespace, definition, started]);
}
