import { type HrTime, SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { detectResources, envDetector, hostDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace";
import type { Logger } from "../log.ts";
import { version } from "../version.ts";
import type { EndedSpan, SpanSink } from "./span.ts";

// Spans by OTLP over HTTP, as the OTEL_* variables say. The one file that loads OpenTelemetry, and itself loaded at the first
// span: see telemetry.ts.

type Environment = Readonly<Record<string, string | undefined>>;

/** How long a node that stops waits for its last spans to be taken. */
const farewellMs = 5_000;
const success = 0;

/** The exporter that OTEL_EXPORTER_OTLP_* describe. It reads the variables by itself. */
export async function openOtlp(env: Environment, log: Logger): Promise<SpanSink> {
  const exporter = telling(await exporterOf(env), log);
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: numberOf(env.OTEL_BSP_MAX_QUEUE_SIZE, 16_384),
    maxExportBatchSize: numberOf(env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 512),
    scheduledDelayMillis: numberOf(env.OTEL_BSP_SCHEDULE_DELAY, 5_000),
    exportTimeoutMillis: numberOf(env.OTEL_BSP_EXPORT_TIMEOUT, 30_000),
  });
  const resource = resourceFromAttributes({ "service.name": "holdfast", "service.version": version }).merge(
    detectResources({ detectors: [hostDetector, envDetector] }),
  );
  return {
    take: (span) => processor.onEnd(readable(span, resource)),
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, farewellMs);
      await Promise.race([processor.shutdown().catch(() => undefined), promise]);
      clearTimeout(timer);
    },
  };
}

async function exporterOf(env: Environment): Promise<SpanExporter> {
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL || "http/protobuf";
  const { OTLPTraceExporter } =
    protocol === "http/json"
      ? await import("@opentelemetry/exporter-trace-otlp-http")
      : await import("@opentelemetry/exporter-trace-otlp-proto");
  return new OTLPTraceExporter();
}

/** Says once in the log when spans cannot be handed over, and once when they can again. */
function telling(exporter: SpanExporter, log: Logger): SpanExporter {
  let isAway = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.code !== success;
        const why = result.error?.message ?? "no reason was given";
        if (failed && !isAway) log.warn({ reason: why }, "Spans could not be exported; those of this time are lost.");
        if (!failed && isAway) log.warn("Spans are exported again.");
        isAway = failed;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}

function readable(span: EndedSpan, resource: ReadableSpan["resource"]): ReadableSpan {
  const { traceId, spanId, parentSpanId, isBelowCaller, startMs, endMs, failure } = span;
  const traceFlags = TraceFlags.SAMPLED;
  const attributes = Object.fromEntries(Object.entries(span.attributes).filter(([, value]) => value !== undefined));
  return {
    name: span.name,
    kind: isBelowCaller ? SpanKind.CONSUMER : SpanKind.INTERNAL,
    spanContext: () => ({ traceId, spanId, traceFlags }),
    ...(parentSpanId === undefined
      ? {}
      : { parentSpanContext: { traceId, spanId: parentSpanId, traceFlags, isRemote: isBelowCaller } }),
    startTime: hrTime(startMs),
    endTime: hrTime(endMs),
    duration: hrTime(endMs - startMs),
    ended: true,
    status:
      failure === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: failure.message },
    attributes,
    links: [],
    events: failure === undefined ? [] : [{ name: "exception", time: hrTime(endMs), attributes: exception(failure) }],
    resource,
    instrumentationScope: { name: "holdfast", version },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function exception({ name, message, stack }: NonNullable<EndedSpan["failure"]>): Record<string, string> {
  return {
    "exception.type": name,
    "exception.message": message,
    ...(stack === undefined ? {} : { "exception.stacktrace": stack }),
  };
}

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}

function numberOf(text: string | undefined, fallback: number): number {
  const value = Number(text || Number.NaN);
  return Number.isInteger(value) && value > 0 ? value : fallback;
}
