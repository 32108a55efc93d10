/** A span that has ended, before it is in the form of any exporter. Times are milliseconds since 1970. */
export interface EndedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** True where the span above was made by others than Holdfast. */
  readonly isBelowCaller: boolean;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Undefined ones are left out. */
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  readonly failure: SpanFailure | undefined;
}

/** Why what a span stands for failed. */
export interface SpanFailure {
  readonly message: string;
  /** The name of what was thrown, else the error's code. */
  readonly name: string;
  readonly stack: string | undefined;
}

/** Where spans go. */
export interface SpanSink {
  /** Takes spans for a later batch; drops them when there are too many. Never throws. */
  take(span: EndedSpan): void;
  /** Sends what it has, for a few seconds at most. Never rejects. */
  close(): Promise<void>;
}
