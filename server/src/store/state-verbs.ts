import type { Json, StateScope } from "@holdfast/protocol";
import type { StateResult, StateRow, StateTransaction, StateUse } from "../core/index.ts";
import type { ObjectVerbs } from "./object-verbs.ts";

// The part of the store that keeps state (core/state.ts has the rules). Nothing that has expired is ever answered.

/** Values that are asked for by their keys. */
export interface StateQuery {
  readonly namespace: string;
  readonly scope: StateScope;
  readonly keys: readonly string[];
}

/** A value as it is answered; null in the place of one that is an object. */
export interface StateValue extends Omit<StateRow, "place" | "value" | "bytes"> {
  readonly value: Json;
}

/** `read`: what is there of the keys, in their order. `not_found`: it is the scope of a run that is not there. */
export type StateReading =
  | { readonly outcome: "read"; readonly values: readonly StateValue[] }
  | { readonly outcome: "not_found" };

/** `after`: the keys that come after this one. */
export interface StateFilter {
  readonly namespace: string;
  readonly scope: StateScope;
  readonly prefix?: string;
  readonly after?: string;
  readonly limitRows: number;
}

/** `more`: keys come after the last one. `use`: of the whole scope; what has expired counts until it is swept. */
export type StatePage =
  | {
      readonly outcome: "read";
      readonly values: readonly StateValue[];
      readonly more: boolean;
      readonly use: Pick<StateUse, "keys" | "bytes" | "objectBytes">;
    }
  | { readonly outcome: "not_found" };

/** A value that has expired. `id`: of the scope as stores keep it (core's `StatePlace`). */
export interface ExpiredValue {
  readonly kind: StateRow["place"]["kind"];
  readonly id: string;
  readonly generation: number;
  readonly key: string;
  readonly expiresAt: number;
}

export interface StateVerbs extends ObjectVerbs {
  /**
   * Carries transactions out, each whole or not at all, in the order of the rows. With a writer it is fenced and recorded as a step of
   * its run is by `commitSteps`, and can be repeated: hot, merged by `mergeCalls`. Without one it cannot be repeated by itself, so that
   * nobody does: who has to know what became of a lost answer asks through `carryOutOnce`.
   */
  transactState(args: { rows: readonly StateTransaction[] }): Promise<StateResult[]>;
  /** Reads values by their keys, at most `limits.stateKeysPerRead` in all. Of a run those of its present generation. Hot: merged. */
  readState(args: { rows: readonly StateQuery[] }): Promise<StateReading[]>;
  /** In the order of the keys' code points. A whole scope is no larger than a page (`limits.pageBytes`). */
  listState(args: StateFilter): Promise<StatePage>;
  /**
   * Deletes values that have expired, the longest expired first, at most `limitRows`. `more`: some are left. `dryRun`: deletes nothing and
   * answers which these are.
   */
  sweepState(args: { limitRows: number; dryRun?: boolean }): Promise<{
    swept: number;
    more: boolean;
    expired: readonly ExpiredValue[];
  }>;
}

/** Whether a call may be said again when its answer was lost. */
export function isRepeatable(rows: readonly Pick<StateTransaction, "writer">[]): boolean {
  return rows.every(({ writer }) => writer !== null);
}

export function stateUse({ keys, bytes, objectBytes }: StateUse): Pick<StateUse, "keys" | "bytes" | "objectBytes"> {
  return { keys, bytes, objectBytes };
}

export function stateValue({ place: _, value = null, bytes: __, ...rest }: StateRow): StateValue {
  return { ...rest, value };
}

export function expiredValue({ place, key, expiresAt }: Pick<StateRow, "place" | "key" | "expiresAt">): ExpiredValue {
  return { ...place, key, expiresAt: expiresAt ?? 0 };
}
