import { Script } from "node:vm";

// Patterns of schemas and expressions of workflows are small programs of users that a node carries out on values of anybody.
// Some never come to an end. Here such work is interrupted (P1, P11). See docs/decisions/0015-bounded-expressions.md.

/** Longest by the clock on the wall, where other processes had the processor for most of the first wait. */
const longestWaitMs = 4_000;

/** Work that was cut off. `part` is what it was at, for messages. */
export class Overrun extends Error {
  readonly part: string;
  readonly hint: string;

  constructor({ part, hint }: { readonly part: string; readonly hint: string }) {
    super("It took too long.");
    this.part = part;
    this.hint = hint;
  }
}

interface Outcome<T> {
  readonly value?: T;
  readonly error?: unknown;
}

// V8 can interrupt what runs in a script with a time limit, regular expressions included; a function is called from one.
const slot: { call: () => void } = { call: () => undefined };
const slotName = "holdfast.boundedWork";
Object.defineProperty(globalThis, Symbol.for(slotName), { value: slot, configurable: true });
const script = new Script(`globalThis[Symbol.for(${JSON.stringify(slotName)})].call()`);

/** The part that is being worked on, for the message if it never ends. */
let doing: { readonly part: string; readonly hint: string } | undefined;

/** Does a part of bounded work under a name: `the pattern ^a+$`. `hint`: what to do if it takes too long. */
export function doPart<T>(part: string, hint: string, work: () => T): T {
  const outer = doing;
  doing = { part, hint };
  // An interruption passes by `finally`, so that the name stays.
  try {
    return work();
  } finally {
    doing = outer;
  }
}

/**
 * Does synchronous work at once. It must be such that it can be cut off anywhere and be done again from its beginning.
 * Throws what the work throws, and `Overrun` when it takes longer than `boundMs` of this thread's own running time.
 * `cutOff` is told each time that it was cut off: something may be half done.
 */
export function doBounded<T>(work: () => T, boundMs: number, cutOff: () => void = () => undefined): T {
  let waitMs = boundMs;
  for (;;) {
    const beforeMs = ranMs();
    doing = undefined;
    const outcome = attempt(work, waitMs);
    if (outcome !== undefined) {
      if ("error" in outcome) throw outcome.error;
      return outcome.value as T;
    }
    cutOff();
    // A busy machine, or one that slept, is no fault of the work: it is begun again with the time that it would have needed.
    const ran = Math.max(ranMs() - beforeMs, 1);
    if (ran >= boundMs / 2 || waitMs > boundMs) break;
    waitMs = Math.min(Math.ceil((waitMs * boundMs) / ran), longestWaitMs);
  }
  throw new Overrun(doing ?? { part: "", hint: "Make it simpler, or do this work in a task." });
}

/** Undefined: it was interrupted. */
function attempt<T>(work: () => T, waitMs: number): Outcome<T> | undefined {
  let outcome: Outcome<T> | undefined;
  slot.call = () => {
    try {
      outcome = { value: work() };
    } catch (error) {
      outcome = { error };
    }
  };
  try {
    script.runInThisContext({ timeout: waitMs, displayErrors: false });
  } catch (error) {
    if (!isTimeout(error)) throw error;
  }
  slot.call = () => undefined;
  return outcome;
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
}

/** Running time of this thread so far, in milliseconds. */
export function ranMs(): number {
  const { user, system } = usage();
  return (user + system) / 1_000;
}

// Node 22 knows only that of the whole process.
const usage: () => NodeJS.CpuUsage = Object.hasOwn(process, "threadCpuUsage")
  ? () => process.threadCpuUsage()
  : () => process.cpuUsage();
