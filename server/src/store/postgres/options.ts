export interface PostgresStoreOptions {
  /** `postgres://…`, behind a pooler with the parameters of address.ts. */
  readonly url: string;
  /** Create the schema or bring it up to date first; otherwise an older schema is `invalid_request`. */
  readonly migrate?: boolean;
  /** As the server lists its connections; default `holdfast`. */
  readonly applicationName?: string;
  /** Connections for work; default 8. Leases have one more, rings two. */
  readonly maxSessions?: number;
  /** False behind a pooler that knows no prepared statements; default true. */
  readonly prepare?: boolean;
  /** A statement without an answer for so long fails with `store_unavailable`; default 30 s. */
  readonly answerMs?: number;
  /** A transaction whose process says nothing for so long is undone by the server; default 10 s. */
  readonly idleTransactionMs?: number;
  /** For tests: no ring is ever heard. */
  readonly swallowRings?: boolean;
  /** For tests: awaited before each statement, by its name. */
  readonly beforeStatement?: (name: string) => Promise<void>;
  /** For tests, beside `beforeStatement`: told when a statement has been answered. */
  readonly afterStatement?: (name: string) => void;
}
