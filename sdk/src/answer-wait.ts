// Waiting for a server's answer: what is said meanwhile, and when none comes.

/** Of the time that an answer may take, the part after which its absence is told. */
const silenceShare = 1 / 6;

export interface ExpectedAnswer {
  readonly origin: string;
  /** How long the server was asked to wait. */
  readonly waitMs: number;
  /** How long it may take beyond that. */
  readonly answerMs: number;
  readonly onSilence: (text: string) => void;
}

/** Tells once that a server says nothing, unless the timer that is answered has been cleared by then. */
export function expectAnswer({ origin, waitMs, answerMs, onSilence }: ExpectedAnswer): NodeJS.Timeout {
  const quietMs = answerMs * silenceShare;
  const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;
  const text =
    `${origin} has not answered for ${seconds(waitMs + quietMs)}: its process may be stopped, or very busy. ` +
    `Waiting ${seconds(answerMs - quietMs)} more.`;
  return setTimeout(() => onSilence(text), waitMs + quietMs);
}

/** Whether nobody answered in time. */
export function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}

/** What to do about a server that does not answer. */
export function unansweredHint(error: unknown): string {
  return isTimeout(error)
    ? "It takes connections and says nothing: is its process stopped? Let it go on (fg in its terminal, kill -CONT), or end it."
    : "Is the server running there? holdfast dev or holdfast server starts one.";
}

/** What lies behind "fetch failed". */
export function causeOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (inner instanceof AggregateError && inner.errors[0] instanceof Error) return inner.errors[0].message;
  return inner instanceof Error && inner.message !== "" ? inner.message : String(inner);
}

/** Resolves after a time, or when the signal fires. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
