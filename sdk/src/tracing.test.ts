// Faults to catch: the application's active span is not found by the client; a client without OpenTelemetry makes up one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Context, context, ROOT_CONTEXT, TraceFlags, trace } from "@opentelemetry/api";
import { activeTraceparent } from "./tracing.ts";

const spanContext = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: TraceFlags.SAMPLED,
};

test("a client finds the span that is active in OpenTelemetry's own API, and none where there is none", () => {
  assert.equal(activeTraceparent(), undefined);
  let active: Context = ROOT_CONTEXT;
  context.setGlobalContextManager({
    active: () => active,
    with: (_context, fn, thisArg, ...args) => fn.call(thisArg as never, ...args),
    bind: (_context, target) => target,
    enable() {
      return this;
    },
    disable() {
      return this;
    },
  });
  assert.equal(activeTraceparent(), undefined);
  active = trace.setSpanContext(ROOT_CONTEXT, spanContext);
  assert.equal(activeTraceparent(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  active = trace.setSpanContext(ROOT_CONTEXT, { ...spanContext, traceId: "0".repeat(32) });
  assert.equal(activeTraceparent(), undefined);
  context.disable();
});
