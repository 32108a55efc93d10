import { hostname } from "node:os";
import { type Logger, silentLog } from "../log.ts";
import { version } from "../version.ts";
import { LogObserver } from "./log-observer.ts";
import { Metrics } from "./metrics.ts";
import { type Observer, toldAll } from "./observer.ts";
import { type Sampler, samplerOf } from "./sampling.ts";
import type { EndedSpan, SpanSink } from "./span.ts";
import { Tracing } from "./tracing.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Spans that wait for the exporter to be loaded; more are dropped. */
const heldSpans = 10_000;

/** What is told to the outside of what happens here. */
export interface Telemetry {
  readonly tracing: Tracing;
  readonly metrics: Metrics;
  /** Both of them, and the log. */
  readonly observer: Observer;
  /** Hands over what is not sent yet. Never rejects. */
  close(): Promise<void>;
}

/**
 * As the standard OTEL_* variables say: with an endpoint, spans go there by OTLP over HTTP; without one nothing is traced and
 * nothing of OpenTelemetry is loaded.
 */
export function openTelemetry(env: Environment, log: Logger = silentLog): Telemetry {
  const sink = isTracingOn(env, log) ? new LateSink(env, log) : undefined;
  const tracing = new Tracing({ sink, sampler: chosenSampler(env, sink, log), node: `${hostname()}/${process.pid}` });
  const metrics = new Metrics(version);
  const observer = toldAll(tracing, metrics, new LogObserver(log, tracing));
  return { tracing, metrics, observer, close: async () => sink?.close() };
}

/** Tells nobody anything. */
export function silentTelemetry(): Telemetry {
  return openTelemetry({});
}

function isTracingOn(env: Environment, log: Logger): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === "true") return false;
  const exporters = (env.OTEL_TRACES_EXPORTER ?? "").split(",").map((name) => name.trim());
  const isNamed = exporters.includes("otlp");
  if (!isNamed && exporters.some((name) => name !== "")) return false;
  if (!isNamed && !env.OTEL_EXPORTER_OTLP_ENDPOINT && !env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return false;
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL;
  if (protocol !== "grpc") return true;
  log.warn("Spans are not exported: OTLP over gRPC is not spoken here. Set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf.");
  return false;
}

function chosenSampler(env: Environment, sink: SpanSink | undefined, log: Logger): Sampler {
  const { sampler, unknown } = samplerOf(env);
  if (sink !== undefined && unknown !== undefined) {
    log.warn(`OTEL_TRACES_SAMPLER names no sampler that there is: ${unknown}. Traces go by parentbased_always_on.`);
  }
  return sampler;
}

/** Loads the exporter with the first span, so that a process that sends none never pays for it. */
class LateSink implements SpanSink {
  readonly #env: Environment;
  readonly #log: Logger;
  #waiting: EndedSpan[] = [];
  #loading: Promise<void> | undefined;
  #sink: SpanSink | undefined;

  constructor(env: Environment, log: Logger) {
    this.#env = env;
    this.#log = log;
  }

  take(span: EndedSpan): void {
    if (this.#sink === undefined) this.#hold(span);
    else this.#sink.take(span);
  }

  async close(): Promise<void> {
    await this.#loading;
    await this.#sink?.close();
  }

  #hold(span: EndedSpan): void {
    if (this.#waiting.length < heldSpans) this.#waiting.push(span);
    this.#loading ??= this.#load();
  }

  async #load(): Promise<void> {
    try {
      const { openOtlp } = await import("./otlp.ts");
      const sink = await openOtlp(this.#env, this.#log);
      for (const span of this.#waiting.splice(0)) sink.take(span);
      this.#sink = sink;
    } catch (error) {
      this.#log.error({ err: error }, "The exporter of spans could not be loaded: nothing is traced.");
      this.#sink = { take: () => undefined, close: async () => undefined };
      this.#waiting = [];
    }
  }
}
