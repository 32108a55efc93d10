import {
  type Json,
  limits,
  type StateKind,
  type StateOp,
  type StateOpResult,
  type StateScope,
  utf8Bytes,
} from "@holdfast/protocol";
import type { AssetEvent, AssetName } from "./asset-rows.ts";
import type { RunRow } from "./run.ts";

// What stores keep of state, and what they are asked and answer about it (core/state.ts decides).

/** Where a store keeps a scope's values. Of kinds that a namespace owns `id` has it in front, and `generation` is 0. */
export interface StatePlace {
  readonly kind: StateKind;
  readonly id: string;
  readonly generation: number;
}

/** Where the bytes of a value lie that is too large for its row: with a state backend, under this name. Nothing ever changes there. */
export interface StateObject {
  readonly name: string;
  /** Of the value as JSON. */
  readonly bytes: number;
}

/** A value as the store keeps it. Times are milliseconds on the store's clock. */
export interface StateRow {
  readonly place: StatePlace;
  readonly key: string;
  /** Undefined where it was loaded only to be cleared, and where it is an object. */
  readonly value: Json | undefined;
  /** Of the value as JSON; of an object's those of `null`, which stands in its place. */
  readonly bytes: number;
  readonly object?: StateObject;
  readonly version: number;
  /** Null: a person. */
  readonly writer: { readonly runId: string; readonly epoch: number } | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** From then on nobody sees it; null: it stays. */
  readonly expiresAt: number | null;
}

/** What a scope holds: rows, those that have expired and have not been swept among them. */
export interface StateUse {
  readonly place: StatePlace;
  readonly keys: number;
  readonly bytes: number;
  readonly objectBytes: number;
  /** A row that comes new gets a higher version than this, so that no version of a deleted one is used again. */
  readonly floor: number;
  /** The highest version that a row of the scope ever had. */
  readonly last: number;
}

/** The run for which a transaction is made, or on whose state a person works. */
export interface StateRun extends Pick<RunRow, "id" | "namespace" | "generation" | "epoch" | "status" | "claimedBy"> {
  readonly stepCount: number;
  readonly stepBytes: number;
}

/** The activation that writes, and the key under which that is a step of its run. */
export interface StateWriter {
  readonly runId: string;
  readonly epoch: number;
  readonly generation: number;
  readonly key: string;
  /** Of what is asked: kept with the record, for whoever finds it under this key. */
  readonly hash?: string;
  /** Kept in the record as well. */
  readonly value?: Json;
}

/** Ops that are carried out in their order, all or none. */
export interface StateTransaction {
  readonly namespace: string;
  readonly ops: readonly StateOp[];
  /** Null: a person. */
  readonly writer: StateWriter | null;
  /** How long values of a kind are kept where an op does not say it; absent: as `stateKinds` has it. */
  readonly retentionMs?: Readonly<Partial<Record<StateKind, number | null>>>;
  /** What lies with a backend; absent: there is none. */
  readonly offloaded?: Offloaded;
}

/** What a transaction brings of values that lie with a state backend (operations/state-objects.ts). */
export interface Offloaded {
  /** Values that ops make themselves, of more bytes than this, are to become objects. */
  readonly inlineBytes: number;
  /** Of ops whose values are objects already, with `null` in the place of their own. */
  readonly objects: readonly OffloadedValue[];
  /** What objects hold that ops have to look at. */
  readonly contents: readonly { readonly name: string; readonly value: Json }[];
}

/** `on`: the version on which the op made the value, where it does not say the value itself. */
export interface OffloadedValue extends StateObject {
  readonly index: number;
  readonly on?: number;
}

export type StateLimit =
  | "stateValueBytes"
  | "stateObjectBytes"
  | "stateKeysPerScope"
  | "stateBytesPerScope"
  | "stateObjectBytesPerScope"
  | "stepsPerRun"
  | "stepBytesPerRun";

/**
 * `applied`: one result an op. Everything else has changed nothing, and `index` is the op at fault. `existing`: a step stands under the
 * writer's key, with this record. `conflict`: the value has another version than it was to have, 0: it is not there. `mismatch`: what is
 * there (`was`) is not what the op works on; `overflow`: the sum would be none that can be kept exactly. `limit_exceeded` without `index`:
 * of the run's steps. `not_found`: there is no such run, or no manifest declares the asset. Only to transactions with `offloaded`:
 * `object_gone`, the op's object is not announced any more and has to be put in place again; `object_needed`, the op looks at what lies
 * under this name; `outgrown`, the op made this value on that version, which has to become an object.
 */
