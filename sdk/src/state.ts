import type { Duration, Json, StateOpResult } from "@holdfast/protocol";
import type { InputOf, OutputOf, StandardSchema } from "./standard-schema.ts";
import type { Stored } from "./stored.ts";

// What bodies see of state, as types. state-context.ts is what runs.

/**
 * What the values of a scope have to be: a schema of an object whose properties are the keys. With `version`, what was written by
 * code of an earlier one is handed to `migrate` once, at the first use, and what that returns is written in one commit.
 */
export type StateDeclaration<S extends StandardSchema = StandardSchema> = S | VersionedState<S>;

export interface VersionedState<S = StandardSchema> {
  readonly schema: S;
  /** A whole number from 1; values that were written without one are of version 1. */
  readonly version: number;
  /** Makes of all values of version `from` those of this one. What it leaves out is deleted. At most 99 keys may change. */
  readonly migrate?: (values: Readonly<Record<string, Json>>, from: number) => Readonly<Record<string, unknown>>;
}

/** What JSON can say, and what it makes of dates and the like; undefined is refused. */
export type Storeable = NonNullable<unknown> | null;

/** The keys and values of a scope without a schema. */
export interface AnyState {
  readonly [key: string]: Json;
}

/** The handle of a scope whose values have this schema, or none. */
export type StateOf<S> = [S] extends [StandardSchema] ? StateHandle<Stored<OutputOf<S>>, InputOf<S>> : StateHandle;

type KeyOf<R> = string extends keyof R ? string : keyof R & string;
type KeyWith<R, T> = string extends keyof R
  ? string
  : { [K in keyof R & string]: Exclude<R[K], undefined> extends T ? K : never }[keyof R & string];
type ValueOf<R, K extends string> = K extends keyof R ? Exclude<R[K], undefined> : Json;
type WrittenOf<W, K extends string> = K extends keyof W
  ? string extends keyof W
    ? Storeable
    : Exclude<W[K], undefined>
  : Storeable;
type ItemOf<W, K extends string> = WrittenOf<W, K> extends readonly (infer E)[] ? E : Storeable;

/** A value with what is known of it. Times are RFC 3339. */
export interface StateEntry<T = Json> {
  readonly key: string;
  readonly value: T;
  /** Rises with each write; never the same for two values of a key. */
  readonly version: number;
  /** Who wrote it last; null: a person. */
  readonly writer: { readonly run: string; readonly epoch: number } | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly expiresAt: string | null;
}

export interface StepName {
  /**
   * The key under which the write is recorded. Without it each has a name of its own: `set/run/cursor@1f0c23ab#1`. Name the relative
   * ones (increment, append, update) by the item where a loop is led by what state says.
   */
  readonly as?: string;
}

export interface SetOptions {
  /** Only where this is the key's version; 0: only where there is none. Else `state_conflict`. */
  readonly ifVersion?: number;
  /** How long it is kept: `"7d"`; `"never"` and 0: until it is deleted. Default: as its scope says. */
  readonly retention?: Duration | "never" | 0;
}

export interface DeleteOptions {
  readonly ifVersion?: number;
}

declare const changeBrand: unique symbol;

/** A change that `transact` makes together with others. */
export interface StateChange {
  readonly [changeBrand]: true;
}

/** Changes for `transact`. */
export interface StateChanges<R = AnyState, W = R> {
  set<K extends KeyOf<R>>(key: K, value: WrittenOf<W, K>, options?: SetOptions): StateChange;
  delete<K extends KeyOf<R>>(key: K, options?: DeleteOptions): StateChange;
  clear(options?: { readonly prefix?: string }): StateChange;
  increment<K extends KeyWith<R, number>>(key: K, by?: number): StateChange;
  append<K extends KeyWith<R, readonly unknown[]>>(key: K, item: ItemOf<W, K>): StateChange;
  setIfMax<K extends KeyWith<R, number | string>>(key: K, value: number | string): StateChange;
}

/**
 * Values that outlive an activation. Reads are live. Each write is a step: it and its record commit together, so it takes effect
 * once, and an activation that has lost its run writes nothing. Rejects with TypeError for what JSON cannot keep or the schema does
 * not take, and with an AppError: `state_conflict`, `state_mismatch`, `limit_exceeded`, `too_large`.
 */
export interface StateHandle<R = AnyState, W = R> {
  /** Undefined: there is none, or it has expired. */
  get<K extends KeyOf<R>>(key: K): Promise<ValueOf<R, K> | undefined>;
  /** The value with its version, writer and times. */
  entry<K extends KeyOf<R>>(key: K): Promise<StateEntry<ValueOf<R, K>> | undefined>;
  /** All whose key begins so, in the order of keys. */
  list(options?: { readonly prefix?: string }): Promise<StateEntry[]>;
  /** Answers the new version. */
  set<K extends KeyOf<R>>(key: K, value: WrittenOf<W, K>, options?: SetOptions & StepName): Promise<number>;
  /** Of what is not there: nothing. */
  delete<K extends KeyOf<R>>(key: K, options?: DeleteOptions & StepName): Promise<void>;
  /** Deletes all values, or those whose key begins so, and answers how many. */
  clear(options?: { readonly prefix?: string } & StepName): Promise<number>;
  /** Adds to a number, at first to 0, and answers the sum. */
  increment<K extends KeyWith<R, number>>(key: K, by?: number, options?: StepName): Promise<number>;
  /** Adds to a list, at first to an empty one, and answers its length. */
  append<K extends KeyWith<R, readonly unknown[]>>(key: K, item: ItemOf<W, K>, options?: StepName): Promise<number>;
  /** Sets what is greater than the value that is there, or where there is none; texts by code points. Answers whether it did. */
  setIfMax<K extends KeyWith<R, number | string>>(key: K, value: number | string, options?: StepName): Promise<boolean>;
  /**
   * Writes what `fn` makes of the value that is there (undefined: none), and answers it. Where somebody else writes in between, `fn`
   * is asked again.
   */
  update<K extends KeyOf<R>>(
    key: K,
    fn: (value: ValueOf<R, K> | undefined) => WrittenOf<W, K> | Promise<WrittenOf<W, K>>,
    options?: StepName & Pick<SetOptions, "retention">,
  ): Promise<ValueOf<R, K>>;
  /** Changes for `transact`. */
  readonly op: StateChanges<R, W>;
  /** All of these changes, of this scope and of others, or none. */
  transact(changes: readonly StateChange[], options?: StepName): Promise<StateOpResult[]>;
}
