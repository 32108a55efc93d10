import { AppError, limits, nestsDeeper, textDefect, utf8Bytes } from "@holdfast/protocol";
import {
  type Expansion,
  type Finish,
  isPauseGate,
  type Limit,
  type MarkOrder,
  type NewRun,
  type RestartOrder,
} from "../core/index.ts";
import type { EnqueueRow, ManifestRow, ScheduleDeclaration, ScheduleFiring, StepRow, Uniqueness } from "./store.ts";

// What every store refuses before it touches anything, in the same words: text that not every store can keep (NUL, lone
// surrogates), values over their limit, rows that contradict themselves. A call with one such row is refused whole and
// changes nothing. Whoever merges calls admits each one first, so that an unfit row harms only its own call.

/** Throws `invalid_request`, naming the row, when its text cannot be kept by every store. */
export function admitText(rows: readonly unknown[]): void {
  for (const [index, row] of rows.entries()) admitTexts(row, `row ${index}`);
}

/** The same of one value. `place` names it: `input` for "The text at input.name has a NUL". */
export function admitTexts(value: unknown, place: string): void {
  const text = JSON.stringify(value);
  // JSON escapes exactly what is not welcome, so that the common case is one search.
  if (text !== undefined && suspicious.test(text)) refuseDefects(value, place);
}

/** Roots with their keys. */
export function admitEnqueue(rows: readonly EnqueueRow[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { run, key, request }] of rows.entries()) {
    admitRun(run, index);
    if (run.parentId !== null || run.rootId !== run.id) refuse(index, "is not a root");
    if (run.blockedBy !== 0) refuse(index, "is a root that waits for upstreams");
    if (key !== null) admitUniqueness(key, index);
    if (request !== null) admitUniqueness(request, index);
  }
}

/** Ends of activations. */
export function admitFinishes(rows: readonly Finish[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { next, ranMs }] of rows.entries()) {
    if (!Number.isFinite(ranMs) || ranMs < 0) refuse(index, "says that its body ran for no length of time");
    // Of a workflow or map more is allowed; which of them it is stands in the row, so that this is the outer bound.
    if (next.to === "ended" && next.status === "succeeded") {
      admitValue(next.output, bound(limits.collectedOutputBytes), index, "output");
    }
    if (next.to === "ready") admitSpan(next.delayMs, index, "delay");
    if (next.to === "line") admitRunLimits(next.limits, index);
  }
}

/** Children and edges: each edge joins two children of the row and is counted by the one it blocks. */
export function admitExpansions(rows: readonly Expansion[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { runId, input, children, edges }] of rows.entries()) {
    admitValue(input, bound(limits.collectedOutputBytes), index, "input");
    if (children.length === 0) refuse(index, "has no children");
    if (children.length > limits.itemsPerMap) tooLarge(index, "children", limits.itemsPerMap);
    const blockedBy = new Map<string, number>();
    for (const child of children) {
      admitRun(child, index);
      if (child.parentId !== runId) refuse(index, `has a child ${child.id} of another run`);
      if (blockedBy.has(child.id)) refuse(index, `has the child ${child.id} twice`);
      blockedBy.set(child.id, 0);
    }
    for (const { upstream, downstream } of edges) {
      const count = blockedBy.get(downstream);
      if (count === undefined || !blockedBy.has(upstream)) refuse(index, "has an edge to a run that is not its child");
      else blockedBy.set(downstream, count + 1);
    }
    const miscounted = children.find((child) => child.blockedBy !== blockedBy.get(child.id));
    if (miscounted !== undefined) refuse(index, `counts the upstreams of ${miscounted.id} wrongly`);
  }
}

/** Ends that people decide. */
export function admitMarks(rows: readonly MarkOrder[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { verdict }] of rows.entries()) {
    if (verdict.status === "succeeded") admitValue(verdict.output, given(limits.outputBytes), index, "output");
  }
}

/** Runs that are to start again. */
export function admitRestarts(rows: readonly RestartOrder[]): void {
  admitCount(rows.length);
  admitText(rows);
}

/** Steps. */
export function admitSteps(rows: readonly StepRow[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { key, value }] of rows.entries()) {
    admitKey(key, index);
    admitValue(value, given(limits.stepValueBytes), index, "value");
  }
}

/** Manifests. */
export function admitManifests(rows: readonly ManifestRow[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { manifest }] of rows.entries())
    admitValue(manifest, { maxBytes: limits.manifestBytes }, index, "manifest");
}

/** Limits that are declared. */
export function admitLimits(rows: readonly Pick<Limit, "id" | "slots">[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, limit] of rows.entries()) admitLimit(limit, index);
}

