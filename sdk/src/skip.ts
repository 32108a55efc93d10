const skipMark = Symbol.for("holdfast.Skip");

/** Thrown by `ctx.skip`; the body's runner turns it into `run.skip`. */
export class Skip extends Error {
  override readonly name = "Skip";
  readonly reason: string;

  constructor(reason: string) {
    super(`The run is skipped: ${reason}`);
    this.reason = reason;
    Object.defineProperty(this, skipMark, { value: true });
  }
}

export function isSkip(error: unknown): error is Skip {
  return typeof error === "object" && error !== null && skipMark in error;
}
