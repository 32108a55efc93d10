import {
  type Json,
  limits,
  type StateOp,
  type StateOpResult,
  stateKinds,
  stateTypeOf,
  stateVersionKey,
} from "@holdfast/protocol";
import type { StateDraft } from "./state-draft.ts";
import {
  isExpired,
  type ObjectAsked,
  type Offloaded,
  type OffloadedValue,
  type StateLimit,
  type StateObject,
  type StatePlace,
  type StateResult,
  type StateRow,
  type StateTransaction,
  type StateWriter,
  stateBytes,
} from "./state-rows.ts";
import { compareMarks } from "./watermarks.ts";

// What each op of state does to a draft. Nothing of a draft is kept once an op has been refused.

type ValueLimit = Exclude<StateLimit, "stepsPerRun" | "stepBytesPerRun">;

/** Why an op changes nothing; which one it is its transaction says. */
export type Refusal =
  | { readonly outcome: "conflict"; readonly version: number }
  | Omit<Extract<StateResult, { outcome: "mismatch" }>, "index">
  | { readonly outcome: "limit_exceeded"; readonly limit: ValueLimit }
  | Omit<Extract<ObjectAsked, { outcome: "object_needed" }>, "index">
  | Omit<Extract<ObjectAsked, { outcome: "outgrown" }>, "index">;

export interface OpContext {
  readonly now: number;
  readonly writer: StateWriter | null;
  readonly retentionMs: StateTransaction["retentionMs"];
  readonly offloaded: Offloaded | undefined;
  /** The object that the op's value is. */
  readonly object: OffloadedValue | undefined;
}

/** All but events, which are not of a scope's values. */
export type ScopeOp = Exclude<StateOp, { op: "emit" }>;
type ValueOp = Exclude<ScopeOp, { op: "clear" }>;
type WritingOp = Exclude<ValueOp, { op: "delete" }>;

/** Where an op writes, and what stands there: `row` also when it has expired, `there` only when it has not. */
interface Target {
  readonly place: StatePlace;
  readonly row: StateRow | undefined;
  readonly there: StateRow | undefined;
}

export function applyOp(
  draft: StateDraft,
  place: StatePlace,
  op: ScopeOp,
  context: OpContext,
): StateOpResult | Refusal {
  if (op.op === "clear") return clear(draft, place, op.prefix ?? "", context.now);
  const row = draft.row(place, op.key);
  const there = row === undefined || isExpired(row, context.now) ? undefined : row;
  const target = { place, row, there };
  if ("ifVersion" in op && op.ifVersion !== undefined && op.ifVersion !== (there?.version ?? 0))
    return { outcome: "conflict", version: there?.version ?? 0 };
  if (op.op === "set" || op.op === "delete") return replace(draft, target, op, context);
  const held = there === undefined ? undefined : heldBy(there, context);
  if (held !== undefined && "outcome" in held) return held;
  return change(draft, { place, row, there: held }, op, context);
}

/** The row with its value, which may lie with a backend. */
function heldBy(row: StateRow, { offloaded }: OpContext): StateRow | Refusal {
  const { object } = row;
  if (object === undefined) return row;
  const content = offloaded?.contents.find(({ name }) => name === object.name);
  return content === undefined ? { outcome: "object_needed", name: object.name } : { ...row, value: content.value };
}

function replace(
  draft: StateDraft,
  target: Target,
  op: Extract<StateOp, { op: "set" | "delete" }>,
  context: OpContext,
): StateOpResult | Refusal {
  if (op.op === "set") {
    const version = write(draft, target, { op, value: op.value, context });
    return typeof version === "number" ? { version } : version;
  }
  if (target.row !== undefined) draft.delete(target.row);
  return { version: 0, changed: target.there !== undefined };
}

/** What an op makes of what is there. */
function change(
  draft: StateDraft,
  target: Target,
  op: Exclude<ValueOp, { op: "set" | "delete" }>,
  context: OpContext,
): StateOpResult | Refusal {
  const { there } = target;
  switch (op.op) {
    case "increment":
      return increment(draft, target, op, context);
    case "append": {
      const list = there === undefined ? [] : there.value;
      if (!isList(list)) return mismatch(there);
      const version = write(draft, target, { op, value: [...list, op.value], context });
      return typeof version === "number" ? { version, length: list.length + 1 } : version;
    }
    case "setIfMax":
      return setIfMax(draft, target, op, context);
    case "advance":
      return advance(draft, target, op, context);
  }
}

function clear(draft: StateDraft, place: StatePlace, prefix: string, now: number): StateOpResult {
  let cleared = 0;
  for (const row of draft.under(place, prefix)) {
    draft.delete(row);
    if (!isExpired(row, now)) cleared += 1;
  }
  return { version: 0, cleared };
}

