import { AppError } from "@holdfast/protocol";
import postgres from "postgres";
import { postgresFailure } from "./failures.ts";

// One connection, used by one piece of work at a time. The driver's own pool is not used, because a transaction here sends
// statements without waiting for the answers of those before, and must never go on on another connection when its own ends:
//
// 1  A session that has lost its connection is dead for good, and every statement on it fails from then on.
// 2  A statement that is without an answer when the connection ends, fails; nothing waits for ever.

export interface SessionOptions {
  readonly url: string;
  readonly applicationName: string;
  /** False for poolers that know no prepared statements. */
  readonly prepare: boolean;
  /** A pooler gives each transaction another connection: what is set for one would hold for anybody's. */
  readonly isPooled?: boolean;
  /**
   * A transaction whose process says nothing for so long is undone by the server, and what it had locked is free again; default 10 s. A
   * process that was stopped keeps its connections, and its lease means nothing to the server (P1).
   */
  readonly idleTransactionMs?: number | undefined;
  /** For tests: awaited before a statement of this name is sent. */
  readonly beforeStatement?: ((name: string) => Promise<void>) | undefined;
  /** For tests, beside `beforeStatement`: told when a statement has been answered or has failed. */
  readonly afterStatement?: ((name: string) => void) | undefined;
  /** Told after a commit which limits the transaction has touched. */
  readonly onTouched?: ((limitIds: readonly string[]) => void) | undefined;
}

export type Parameter = string | number | boolean | null;

/** Where statements go. `name` tells tests and logs which one it is. Rows come as the driver gives them. */
export interface Runner {
  run<Row extends object>(name: string, text: string, parameters?: readonly Parameter[]): Promise<Row[]>;
}

/**
 * Every statement here is meant to find its rows through an index, from few to many. Plans are made once and kept, often while
 * the tables are still empty or their statistics old, so the planner is not offered what is only right for small tables.
 * No value changes which plan is right either: without that said, it plans a list anew at each call once its table is large.
 */
export const plannerSettings = `
  set jit = off; set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off;
  set enable_bitmapscan = off; set max_parallel_workers_per_gather = 0; set plan_cache_mode = force_generic_plan;
  set default_transaction_isolation = 'read committed'; set timezone = 'UTC'; set search_path = pg_catalog`;

/** int8 is asked for only where it stays below 2^53. */
const int8 = { to: 20, from: [20], serialize: String, parse: Number };

const usualIdleMs = 10_000;

interface Pending {
  readonly reject: (error: unknown) => void;
}

export class Session implements Runner {
  readonly #options: SessionOptions;
  readonly #sql: postgres.Sql<{ int8: number }>;
  readonly #pending = new Set<Pending>();
  #reserved: postgres.ReservedSql<{ int8: number }> | undefined;
  #death: AppError | undefined;
  #paused: Promise<void> = Promise.resolve();
  /** Since when a statement has been waiting for its answer, monotonic milliseconds; undefined while none is. */
  waitingSinceMs: number | undefined;

