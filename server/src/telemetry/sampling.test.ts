// Faults to catch: a caller's decision is overruled; a share that is no share; nodes that decide differently.
import assert from "node:assert/strict";
import { test } from "node:test";
import { samplerOf } from "./sampling.ts";

const traceId = (n: number) =>
  `${"0".repeat(18)}${Math.floor(n * 2 ** 56)
    .toString(16)
    .padStart(14, "0")}`;
const caller = (sampled: boolean) => ({ traceId: "1".repeat(32), spanId: "1".repeat(16), sampled });

test("by default all is recorded, except what a caller does not record", () => {
  const { sampler, unknown } = samplerOf({});
  assert.equal(unknown, undefined);
  assert.equal(sampler(traceId(0.9), undefined), true);
  assert.equal(sampler(traceId(0.9), caller(false)), false);
});

test("a share is decided by the trace's id alone, below a caller only where nobody else has decided", () => {
  const share = { OTEL_TRACES_SAMPLER_ARG: "0.25" };
  const ratio = samplerOf({ OTEL_TRACES_SAMPLER: "traceidratio", ...share }).sampler;
  const byParent = samplerOf({ OTEL_TRACES_SAMPLER: "parentbased_traceidratio", ...share }).sampler;
  for (const [at, expected] of [
    [0.1, true],
    [0.2499, true],
    [0.2501, false],
    [0.9, false],
  ] as const) {
    assert.equal(ratio(traceId(at), caller(!expected)), expected);
    assert.equal(byParent(traceId(at), undefined), expected);
    assert.equal(byParent(traceId(at), caller(!expected)), !expected);
  }
});

test("always and never are what they say, and an unknown name is told", () => {
  assert.equal(samplerOf({ OTEL_TRACES_SAMPLER: "always_off" }).sampler(traceId(0), caller(true)), false);
  assert.equal(samplerOf({ OTEL_TRACES_SAMPLER: "always_on" }).sampler(traceId(0), caller(false)), true);
  assert.equal(samplerOf({ OTEL_TRACES_SAMPLER: "parentbased_always_off" }).sampler(traceId(0), undefined), false);
  const { sampler, unknown } = samplerOf({ OTEL_TRACES_SAMPLER: "jaeger_remote" });
  assert.equal(unknown, "jaeger_remote");
  assert.equal(sampler(traceId(0.9), undefined), true);
});