function increment(
  draft: StateDraft,
  target: Target,
  op: Extract<StateOp, { op: "increment" }>,
  context: OpContext,
): StateOpResult | Refusal {
  const before = target.there === undefined ? 0 : target.there.value;
  if (typeof before !== "number") return mismatch(target.there);
  const value = before + op.by;
  // Beyond 2^53 sums of whole numbers lose what was added to them.
  const isWhole = Number.isInteger(before) && Number.isInteger(op.by);
  if (!Number.isFinite(value) || (isWhole && !Number.isSafeInteger(value)))
    return { outcome: "mismatch", was: "overflow" };
  const version = write(draft, target, { op, value, context });
  return typeof version === "number" ? { version, value } : version;
}

function setIfMax(
  draft: StateDraft,
  target: Target,
  op: Extract<StateOp, { op: "setIfMax" }>,
  context: OpContext,
): StateOpResult | Refusal {
  const { there } = target;
  const before = there?.value;
  if (there !== undefined && before !== undefined) {
    const order = compareMarks(before, op.value);
    if (order === undefined) return mismatch(there);
    if (order >= 0) return { version: there.version, value: before, changed: false };
  }
  const version = write(draft, target, { op, value: op.value, context });
  return typeof version === "number" ? { version, value: op.value, changed: true } : version;
}

/** What it tells is its transaction's to add. */
function advance(
  draft: StateDraft,
  target: Target,
  op: Extract<StateOp, { op: "advance" }>,
  context: OpContext,
): StateOpResult | Refusal {
  const { there } = target;
  const before = there?.value;
  if (there !== undefined && before !== undefined) {
    const order = compareMarks(before, op.to);
    if (order === undefined && op.backwards !== true) return mismatch(there);
    if (order === 0 || (order === 1 && op.backwards !== true))
      return { version: there.version, value: before, changed: false };
  }
  const version = write(draft, target, { op, value: op.to, context });
  return typeof version === "number" ? { version, value: op.to, changed: true } : version;
}

/** Puts a value in its place; answers its version, or why it does not fit. */
function write(
  draft: StateDraft,
  { place, row, there }: Target,
  { op, value: made, context }: { readonly op: WritingOp; readonly value: Json; readonly context: OpContext },
): number | Refusal {
  const use = draft.use(place);
  const on = there?.version ?? 0;
  const lies = whereItLies(made, op, on, context);
  if ("outcome" in lies) return lies;
  const { value, object } = lies;
  const bytes = stateBytes(value);
  if (row === undefined && use.keys >= limits.stateKeysPerScope) return full("stateKeysPerScope");
  const more = bytes - (row?.bytes ?? 0);
  if (more > 0 && use.bytes + more > limits.stateBytesPerScope) return full("stateBytesPerScope");
  const moreObjects = (object?.bytes ?? 0) - (row?.object?.bytes ?? 0);
  if (moreObjects > 0 && use.objectBytes + moreObjects > limits.stateObjectBytesPerScope)
    return full("stateObjectBytesPerScope");
  const { now, writer } = context;
  const version = row === undefined ? use.floor + 1 : row.version + 1;
  const written: StateRow = {
    ...{ place, key: op.key, value: object === undefined ? value : undefined, bytes, version, updatedAt: now },
    ...(object === undefined ? {} : { object }),
    writer: writer === null ? null : { runId: writer.runId, epoch: writer.epoch },
    createdAt: there?.createdAt ?? now,
    expiresAt: expiryOf(op, there, place, context),
  };
  draft.put(written, row);
  return version;
}

/** The value as it stands in its row, or the object that it is. `on`: the version that it was made on. */
function whereItLies(
  value: Json,
  { op }: WritingOp,
  on: number,
  { offloaded, object: given }: OpContext,
): { readonly value: Json; readonly object?: StateObject } | Refusal {
  // What a set is to set is the same whatever stood there. What others make is so on the same version, for no version means two values.
  if (given !== undefined && (op === "set" || given.on === on)) {
    const { name, bytes } = given;
    return bytes > limits.stateObjectBytes ? full("stateObjectBytes") : { value: null, object: { name, bytes } };
  }
  const bytes = stateBytes(value);
  if (offloaded === undefined || op === "set")
    return bytes > limits.stateValueBytes ? full("stateValueBytes") : { value };
  if (bytes <= offloaded.inlineBytes) return { value };
  return bytes > limits.stateObjectBytes ? full("stateObjectBytes") : { outcome: "outgrown", on, value };
}

function expiryOf(
  op: WritingOp,
  there: StateRow | undefined,
  { kind }: StatePlace,
  { now, retentionMs: kept }: OpContext,
): number | null {
  const said = op.op === "advance" ? undefined : op.retentionMs;
  if (said === undefined && op.op !== "set" && there !== undefined) return there.expiresAt;
  const ofKind = kept?.[kind];
  const usual = op.key === stateVersionKey ? null : ofKind === undefined ? stateKinds[kind].retentionMs : ofKind;
  const ms = said === undefined ? usual : said;
  return ms === null ? null : now + ms;
}

function full(limit: ValueLimit): Extract<Refusal, { outcome: "limit_exceeded" }> {
  return { outcome: "limit_exceeded", limit };
}

function mismatch(there: StateRow | undefined): Refusal {
  return { outcome: "mismatch", was: stateTypeOf(there?.value ?? null) };
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
