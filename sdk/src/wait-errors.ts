import type { RunError } from "@holdfast/protocol";

// What a body's waits reject with. Recognised across copies of the SDK by their symbols.

const callMark = Symbol.for("holdfast.CallError");
const timeMark = Symbol.for("holdfast.WaitTimedOut");

/** A run that a body called did not succeed. */
export class CallError extends Error {
  override readonly name = "CallError";
  /** The called run. */
  readonly runId: string;
  /** How it ended: `failed`, `cancelled` or `skipped`. */
  readonly status: string;
  /** Why. */
  readonly error: RunError | null;

  constructor(key: string, { runId, status, error }: { runId: string; status: string; error: RunError | null }) {
    super(`"${key}" (${runId}) ${status}${error === null ? "." : `: ${error.message}`}`);
    this.runId = runId;
    this.status = status;
    this.error = error;
    Object.defineProperty(this, callMark, { value: true });
  }
}

/** What a body waited for did not come in time. */
export class WaitTimedOut extends Error {
  override readonly name = "WaitTimedOut";
  /** The wait's key. */
  readonly key: string;

  constructor(key: string) {
    super(`What "${key}" waits for did not come in time.`);
    this.key = key;
    Object.defineProperty(this, timeMark, { value: true });
  }
}

export function isCallError(error: unknown): error is CallError {
  return typeof error === "object" && error !== null && callMark in error;
}

export function isWaitTimedOut(error: unknown): error is WaitTimedOut {
  return typeof error === "object" && error !== null && timeMark in error;
}
