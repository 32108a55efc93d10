import { reservedBytes, type WaitKind } from "@holdfast/protocol";

/** What a run's body has open, beside the rows of its waits; a run whose body never waits has none of it. */
export interface Waiting {
  readonly open: number;
  /** Of these, for runs that were called. */
  readonly calls: number;
  /** Of these, for external jobs; absent: none. */
  readonly externals?: number;
  /** What the records of the open waits may take, see `reservedBytes`. */
  readonly bytes: number;
  /** While the run waits: for each group of waits how many have still to end. It wakes when any of them is at 0. */
  readonly awaits: readonly number[] | null;
  /** It had ended, and waits for these runs that it called, by their names: they start again. */
  readonly reopened?: readonly string[];
}

/** With one wait more. */
export function opened(waiting: Waiting | null, kind: WaitKind): Waiting {
  const { open, calls, bytes, externals = 0, ...rest } = waiting ?? { open: 0, calls: 0, bytes: 0, awaits: null };
  const counts = { open: open + 1, calls: calls + (kind === "call" ? 1 : 0), bytes: bytes + reservedBytes[kind] };
  return { ...counts, ...rest, ...counted(externals + (kind === "external" ? 1 : 0)) };
}

/** With one wait less; null when it was the last and nothing is awaited. */
export function closed(waiting: Waiting | null, { kind }: { readonly kind: WaitKind }): Waiting | null {
  if (waiting === null || (waiting.open <= 1 && waiting.awaits === null)) return null;
  const { open, calls, bytes, externals = 0, ...rest } = waiting;
  const counts = { open: open - 1, calls: calls - (kind === "call" ? 1 : 0), bytes: bytes - reservedBytes[kind] };
  return { ...counts, ...rest, ...counted(externals - (kind === "external" ? 1 : 0)) };
}

/** The same of a run that does not wait at present; null: it has nothing open. */
export function unawaited({ open, calls, bytes, externals = 0 }: Waiting): Waiting | null {
  return open === 0 ? null : { open, calls, bytes, awaits: null, ...counted(externals) };
}

/** Whether something that a run started, below it or outside, has not ended. */
export function isHeldUp(run: { readonly openChildren: number; readonly waiting: Waiting | null }): boolean {
  return run.openChildren > 0 || externalsOf(run) > 0;
}

/** How many external jobs a run's body waits for. */
export function externalsOf({ waiting }: { readonly waiting: Waiting | null }): number {
  return waiting?.externals ?? 0;
}

function counted(externals: number): Pick<Waiting, "externals"> {
  return externals === 0 ? {} : { externals };
}
