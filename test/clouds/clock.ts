/** The time that the fakes live by: the machine's own, or one that a test holds. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Calls `wake` once, when it is `atMs` or later; the answer calls it off. */
  at(atMs: number, wake: () => void): () => void;
}

/** The longest that setTimeout can wait; a later moment is waited for in parts. */
const maxTimeoutMs = 2 ** 31 - 1;

export class WallClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  at(atMs: number, wake: () => void): () => void {
    let timer: NodeJS.Timeout;
    const arm = () => {
      const waitMs = atMs - Date.now();
      timer = setTimeout(waitMs > maxTimeoutMs ? arm : wake, Math.min(Math.max(waitMs, 0), maxTimeoutMs));
    };
    arm();
    return () => clearTimeout(timer);
  }
}

interface Alarm {
  readonly atMs: number;
  readonly wake: () => void;
}

/** A clock that stands until it is moved. What is due on the way is called in its order, at its own time. */
export class HeldClock implements Clock {
  #nowMs: number;
  readonly #alarms = new Set<Alarm>();

  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  at(atMs: number, wake: () => void): () => void {
    const alarm = { atMs, wake };
    this.#alarms.add(alarm);
    // What is due already does not wait for the clock to be moved.
    if (atMs <= this.#nowMs) {
      queueMicrotask(() => {
        if (this.#alarms.delete(alarm)) wake();
      });
    }
    return () => this.#alarms.delete(alarm);
  }

  /** Where a clock that was held before stood when its process was killed. */
  set(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#alarms.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.atMs <= untilMs && (first === undefined || alarm.atMs < first.atMs)) first = alarm;
    }
    return first;
  }
}
