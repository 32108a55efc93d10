import type { Json } from "@holdfast/protocol";
import type { InputOf, OutputOf, StandardSchema } from "./standard-schema.ts";
import type { StateChange, StateChanges, StateHandle, StateOf, StepName, Storeable } from "./state.ts";
import type { Stored } from "./stored.ts";

// What bodies see of assets, as types. asset-context.ts is what runs.

declare const schemas: unique symbol;

type Schema = StandardSchema | undefined;

/** A named thing that tasks read or write. `M`, `E`, `S`: the schemas of its watermarks, of what its events say, and of its state. */
export interface Asset<
  out Id extends string = string,
  out M extends Schema = Schema,
  out E extends Schema = Schema,
  out S extends Schema = Schema,
> {
  readonly kind: "asset";
  readonly id: Id;
  readonly [schemas]: { readonly watermark: M; readonly event: E; readonly state: S };
}

/** What the definition of an asset holds besides its id. */
export interface AssetData {
  readonly kind: "asset";
  readonly options: {
    readonly id: string;
    readonly uri?: string | undefined;
    readonly watermark?: StandardSchema | undefined;
    readonly event?: StandardSchema | undefined;
    readonly state?: StandardSchema | undefined;
  };
}

type Watermark<A extends Asset> = A[typeof schemas]["watermark"];
type Event<A extends Asset> = A[typeof schemas]["event"];
type State<A extends Asset> = A[typeof schemas]["state"];

/** What is read of a value that has this schema, or none. */
type Read<S> = [S] extends [StandardSchema] ? Stored<OutputOf<S>> : Json;
/** What may be written of it. */
type Written<S> = [S] extends [StandardSchema] ? InputOf<S> : Storeable;

/** Something that was told about an asset. `T`: what it says. */
export interface AssetEvent<T = Json> {
  /** From 1, without a gap, in the order in which they were committed. */
  readonly number: number;
  /** The key by which its emitter would have it known again; null: none. */
  readonly key: string | null;
  readonly payload: T;
  /** RFC 3339. */
  readonly at: string;
  /** The run that told it; null: a person did. */
  readonly run: string | null;
}

/** The input of runs that events of these assets start: what has come of each, in order. `A`: `typeof orders | typeof customers`. */
export interface StartedBy<A extends Asset> {
  readonly events: { readonly [X in A as X["id"]]: readonly AssetEvent<Read<Event<X>>>[] };
}

/** One event of each asset (`all`), or one of any of them, that the definition has not been given yet, starts a run of it. */
export type StartOnOption = (
  | { readonly all: readonly Asset[]; readonly any?: never }
  | { readonly any: readonly Asset[]; readonly all?: never }
) & {
  /** With the first events that are kept; without it, with those that come once the definition is applied. */
  readonly from?: "start";
};

interface EventsReading<E> {
  /** The events of the asset behind number `after` (default 0), the oldest first, at most `limit` (default 100, at most 1,000). */
  events(options?: { readonly after?: number; readonly limit?: number }): Promise<AssetEvent<Read<E>>[]>;
}

interface WatermarkReading<M> {
  /** How far the asset is, under this name (default `"mark"`); undefined: it was never said. */
  watermark(name?: string): Promise<Read<M> | undefined>;
}

/** What a task that reads an asset has of it. Reads are live. */
export type ReadableAsset<A extends Asset = Asset> = Pick<StateOf<State<A>>, "get" | "entry" | "list"> &
  EventsReading<Event<A>> &
  ([Watermark<A>] extends [undefined] ? unknown : WatermarkReading<Watermark<A>>);

export interface EmitOptions {
  /** While an event with this key is kept, another one of it is none. */
  readonly key?: string;
}

/** What became of an event. */
export interface Emitted {
  readonly number: number;
  /** True where one with this key was there: `number` is the number of that one. */
  readonly existing: boolean;
}

/** `event`: what is told in the same commit; nothing, where the watermark does not move. `key`: see `EmitOptions`. */
export interface AdvanceOptions<E = Schema> extends EmitOptions {
  readonly event?: Written<E>;
  /** Sets it even where that is less than what is there. */
  readonly backwards?: true;
}

/** What became of a watermark. */
export interface Advanced<T = Json> {
  /** Whether it moved; it does not to what is equal or less. */
  readonly changed: boolean;
  /** What it is now. */
  readonly value: T;
  /** The number of the event that was told with it; null: none. */
  readonly event: number | null;
}

interface EventsWriting<E> {
  /** Tells what has happened to the asset. */
  emit(payload: Written<E>, options?: EmitOptions & StepName): Promise<Emitted>;
}

interface WatermarkWriting<M, E> {
  /**
   * Moves a watermark (most have the name `"mark"`) up: numbers, texts by code points, or lists of these, item by item. What it is told
   * together with is in the same commit.
   */
  advance(name: string, to: Written<M>, options?: AdvanceOptions<E> & StepName): Promise<Advanced<Read<M>>>;
}

interface EventChanges<E> {
  emit(payload: Written<E>, options?: EmitOptions): StateChange;
}

interface WatermarkChanges<M, E> {
  advance(name: string, to: Written<M>, options?: AdvanceOptions<E>): StateChange;
}

/**
 * What a task that writes an asset has of it: its state, its watermarks, its events. Each write is a step, and several become one by
 * `transact`. Rejects as state does, with `invalid_input` for what does not fit the asset's schemas, and with `denied` where the task has
 * not declared the asset.
 */
export type WritableAsset<A extends Asset = Asset> = ReadableAsset<A> &
  Omit<StateOf<State<A>>, "op"> &
  EventsWriting<Event<A>> &
  ([Watermark<A>] extends [undefined] ? unknown : WatermarkWriting<Watermark<A>, Event<A>>) & {
    /** Changes for `transact`. */
    readonly op: OpOf<StateOf<State<A>>> &
      EventChanges<Event<A>> &
      ([Watermark<A>] extends [undefined] ? unknown : WatermarkChanges<Watermark<A>, Event<A>>);
  };

type OpOf<H> = H extends { readonly op: infer O } ? O : StateChanges;

/** An asset as its task declared it: `R` what it reads, `W` what it writes. */
export interface AssetAccess<R extends Asset = Asset, W extends Asset = Asset> {
  /** One that the task writes. */
  asset<A extends W>(asset: A): WritableAsset<A>;
  /** One that it reads. */
  asset<A extends R>(asset: A): ReadableAsset<A>;
  /** By its id or its URI: whether it was declared, and what fits, is looked at when it is used. */
  asset(name: string): WritableAsset;
}

/** What runs behind every handle. */
export type AnyAsset = WritableAsset & StateHandle;