export type StateResult =
  | { readonly outcome: "applied"; readonly results: readonly StateOpResult[] }
  | { readonly outcome: "existing"; readonly value: Json }
  | { readonly outcome: "stale_epoch" }
  | { readonly outcome: "conflict"; readonly index: number; readonly version: number }
  | {
      readonly outcome: "mismatch";
      readonly index: number;
      readonly was: "null" | "boolean" | "number" | "text" | "list" | "object" | "overflow";
    }
  | { readonly outcome: "limit_exceeded"; readonly limit: StateLimit; readonly index?: number }
  | { readonly outcome: "not_found"; readonly index: number }
  | ObjectAsked;

/** What a transaction lacks of what lies with a backend. */
export type ObjectAsked =
  | { readonly outcome: "object_gone"; readonly index: number }
  | { readonly outcome: "object_needed"; readonly index: number; readonly name: string }
  | { readonly outcome: "outgrown"; readonly index: number; readonly on: number; readonly value: Json };

/** The record of a step that a transaction leaves. */
export interface StateStep {
  readonly runId: string;
  readonly generation: number;
  readonly epoch: number;
  readonly key: string;
  readonly value: Json;
}

/** What a store has to write for transactions, all of it or nothing. */
export interface StateChanges {
  readonly written: readonly StateRow[];
  readonly deleted: readonly Pick<StateRow, "place" | "key">[];
  readonly uses: readonly StateUse[];
  /** Names of the objects that rows name from now on, and of those that they do not name any more. */
  readonly named: readonly string[];
  readonly loosened: readonly string[];
  readonly steps: readonly StateStep[];
  /** What the steps mean for their runs, whose losses and takeovers begin anew. */
  readonly progress: readonly { readonly runId: string; readonly steps: number; readonly bytes: number }[];
  /** Events that were told, of each asset in the order of their numbers. */
  readonly events: readonly AssetEvent[];
}

/** Whether nobody sees a value any more. */
export function isExpired({ expiresAt }: Pick<StateRow, "expiresAt">, now: number): boolean {
  return expiresAt !== null && expiresAt <= now;
}

/** Where values of a scope that a namespace owns lie, or of a run in this generation. */
export function statePlace({ kind, id }: StateScope, namespace: string, generation: number): StatePlace {
  return kind === "run" ? { kind, id, generation } : { kind, id: `${namespace}/${id}`, generation: 0 };
}

/** Where an asset's values lie, and its marks. */
export function assetPlaces({ namespace, id }: AssetName): StatePlace[] {
  return (["asset", "watermark"] as const).map((kind) => statePlace({ kind, id }, namespace, 0));
}

/** One text for a place. Places have an order: by kind, id, generation. */
export function placeName({ kind, id, generation }: StatePlace): string {
  return JSON.stringify([kind, id, generation]);
}

/** One text for a value. */
export function rowName({ place, key }: Pick<StateRow, "place" | "key">): string {
  return `${placeName(place)} ${key}`;
}

/** What a scope holds that nobody has written to. `last`: of the run's earlier generations. */
export function unused(place: StatePlace, last = 0): StateUse {
  return { place, keys: 0, bytes: 0, objectBytes: 0, floor: last, last };
}

/** What a scope holds once a row of it is gone. */
export function usedLess(
  use: StateUse,
  { bytes, object, version }: Pick<StateRow, "bytes" | "object" | "version">,
): StateUse {
  const objectBytes = use.objectBytes - (object?.bytes ?? 0);
  return { ...use, keys: use.keys - 1, bytes: use.bytes - bytes, objectBytes, floor: Math.max(use.floor, version) };
}

/** Bytes of a value as JSON. */
export function stateBytes(value: Json): number {
  return utf8Bytes(JSON.stringify(value));
}

/** The order of keys, everywhere: that of their code points. */
export function compareKeys(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const [a, b] = [one.charCodeAt(at), other.charCodeAt(at)];
    // UTF-16 has its surrogates below what comes last of the first plane.
    if (a !== b) return rankOfUnit(a) - rankOfUnit(b);
  }
  return one.length - other.length;
}

function rankOfUnit(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** A text that comes after all keys. */
const afterKeys = "\u{10ffff}".repeat(limits.stateKeyCharacters);

/** A text that comes after all keys that begin with `prefix`, and before those that come after them. */
export function afterPrefix(prefix: string): string {
  const points = [...prefix];
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = last.codePointAt(0) ?? 0;
    if (point === 0x10ffff) continue;
    return points.join("") + String.fromCodePoint(point === 0xd7ff ? 0xe000 : point + 1);
  }
  return afterKeys;
}
