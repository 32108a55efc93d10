// Faults to catch: a traceparent that the rule forbids is taken; one of a later version is refused; the flag is lost.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTraceparent, traceparentText } from "./traceparent.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

test("a traceparent is read and written as W3C says", () => {
  for (const [flags, sampled] of [
    ["01", true],
    ["00", false],
    ["03", true],
  ] as const) {
    assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-${flags}`), { traceId, spanId, sampled });
  }
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${spanId}-01-what-the-future-will-be-like`), {
    traceId,
    spanId,
    sampled: true,
  });
  assert.equal(traceparentText({ traceId, spanId, sampled: true }), `00-${traceId}-${spanId}-01`);
});

test("what is no traceparent says nothing", () => {
  for (const text of [
    "",
    "garbage",
    `ff-${traceId}-${spanId}-01`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01x`,
  ]) {
    assert.equal(parseTraceparent(text), undefined, text);
  }
});
