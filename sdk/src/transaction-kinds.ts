import { AppError } from "@holdfast/protocol";

// Which library a transaction is of is seen by its shape, so that none of them has to be installed. What is no transaction but
// the pool or database that makes them is refused: the promise would be kept though the caller's own writes are rolled back.

/** Sends one statement with `$1`, `$2`… for its values within a transaction. Answers what the library does. */
export type Send = (text: string, values: readonly (string | null)[]) => Promise<unknown>;

interface Kind {
  readonly library: string;
  /** How a transaction of it is come by. */
  readonly remedy: string;
  /** Undefined: it is not of this library. Null: it is, and is no transaction. */
  recognise(given: Shape): Send | null | undefined;
}

type Shape = Readonly<Record<string, unknown>>;
type Method = (...args: readonly unknown[]) => Promise<unknown>;

const kinds: readonly Kind[] = [
  {
    library: "Kysely",
    remedy: "Pass the trx of db.transaction().execute(async (trx) => …).",
    recognise(given) {
      const executeQuery = method(given, "executeQuery");
      if (executeQuery === undefined || !("isTransaction" in given)) return undefined;
      if (given.isTransaction !== true) return null;
      return (sql, parameters) => executeQuery(kyselyQuery(sql, parameters));
    },
  },
  {
    library: "Knex",
    remedy: "Pass the trx of knex.transaction(async (trx) => …).",
    recognise(given) {
      const raw = method(given, "raw");
      if (raw === undefined || !("client" in given)) return undefined;
      if (given.isTransaction !== true) return null;
      return async (text, values) => await raw(text.replaceAll(/\$\d+/g, "?"), values);
    },
  },
  {
    library: "postgres",
    remedy: "Pass the sql of sql.begin(async (sql) => …).",
    recognise(given) {
      const unsafe = method(given, "unsafe");
      if (unsafe === undefined) return undefined;
      // One that was reserved is its caller's own: BEGIN was said by hand.
      const isHeld = method(given, "savepoint") !== undefined || method(given, "release") !== undefined;
      return isHeld ? async (text, values) => await unsafe(text, values) : null;
    },
  },
  {
    library: "Prisma",
    remedy: "Pass the tx of prisma.$transaction(async (tx) => …).",
    recognise(given) {
      const query = method(given, "$queryRawUnsafe");
      if (query === undefined) return undefined;
      if (method(given, "$transaction") !== undefined && method(given, "$connect") !== undefined) return null;
      return async (text, values) => await query(text, ...values);
    },
  },
  {
    library: "Drizzle",
    remedy: "Pass the tx of db.transaction(async (tx) => …).",
    recognise(given) {
      const execute = method(given, "execute");
      if (execute === undefined || method(given, "transaction") === undefined) return undefined;
      if (method(given, "rollback") === undefined) return null;
      // It takes a text without values, or an object of its own class, which is not at hand here.
      return async (text, values) => await execute(withLiterals(text, values));
    },
  },
  {
    library: "pg",
    remedy: 'Pass a client of pool.connect() on which await client.query("BEGIN") was said.',
    recognise(given) {
      const query = method(given, "query");
      if (query === undefined) return undefined;
      if (typeof given.totalCount === "number") return null;
      const status = given.getTransactionStatus;
      if (typeof status === "function" && status.call(given) === "I") return null;
      return async (text, values) => await query(text, values);
    },
  },
];

/** How to send a statement in this transaction. Throws `invalid_request` for what is none that is known. */
export function sendIn(transaction: object): Send {
  const given = transaction as Shape;
  if ((typeof given === "object" && given !== null) || typeof given === "function") {
    for (const { library, remedy, recognise } of kinds) {
      const send = recognise(given);
      if (send === null) {
        throw new AppError("invalid_request", `This is ${library}, and no open transaction of it.`, { hint: remedy });
      }
      if (send !== undefined) return send;
    }
  }
  throw new AppError("invalid_request", "This is no transaction of a library that is known here.", {
    hint: `Known are ${kinds.map(({ library }) => library).join(", ")}. With another one say SELECT holdfast.enqueue(…) yourself.`,
  });
}

/** Answers of libraries are a list of rows, or an object with one. */
export function firstRow(answer: unknown): Shape | undefined {
  const rows = typeof answer === "object" && answer !== null && "rows" in answer ? answer.rows : answer;
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined;
  return typeof row === "object" && row !== null ? (row as Shape) : undefined;
}

function method(given: Shape, name: string): Method | undefined {
  const value = given[name];
  return typeof value === "function" ? (...args) => value.apply(given, args) : undefined;
}

/** A compiled query as Kysely's `CompiledQuery.raw` makes it. */
function kyselyQuery(sql: string, parameters: readonly (string | null)[]): object {
  const query = { kind: "RawNode", sqlFragments: [sql], parameters: [] };
  return { query, queryId: { queryId: `holdfast-${crypto.randomUUID()}` }, sql, parameters };
}

/** The statement with its values in it. Right whatever `standard_conforming_strings` is. */
function withLiterals(text: string, values: readonly (string | null)[]): string {
  return text.replaceAll(/\$(\d+)/g, (_, place: string) => {
    const value = values[Number(place) - 1] ?? null;
    if (value === null) return "null";
    return ` E'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
  });
}
