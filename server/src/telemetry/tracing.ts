import { hash } from "node:crypto";
import { isEnded, type RunError } from "@holdfast/protocol";
import {
  activationSpanId,
  activationTraceparent,
  callerOf,
  type RunRow,
  runSpanId,
  spanIdAbove,
  stepSpanId,
  traceIdOf,
} from "../core/index.ts";
import type { CommittedStep, EndedActivation, Observer } from "./observer.ts";
import type { Sampler } from "./sampling.ts";
import type { EndedSpan, SpanFailure, SpanSink } from "./span.ts";

const digest = (text: string) => hash("sha256", text, "hex");

/** What a run's span says of it; docs/guides/observability.md lists these names. */
type Attributes = EndedSpan["attributes"];

/**
 * Makes spans of what was committed. A span is made where and when its end is committed, out of stored facts alone (core's
 * trace.ts), so nothing about it is kept open anywhere and nobody has to have seen its beginning.
 */
export class Tracing implements Observer {
  readonly #sink: SpanSink | undefined;
  readonly #sampler: Sampler;
  readonly #node: string;

  /** Without a sink nothing is recorded, and a caller's context is handed on as it came. */
  constructor({ sink, sampler, node }: { sink: SpanSink | undefined; sampler: Sampler; node: string }) {
    this.#sink = sink;
    this.#sampler = sampler;
    this.#node = node;
  }

  /** What the body of an activation goes on with; undefined where nothing is traced. */
  traceparentOf(run: RunRow): string | undefined {
    if (this.#sink === undefined) return run.trace ?? undefined;
    return activationTraceparent(run, this.#isSampled(run), digest);
  }

  /** The id under which a run is found among traces; undefined where it is not. */
  traceIdOf(run: Pick<RunRow, "rootId" | "trace">): string | undefined {
    return this.#sink === undefined && run.trace === null ? undefined : traceIdOf(run, digest);
  }

  activationEnded({ run, outcome, status, error, at }: EndedActivation): void {
    if (this.#sink === undefined || !this.#isSampled(run)) return;
    const startMs = run.claimedAt ?? at;
    this.#sink.take({
      ...this.#place(run),
      spanId: activationSpanId(run, digest),
      parentSpanId: runSpanId(run.id, digest),
      name: `activation ${run.definition}`,
      startMs,
      endMs: Math.max(startMs, at),
      attributes: {
        ...identity(run),
        "holdfast.attempt": run.attempt,
        "holdfast.epoch": run.epoch,
        "holdfast.generation": run.generation,
        "holdfast.outcome": outcome,
        "holdfast.member": run.claimedBy ?? undefined,
        "holdfast.node": this.#node,
        "error.type": error?.code,
      },
      failure: failureOf(error, outcome !== "skipped" && outcome !== "cancelled"),
    });
    if (isEnded(status)) this.runsEnded([{ ...run, status, error, endedAt: at }]);
  }

  stepCommitted({ run, key, tookMs = 0, at }: CommittedStep): void {
    if (this.#sink === undefined || !this.#isSampled(run)) return;
    this.#sink.take({
      ...this.#place(run),
      spanId: stepSpanId(run, key, digest),
      parentSpanId: activationSpanId(run, digest),
      name: `step ${key}`,
      startMs: at - tookMs,
      endMs: at,
      attributes: { ...identity(run), "holdfast.step.key": key },
      failure: undefined,
    });
  }

  runsEnded(runs: readonly RunRow[]): void {
    for (const run of runs) if (this.#sink !== undefined && this.#isSampled(run)) this.#sink.take(this.#runSpan(run));
  }

  #runSpan(run: RunRow): EndedSpan {
    const startMs = run.startedAt ?? run.createdAt;
    return {
      ...this.#place(run),
      spanId: runSpanId(run.id, digest),
      parentSpanId: spanIdAbove(run, digest),
      isBelowCaller: run.parentId === null && run.trace !== null,
      name: `run ${run.definition}`,
      startMs,
      endMs: Math.max(startMs, run.endedAt ?? startMs),
      attributes: {
        ...identity(run),
        "holdfast.run.kind": run.kind,
        "holdfast.run.parent_id": run.parentId ?? undefined,
        "holdfast.run.key": run.key ?? undefined,
        "holdfast.run.status": run.status,
        "holdfast.run.attempts": run.attempt,
        "holdfast.run.waited_ms": startMs - run.createdAt,
        "error.type": run.error?.code,
      },
      failure: failureOf(run.error ?? endedWithoutError, run.status === "failed"),
    };
  }

  #place(run: RunRow): Pick<EndedSpan, "traceId" | "isBelowCaller"> {
    return { traceId: traceIdOf(run, digest), isBelowCaller: false };
  }

  #isSampled(run: RunRow): boolean {
    return this.#sampler(traceIdOf(run, digest), callerOf(run));
  }
}

/** An expiry was ordered while the activation was at work, which does not know of what. */
const endedWithoutError: RunError = { code: "run_failed", message: "The run ended failed." };

function identity(run: RunRow): Attributes {
  return {
    "holdfast.namespace": run.namespace,
    "holdfast.run.id": run.id,
    "holdfast.run.root_id": run.rootId,
    "holdfast.run.name": run.name,
    "holdfast.definition": run.definition,
    "holdfast.queue": run.queue,
  };
}

function failureOf(error: RunError | null, isFailure: boolean): SpanFailure | undefined {
  if (error === null || !isFailure) return undefined;
  return { message: error.message, name: error.name ?? error.code, stack: error.stack };
}
