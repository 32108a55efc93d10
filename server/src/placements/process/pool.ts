import type { Guard } from "../../guard.ts";
import { Child, type ChildCommand, type ChildListener } from "./child.ts";
import type { Program } from "./program.ts";

export interface PoolOptions {
  /** Started ahead from the beginning; others from their first use on. */
  readonly first: Program;
  readonly guard: Guard;
  /** Of each program: started ahead, with no user code loaded. */
  readonly spareChildren: number;
  /** After this long without use a warm child is ended. */
  readonly idleMs: number;
}

const sweepMs = 10_000;
/** Programs of which spares are kept; the least recently used one is forgotten first. */
const keptPrograms = 4;

interface Idle {
  readonly child: Child;
  readonly since: number;
}

interface Spares {
  readonly program: Program;
  children: Child[];
}

/** Children that wait for an activation: spares that have loaded no user code, and warm ones kept for the same use. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #all = new Set<Child>();
  readonly #sweep: NodeJS.Timeout;
  /** By the program's key, the most recently used last. */
  readonly #spares = new Map<string, Spares>();
  /** The longest idle first. */
  #warm: Idle[] = [];
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.#endIdle(), sweepMs).unref();
    this.#remember(options.first);
    this.#refill();
  }

  /** Processes that wait, for tests. */
  get waiting(): { readonly spare: number; readonly warm: number } {
    const spares = [...this.#spares.values()].map(({ children }) => children.length);
    return { spare: spares.reduce((sum, count) => sum + count, 0), warm: this.#warm.length };
  }

  /**
   * A warm child of the same use whose code is still what is on disk, else a spare of the program, else a new one; `listener` is set by the caller at once.
   * Throws what spawn throws when the system has no room for a process.
   */
  take(useKey: string, program: Program): Child {
    for (;;) {
      const index = this.#warm.findLastIndex(({ child }) => child.useKey === useKey && child.alive);
      const warm = index === -1 ? undefined : this.#warm.splice(index, 1)[0]?.child;
      if (warm === undefined) break;
      if (warm.hasCurrentCode()) {
        warm.wake();
        return warm;
      }
      warm.kill();
    }
    if (program.spare) this.#remember(program);
    const child = this.#spares.get(program.key)?.children.shift() ?? this.start(program.start());
    child.wake();
    child.useKey = useKey;
    setImmediate(() => this.#refill());
    return child;
  }

  /** A new child that is no spare; it belongs to whoever sets its listener, and is killed with the others. */
  start(command: ChildCommand): Child {
    const child: Child = new Child(command, this.#options.guard, noListener);
    child.listener = this.#waitingListener(child);
    this.#all.add(child);
    void child.closed.then(() => this.#all.delete(child));
    return child;
  }

  /** Keeps a clean child for the same use. */
  keep(child: Child): void {
    if (this.#closed || !child.alive) {
      child.kill();
      return;
    }
    child.wake();
    child.listener = this.#waitingListener(child);
    this.#warm.push({ child, since: performance.now() });
  }

  /** Ends the longest idle until at most `count` are warm. */
  trim(count: number): void {
    while (this.#warm.length > count) this.#warm.shift()?.child.kill();
  }

  /** Ends every child that waits, spares too: what they have read of the project may be old. */
  renew(): void {
    this.trim(0);
    for (const spares of this.#spares.values()) for (const spare of spares.children.splice(0)) spare.kill();
    this.#refill();
  }

  /** Kills every child that was ever taken or waits, and resolves when all their groups are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweep);
    for (const child of this.#all) child.kill();
    await Promise.all([...this.#all].map((child) => child.closed));
  }

  /** Kills the children that wait. */
  killAll(): void {
    for (const child of this.#all) child.kill();
  }

  #remember(program: Program): void {
    const known = this.#spares.get(program.key);
    this.#spares.delete(program.key);
    this.#spares.set(program.key, known ?? { program, children: [] });
    for (const [key, { children }] of this.#spares) {
      if (this.#spares.size <= keptPrograms) return;
      for (const spare of children) spare.kill();
      this.#spares.delete(key);
    }
  }

  #refill(): void {
    const { spareChildren } = this.#options;
    try {
      for (const { program, children } of this.#spares.values()) {
        while (!this.#closed && children.length < spareChildren) children.push(this.start(program.start()));
      }
    } catch {
      // The system has no room for a process now. A spare is only for speed: whoever needs one is told.
    }
  }

  /** A child that waits has nothing to say. */
  #waitingListener(child: Child): ChildListener {
    return {
      ready: () => undefined,
      frame: () => child.fault("It spoke without an activation."),
      output: () => undefined,
      gone: () => this.#forget(child),
    };
  }

  #forget(child: Child): void {
    for (const spares of this.#spares.values()) spares.children = spares.children.filter((spare) => spare !== child);
    this.#warm = this.#warm.filter((idle) => idle.child !== child);
  }

  #endIdle(): void {
    const before = performance.now() - this.#options.idleMs;
    while ((this.#warm[0]?.since ?? Number.POSITIVE_INFINITY) < before) this.#warm.shift()?.child.kill();
  }
}

const noListener: ChildListener = {
  ready: () => undefined,
  frame: () => undefined,
  output: () => undefined,
  gone: () => undefined,
};
