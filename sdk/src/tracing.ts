import { traceparentText } from "@holdfast/protocol";

// The OpenTelemetry API keeps what is loaded of it under a symbol of the whole process, so that every copy of it finds the
// same. It is asked there: an application that traces need not hand its spans over, and no other has the package.

const apiKey = Symbol.for("opentelemetry.js.api.1");
const spanKey = Symbol.for("OpenTelemetry Context Key SPAN");

interface LoadedApi {
  readonly context?: { active(): { getValue(key: symbol): unknown } };
}

interface SpanLike {
  spanContext(): { readonly traceId: string; readonly spanId: string; readonly traceFlags: number };
}

/** The `traceparent` of the span that is active in this process; undefined where there is none. */
export function activeTraceparent(): string | undefined {
  const api = (globalThis as { readonly [apiKey]?: LoadedApi })[apiKey];
  const span = api?.context?.active().getValue(spanKey) as SpanLike | undefined;
  if (span === undefined) return undefined;
  const { traceId, spanId, traceFlags } = span.spanContext();
  return /^0*$/.test(traceId) ? undefined : traceparentText({ traceId, spanId, sampled: (traceFlags & 1) === 1 });
}
