import { Script } from "node:vm";
import { AppError, type ErrorCode } from "@holdfast/protocol";

// Patterns of schemas and expressions of workflows are small programs of users that run in the node's own thread, on values
// of anybody. Some never come to an end. Here such work is interrupted, and takes its turn, so that a node can always answer,
// renew its lease and be told to stop (P1, P11). See docs/decisions/0015-bounded-expressions.md.

/** Longest that one piece of work may keep the thread, in milliseconds of its own running time. */
export const longestWorkMs = 1_000;
/** Longest by the clock on the wall, where other processes had the processor for most of the first wait. */
const longestWaitMs = 4_000;
/** All pieces of one turn of the event loop together; those that come then wait for the next. */
const turnMs = 20;
/** Shorter pieces are not counted. */
const countedMs = 1;
/** Many pieces share a turn for so long. */
const shareMs = 20;
/** Longest for all pieces of one list together, in milliseconds of running time. */
const longestListMs = 60_000;

/** What the work is for, in messages: `Checking the input of "load"`. */
export interface BoundedWork {
  readonly what: string;
  readonly code: ErrorCode;
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

let usedMs = 0;
let isResetting = false;

/**
 * Does synchronous work when it is its turn. It must be such that it can be cut off anywhere and be done again from its
 * beginning. Throws what the work throws, and the given code when it takes longer than `longestWorkMs`.
 */
export async function inTurn<T>(work: () => T, bounded: BoundedWork): Promise<T> {
  while (usedMs >= turnMs) await new Promise((resolve) => setImmediate(resolve));
  const beforeMs = ranMs();
  try {
    return boundWork(work, bounded);
  } finally {
    count(ranMs() - beforeMs);
  }
}

/** Does work for each of many items, a part of them in each turn. As `inTurn`, for each item; and all together have a bound. */
export async function inTurns<A, B>(
  items: readonly A[],
  work: (item: A, index: number) => B,
  bounded: BoundedWork,
): Promise<B[]> {
  const results: B[] = [];
  let allMs = 0;
  while (results.length < items.length) {
    const from = results.length;
    const beforeMs = ranMs();
    const done = await inTurn(() => partOf(items, from, work), bounded);
    for (const result of done) results.push(result);
    // What others did between is counted, too; the bound is far from what anybody needs.
    allMs += Math.min(ranMs() - beforeMs, longestWorkMs);
    if (allMs < longestListMs || results.length === items.length) continue;
    const message = `${bounded.what} took longer than ${longestListMs} ms; ${results.length} of ${items.length} are done.`;
    throw new AppError(bounded.code, message, { hint: "Make it simpler, or do this work in a task." });
  }
  return results;
}

function partOf<A, B>(items: readonly A[], from: number, work: (item: A, index: number) => B): B[] {
  const done: B[] = [];
  const startedMs = performance.now();
  for (const item of items.slice(from)) {
    done.push(work(item, from + done.length));
    if (performance.now() - startedMs >= shareMs) break;
  }
  return done;
}

function count(ms: number): void {
  if (ms < countedMs) return;
  usedMs += ms;
  if (isResetting) return;
  isResetting = true;
  setImmediate(() => {
    usedMs = 0;
    isResetting = false;
  });
}

/** Does synchronous work at once, as `inTurn` does. */
function boundWork<T>(work: () => T, { what, code }: BoundedWork): T {
  let waitMs = longestWorkMs;
  for (;;) {
    const beforeMs = ranMs();
    doing = undefined;
    const outcome = attempt(work, waitMs);
    if (outcome !== undefined) {
      if ("error" in outcome) throw outcome.error;
      return outcome.value as T;
    }
    // A busy machine, or one that slept, is no fault of the work: it is begun again with the time that it would have needed.
    const ran = Math.max(ranMs() - beforeMs, 1);
    if (ran >= longestWorkMs / 2 || waitMs > longestWorkMs) break;
    waitMs = Math.min(Math.ceil((waitMs * longestWorkMs) / ran), longestWaitMs);
  }
  const { part, hint } = doing ?? { part: "", hint: "Make it simpler, or do this work in a task." };
  const where = part === "" ? "" : `; it was at ${part}`;
  throw new AppError(code, `${what} took longer than ${longestWorkMs} ms${where}.`, { hint });
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

/** Running time of this thread so far. */
function ranMs(): number {
  const { user, system } = usage();
  return (user + system) / 1_000;
}

// Node 22 knows only that of the whole process.
const usage: () => NodeJS.CpuUsage = Object.hasOwn(process, "threadCpuUsage")
  ? () => process.threadCpuUsage()
  : () => process.cpuUsage();
