import { AppError } from "@holdfast/protocol";
import { isConflict } from "./failures.ts";
import { type Parameter, Session, type SessionOptions, type Transaction, type Work } from "./session.ts";

export interface PoolOptions extends SessionOptions {
  /** Connections at most. */
  readonly maxSessions: number;
  /** A statement without an answer for so long ends its session: the server or the way to it hangs. */
  readonly answerMs: number;
}

/** How often work that lost against other work is repeated before its caller hears of it. */
const conflictRepeats = 6;
const watchMs = 500;

/** Sessions for work of any kind, each given to one piece of work at a time. */
export class SessionPool implements Work {
  readonly #options: PoolOptions;
  readonly #idle: Session[] = [];
  readonly #all = new Set<Session>();
  readonly #waiting: { resolve: (session: Session) => void; reject: (error: unknown) => void }[] = [];
  readonly #watch: NodeJS.Timeout;
  #opening = 0;
  #busy = 0;
  #closed: Promise<void> | undefined;
  #quiet: (() => void) | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#watch = setInterval(() => this.#abandonSilent(), watchMs);
    this.#watch.unref();
  }

  /** One statement, in a transaction of its own; repeated when it lost against another one. */
  run<Row extends object>(name: string, text: string, parameters?: readonly Parameter[]) {
    return this.#repeated((session) => session.run<Row>(name, text, parameters));
  }

  /** See {@link Session.transaction}. Repeated whole when it lost against another one. */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#repeated((session) => session.transaction(work));
  }

  /** Waits for the work that goes on and ends all connections. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #repeated<T>(work: (session: Session) => Promise<T>): Promise<T> {
    for (let repeat = 0; ; repeat++) {
      const session = await this.#acquire();
      this.#busy += 1;
      try {
        return await work(session);
      } catch (error) {
        if (repeat >= conflictRepeats || !isConflict(error)) throw error;
      } finally {
        this.#busy -= 1;
        this.#release(session);
      }
    }
  }

  async #acquire(): Promise<Session> {
    if (this.#closed !== undefined) throw new AppError("store_unavailable", "The store is closed.");
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (!session.isDead) return session;
      this.#all.delete(session);
    }
    if (this.#all.size + this.#opening >= this.#options.maxSessions) {
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    return this.#open();
  }

  async #open(): Promise<Session> {
    this.#opening += 1;
    try {
      const session = await Session.open(this.#options);
      this.#all.add(session);
      return session;
    } catch (error) {
      // Whoever waits for a session to come free would wait for ever if none could be opened.
      if (this.#all.size === 0) for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
      throw error;
    } finally {
      this.#opening -= 1;
    }
  }

  #release(session: Session): void {
    if (session.isDead) this.#all.delete(session);
    if (this.#busy === 0) this.#quiet?.();
    const waiter = this.#waiting.shift();
    if (waiter === undefined) {
      if (!session.isDead) this.#idle.push(session);
    } else if (session.isDead) {
      this.#open().then(waiter.resolve, waiter.reject);
    } else {
      waiter.resolve(session);
    }
  }

  #abandonSilent(): void {
    for (const session of this.#all) {
      const since = session.waitingSinceMs;
      if (since !== undefined && performance.now() - since > this.#options.answerMs) {
        session.abandon(`PostgreSQL has not answered for ${this.#options.answerMs} ms.`);
      }
    }
  }

  async #close(): Promise<void> {
    const closed = new AppError("store_unavailable", "The store is closed.");
    for (const waiter of this.#waiting.splice(0)) waiter.reject(closed);
    if (this.#busy > 0) {
      await new Promise<void>((resolve) => {
        this.#quiet = resolve;
      });
    }
    clearInterval(this.#watch);
    await Promise.all([...this.#all].map((session) => session.close()));
  }
}
