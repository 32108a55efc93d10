import type { KeptSignalView, PauseView, RunView, WaitView } from "@holdfast/protocol";
import { isPauseGate, type KeptSignal, type PauseRow, type RunRow, type WaitRow } from "../core/index.ts";

/** A run as people and programs outside see it. */
export function runView(run: RunRow): RunView {
  return {
    id: run.id,
    rootId: run.rootId,
    parentId: run.parentId,
    kind: run.kind,
    definition: run.definition,
    name: run.name,
    item: run.item,
    key: run.key,
    queue: run.queue,
    priority: run.priority,
    status: run.status,
    attempt: run.attempt,
    epoch: run.epoch,
    generation: run.generation,
    parentGeneration: run.parentGeneration,
    manifestHash: run.manifestHash,
    input: run.input ?? null,
    output: run.output ?? null,
    error: run.error,
    blockedBy: run.blockedBy,
    openChildren: run.openChildren,
    notBefore: timeText(run.wakeAt),
    limit: run.gate === null || isPauseGate(run.gate) ? null : run.gate.slice(run.namespace.length + 1),
    expiresAt: timeText(run.expiresAt),
    createdAt: new Date(run.createdAt).toISOString(),
    startedAt: timeText(run.startedAt),
    endedAt: timeText(run.endedAt),
    ranMs: Math.round(run.ranMs),
  };
}

/** A pause as people and programs outside see it. */
export function pauseView({ kind, name, since, reason }: PauseRow): PauseView {
  return { kind, name, since: new Date(since).toISOString(), reason };
}

/** Waits, and kept signals, that are shown of one run. */
export const shownWaits = 100;

/** A wait as people and programs outside see it. */
export function waitView({ key, kind, dueAt, signal, childId, jobId, openedAt }: WaitRow): WaitView {
  return { key, kind, until: timeText(dueAt), signal, runId: childId, jobId, since: new Date(openedAt).toISOString() };
}

/** A kept signal as people and programs outside see it. */
export function signalView({ name, at }: KeptSignal): KeptSignalView {
  return { name, sentAt: new Date(at).toISOString() };
}

/** A moment of the store's clock, as text. */
export function timeText(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