  private constructor(options: SessionOptions) {
    this.#options = options;
    this.#sql = postgres(options.url, {
      max: 1,
      prepare: options.prepare,
      // Array types are written by arrays.ts, so that a session is ready without asking for them.
      fetch_types: false,
      max_lifetime: null,
      connect_timeout: 10,
      types: { int8 },
      connection: { application_name: options.applicationName },
      onnotice: () => {},
      onclose: () => this.abandon("The connection to PostgreSQL has ended."),
    });
  }

  /** Connects, or throws `store_unavailable`. */
  static async open(options: SessionOptions): Promise<Session> {
    const session = new Session(options);
    try {
      const settings = `${plannerSettings}; set ${session.#idleBound}`;
      await session.#sql.unsafe(options.isPooled === true ? "select 1" : settings);
      session.#reserved = await session.#sql.reserve();
      return session;
    } catch (error) {
      await session.#sql.end({ timeout: 0 });
      throw postgresFailure(error);
    }
  }

  get #idleBound(): string {
    return `idle_in_transaction_session_timeout = ${this.#options.idleTransactionMs ?? usualIdleMs}`;
  }

  get isDead(): boolean {
    return this.#death !== undefined;
  }

  run<Row extends object>(name: string, text: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    const { beforeStatement, afterStatement = () => {} } = this.#options;
    if (beforeStatement === undefined) return this.#send<Row>(text, parameters);
    const turn = this.#paused.then(() => beforeStatement(name));
    this.#paused = turn.catch(() => {});
    return turn.then(() => this.#send<Row>(text, parameters).finally(() => afterStatement(name)));
  }

  /**
   * Runs `work` in a transaction. Statements that `work` starts without awaiting them travel together with the commit; they
   * and the commit have succeeded when this resolves. Throws the first failure; then nothing was kept, unless the connection
   * ended, after which nobody knows.
   */
  async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const transaction = new Transaction(this);
    transaction.start("begin", "begin");
    if (this.#options.isPooled === true) transaction.start("boundTransaction", `set local ${this.#idleBound}`);
    let value: T;
    try {
      value = await work(transaction);
    } catch (error) {
      transaction.start("rollback", "rollback");
      const earlier = await transaction.firstFailure();
      throw earlier ?? error;
    }
    transaction.start("commit", "commit");
    const failure = await transaction.firstFailure();
    if (failure !== undefined) throw failure;
    if (transaction.touched.size > 0) this.#options.onTouched?.([...transaction.touched]);
    return value;
  }

  /** Gives the connection up at once. */
  abandon(why: string): void {
    if (this.#death !== undefined) return;
    this.#death = new AppError("store_unavailable", why, { hint: "The call can be repeated." });
    for (const pending of this.#pending) pending.reject(this.#death);
    this.#pending.clear();
    this.waitingSinceMs = undefined;
    void this.#sql.end({ timeout: 0 }).catch(() => {});
  }

  /** Ends the connection in good order. */
  async close(): Promise<void> {
    if (this.#death !== undefined) return;
    this.#death = new AppError("store_unavailable", "The store is closed.");
    this.#reserved?.release();
    await this.#sql.end({ timeout: 2 });
  }

  #send<Row extends object>(text: string, parameters: readonly Parameter[]): Promise<Row[]> {
    const reserved = this.#reserved;
    if (this.#death !== undefined) return Promise.reject(this.#death);
    if (reserved === undefined) throw new Error("the session has not been opened");
    return new Promise((resolve, reject) => {
      const pending: Pending = { reject };
      this.#pending.add(pending);
      this.waitingSinceMs ??= performance.now();
      const settle = () => {
        this.#pending.delete(pending);
        this.waitingSinceMs = this.#pending.size === 0 ? undefined : performance.now();
      };
      reserved.unsafe<Row[]>(text, [...parameters], { prepare: this.#options.prepare }).then(
        (rows) => {
          settle();
          resolve(rows);
        },
        (error: unknown) => {
          settle();
          reject(postgresFailure(error));
        },
      );
    });
  }
}

/** Where work is done: statements alone, and transactions. */
export interface Work extends Runner {
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
}

/** The statements of one transaction. */
export class Transaction implements Runner {
  /** Limits whose slots or gates it changed. */
  readonly touched = new Set<string>();
  readonly #session: Session;
  #failure: { readonly error: unknown } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(session: Session) {
    this.#session = session;
  }

  run<Row extends object>(name: string, text: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    const answer = this.#session.run<Row>(name, text, parameters);
    this.#last = answer.then(
      () => {},
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
    return answer;
  }

  touch(limitId: string): void {
    this.touched.add(limitId);
  }

  /** Starts a statement whose rows nobody needs. Its failure fails the transaction. */
  start(name: string, text: string, parameters: readonly Parameter[] = []): void {
    this.run(name, text, parameters).catch(() => {
      // Kept by `run`, for `firstFailure`.
    });
  }

  /** Waits for everything that was started; answers come in order. */
  async firstFailure(): Promise<unknown> {
    await this.#last;
    return this.#failure?.error;
  }
}
