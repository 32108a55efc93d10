import type { TraceContext } from "@holdfast/protocol";

/** Whether a trace is recorded: the same answer for every span of it, on every node. */
export type Sampler = (traceId: string, caller: TraceContext | undefined) => boolean;

const always: Sampler = () => true;
const never: Sampler = () => false;

/**
 * The sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name, by the rules of the OpenTelemetry specification;
 * `unknown`: a name that is none of them, in whose place the default (`parentbased_always_on`) stands.
 */
export function samplerOf(env: Readonly<Record<string, string | undefined>>): { sampler: Sampler; unknown?: string } {
  const name = env.OTEL_TRACES_SAMPLER || "parentbased_always_on";
  const share = shareOf(env.OTEL_TRACES_SAMPLER_ARG);
  const roots: Readonly<Record<string, Sampler>> = {
    always_on: always,
    always_off: never,
    traceidratio: (traceId) => isWithin(traceId, share),
  };
  const root = roots[name.replace(/^parentbased_/, "")];
  if (root === undefined) return { sampler: byCaller(always), unknown: name };
  return { sampler: name.startsWith("parentbased_") ? byCaller(root) : root };
}

function byCaller(root: Sampler): Sampler {
  return (traceId, caller) => caller?.sampled ?? root(traceId, caller);
}

function shareOf(text: string | undefined): number {
  const share = Number(text || "1");
  return share >= 0 && share <= 1 ? share : 1;
}

/** By the last 56 bits of the id, which are random in ids of every make. */
function isWithin(traceId: string, share: number): boolean {
  return Number.parseInt(traceId.slice(-14), 16) / 2 ** 56 < share;
}
