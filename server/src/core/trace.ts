// Ids of spans follow from ids of runs, so that a run that moves between nodes or outlives a restart stays in one trace, and
// a child's span names its parent's without anybody asking. Hashing comes in as a function: core computes none.
//
// A run's span goes by the run's id alone, since its children have to name it and do not know how often it was cleared. What
// lies below it also goes by generation and epoch: each activation is another span.

import { parseTraceparent, type TraceContext, traceparentText } from "@holdfast/protocol";
import type { RunRow } from "./run.ts";

/** A hash in hexadecimal, at least 32 digits. */
export type HexHash = (text: string) => string;

type Traced = Pick<RunRow, "id" | "rootId" | "parentId" | "trace">;
type TracedActivation = Traced & Pick<RunRow, "generation" | "epoch">;

/** The trace of a run's tree: its caller's, else one of its own. */
export function traceIdOf({ rootId, trace }: Pick<Traced, "rootId" | "trace">, hash: HexHash): string {
  return callerOf({ trace })?.traceId ?? hash(JSON.stringify(["trace", rootId])).slice(0, 32);
}

/** What the caller said of its own span; undefined where there was none. */
export function callerOf({ trace }: Pick<Traced, "trace">): TraceContext | undefined {
  return trace === null ? undefined : parseTraceparent(trace);
}

/** The span of a run. */
export function runSpanId(id: string, hash: HexHash): string {
  return spanId(["run", id], hash);
}

/** The span above a run's: its parent run's, or the caller's of a root; undefined at the top of a trace. */
export function spanIdAbove(run: Traced, hash: HexHash): string | undefined {
  return run.parentId === null ? callerOf(run)?.spanId : runSpanId(run.parentId, hash);
}

/** The span of one activation. */
export function activationSpanId({ id, generation, epoch }: TracedActivation, hash: HexHash): string {
  return spanId(["activation", id, generation, epoch], hash);
}

/** The span of a step that an activation has recorded. */
export function stepSpanId({ id, generation, epoch }: TracedActivation, key: string, hash: HexHash): string {
  return spanId(["step", id, generation, epoch, key], hash);
}

/** The `traceparent` that a body goes on with. */
export function activationTraceparent(run: TracedActivation, sampled: boolean, hash: HexHash): string {
  return traceparentText({ traceId: traceIdOf(run, hash), spanId: activationSpanId(run, hash), sampled });
}

function spanId(identity: readonly (string | number)[], hash: HexHash): string {
  return hash(JSON.stringify(["span", ...identity])).slice(0, 16);
}