/** Schedules that are declared. */
export function admitSchedules(rows: readonly ScheduleDeclaration[]): void {
  admitCount(rows.length);
  admitText(rows);
  for (const [index, { spec, state }] of rows.entries()) {
    admitValue(spec, bound(limits.inputBytes), index, "schedule");
    admitValue(state, bound(limits.inputBytes), index, "state");
  }
}

/** Schedules that fire, with the runs that they start. */
export function admitFirings(rows: readonly ScheduleFiring[]): void {
  admitCount(rows.length);
  admitText(rows.map(({ state }) => state));
  for (const [index, { state }] of rows.entries()) admitValue(state, bound(limits.inputBytes), index, "state");
  admitEnqueue(rows.flatMap(({ runs }) => runs));
}

/** Bytes of a JSON value as text: how steps and outputs are measured everywhere. Nothing (`undefined`) has none. */
export function jsonBytes(value: unknown): number {
  const text = JSON.stringify(value);
  return text === undefined ? 0 : utf8Bytes(text);
}

const suspicious = /\\u(?:0000|d[89a-f])/;

export function admitCount(count: number): void {
  if (count > limits.batchRows) tooLarge(undefined, "rows", limits.batchRows);
}

export function admitRun(run: NewRun, index: number, inputBytes: number = limits.inputBytes): void {
  if (run.key !== null) admitKey(run.key, index);
  admitValue(run.input, bound(inputBytes), index, "input");
  if (!Number.isInteger(run.priority) || Math.abs(run.priority) > 1_000) refuse(index, "has no priority");
  if (run.expiresAfterMs !== null) admitSpan(run.expiresAfterMs, index, "expiry");
  admitRunLimits(run.limits, index);
  if (run.depth > limits.treeDepth) tooLarge(index, "depth", limits.treeDepth);
}

function admitRunLimits(rows: readonly Limit[], index: number): void {
  for (const limit of rows) admitLimit(limit, index);
  if (rows.length > limits.limitsPerRun) tooLarge(index, "limits", limits.limitsPerRun);
}

function admitLimit({ id, slots }: Pick<Limit, "id" | "slots">, index: number): void {
  if (id.length === 0 || isPauseGate(id)) refuse(index, "names no limit");
  if (!Number.isInteger(slots) || slots < 0) refuse(index, "has no number of slots");
  if (slots > limits.slots) tooLarge(index, "slots", limits.slots);
}

export function admitUniqueness({ key, retentionMs }: Uniqueness, index: number): void {
  admitKey(key, index);
  admitSpan(retentionMs, index, "retention of its key");
}

export function admitSpan(ms: number, index: number, what: string): void {
  if (!Number.isFinite(ms) || ms < 0) refuse(index, `has no ${what}`);
  if (ms > limits.spanMs) tooLarge(index, what, limits.spanMs);
}

export function admitKey(key: string, index: number): void {
  if (key.length === 0) refuse(index, "has an empty key");
  if (key.length > limits.keyCharacters) tooLarge(index, "key", limits.keyCharacters);
}

interface Bounds {
  readonly maxBytes: number;
  readonly maxLevels?: number;
}

/** Of what somebody gives. */
export function given(maxBytes: number): Bounds {
  return { maxBytes, maxLevels: limits.nestingLevels };
}

/** Of what bindings make. */
export function bound(maxBytes: number): Bounds {
  return { maxBytes, maxLevels: limits.boundNestingLevels };
}

export function admitValue(value: unknown, { maxBytes, maxLevels }: Bounds, index: number, what: string): void {
  if (maxLevels !== undefined && nestsDeeper(value, maxLevels)) tooLarge(index, `${what}'s nesting`, maxLevels);
  if (jsonBytes(value) > maxBytes) tooLarge(index, what, maxBytes);
}

function refuseDefects(value: unknown, place: string): void {
  if (typeof value === "string") {
    const defect = textDefect(value);
    if (defect !== undefined) {
      throw new AppError("invalid_request", `The text at ${place} has a ${defect}, which cannot be stored.`);
    }
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, item] of Object.entries(value)) {
    refuseDefects(name, `a name in ${place}`);
    refuseDefects(item, `${place}.${name}`);
  }
}

export function refuse(index: number, what: string): never {
  throw new AppError("invalid_request", `Row ${index} ${what}.`, { details: { row: index } });
}

function tooLarge(index: number | undefined, what: string, limit: number): never {
  const message = index === undefined ? `More ${what} than ${limit}.` : `Row ${index}: its ${what} is over ${limit}.`;
  throw new AppError("too_large", message, { details: { row: index ?? null, limit } });
}
