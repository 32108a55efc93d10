import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { sqliteFailure } from "./failures.ts";

/** One open database with its prepared statements. Everything is synchronous; failures are AppErrors (see failures.ts). */
export class Connection {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  /** Rows changed since it was last set to 0. */
  changes = 0;

  /** `waitMs`: how long a statement waits for another program's lock; default 5,000. */
  constructor(path: string, { waitMs = 5_000 }: { waitMs?: number } = {}) {
    this.#path = path;
    try {
      this.#database = new DatabaseSync(path, { timeout: waitMs });
    } catch (error) {
      throw sqliteFailure(error, path);
    }
  }

  /** False once a failure has made SQLite roll everything back by itself. */
  get inTransaction(): boolean {
    return this.#database.isTransaction;
  }

  /** Runs statements that answer nothing. */
  script(sql: string): void {
    this.#guard(() => this.#database.exec(sql));
  }

  /** A statement that changes no row: it begins, ends or marks a transaction. */
  mark(sql: string): void {
    this.#guard(() => this.#statement(sql).run());
  }

  /** Answers how many rows changed. */
  run(sql: string, ...values: SQLInputValue[]): { changes: number } {
    return this.#guard(() => {
      const { changes } = this.#statement(sql).run(...values);
      this.changes += Number(changes);
      return { changes: Number(changes) };
    });
  }

  /** The first row. Its shape is what the statement says; the caller names it. */
  find<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#statement(sql).get(...values) as Row | undefined);
  }

  /** All rows. */
  list<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#guard(() => this.#statement(sql).all(...values) as Row[]);
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw sqliteFailure(error, this.#path);
    }
  }
}

/** The text that a list of ids or names travels in: `… IN (SELECT value FROM json_each(?))`. */
export function listText(values: readonly (string | number)[]): string {
  return JSON.stringify(values);
}
