import { limits } from "@holdfast/protocol";
import type { StateTransaction } from "../core/index.ts";
import { admitCount, admitKey, admitSpan, admitText, admitValue, given, refuse } from "./admission.ts";
import { admitAssetOp } from "./asset-admission.ts";
import type { StateFilter, StateQuery } from "./state-verbs.ts";

// What every store refuses of state, as admission.ts says of everything else. How large values and scopes may be is core's to say, since a
// value may grow by what is appended to it.

/** Transactions. */
export function admitState(rows: readonly StateTransaction[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { ops, writer, retentionMs = {} }] of rows.entries()) {
    if (ops.length === 0) refuse(index, "does nothing");
    if (ops.length > limits.stateOpsPerTransaction) refuse(index, `has more than ${limits.stateOpsPerTransaction} ops`);
    if (writer !== null) {
      admitKey(writer.key, index);
      admitValue(writer.value, given(limits.stepValueBytes), index, "value for the record");
    }
    for (const ms of Object.values(retentionMs)) admitRetention(ms, index);
    for (const op of ops) {
      if (op.scope.kind === "run" && writer !== null && op.scope.id !== writer.runId)
        refuse(index, "writes the state of another run");
      admitAssetOp(op, index);
      if (op.op !== "clear" && op.op !== "emit") admitStateKey(op.key, index);
      if ("retentionMs" in op) admitRetention(op.retentionMs, index);
      if (op.op === "set" || op.op === "append") admitValue(op.value, given(limits.frameBytes), index, "value");
    }
  }
}

/** Keys that are read. */
export function admitStateQueries(rows: readonly StateQuery[]): void {
  admitCount(rows.length);
  admitText(rows);
  const count = rows.reduce((sum, { keys }) => sum + keys.length, 0);
  if (count > limits.stateKeysPerRead) refuse(0, `and those after it read more than ${limits.stateKeysPerRead} keys`);
}

/** A list. */
export function admitStateFilter(filter: StateFilter): void {
  admitText([filter]);
}

function admitRetention(ms: number | null | undefined, index: number): void {
  if (ms === undefined || ms === null) return;
  if (!Number.isInteger(ms) || ms < 1) refuse(index, "has a retention that is no length of time");
  admitSpan(ms, index, "retention");
}

function admitStateKey(key: string, index: number): void {
  if (key.length === 0) refuse(index, "has an empty key");
  if (key.length > limits.stateKeyCharacters)
    refuse(index, `has a key of more than ${limits.stateKeyCharacters} characters`);
}
