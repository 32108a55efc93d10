import { reservedBytes, type WaitKind } from "@holdfast/protocol";

/** What a run's body has open, beside the rows of its waits; a run whose body never waits has none of it. */
export interface Waiting {
  readonly open: number;
  /** Of these, for runs that were called. */
  readonly calls: number;
  /** What the records of the open waits may take, see `reservedBytes`. */
  readonly bytes: number;
  /** While the run waits: for each group of waits how many have still to end. It wakes when any of them is at 0. */
  readonly awaits: readonly number[] | null;
  /** It had ended, and waits for these runs that it called, by their names: they start again. */
  readonly reopened?: readonly string[];
}

/** With one wait more. */
export function opened(waiting: Waiting | null, kind: WaitKind): Waiting {
  const { open, calls, bytes, ...rest } = waiting ?? { open: 0, calls: 0, bytes: 0, awaits: null };
  return { open: open + 1, calls: calls + (kind === "call" ? 1 : 0), bytes: bytes + reservedBytes[kind], ...rest };
}

/** With one wait less; null when it was the last and nothing is awaited. */
export function closed(waiting: Waiting | null, { kind }: { readonly kind: WaitKind }): Waiting | null {
  if (waiting === null || (waiting.open <= 1 && waiting.awaits === null)) return null;
  const { open, calls, bytes, ...rest } = waiting;
  return { open: open - 1, calls: calls - (kind === "call" ? 1 : 0), bytes: bytes - reservedBytes[kind], ...rest };
}
