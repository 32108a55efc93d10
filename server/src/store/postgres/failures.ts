import { AppError } from "@holdfast/protocol";

// What PostgreSQL's states mean to a caller (https://www.postgresql.org/docs/15/errcodes-appendix.html). Decided by the
// state's class, never by text.

/** What the driver throws, as far as it is looked at. */
interface DriverError extends Error {
  readonly code: string;
}

/** Codes of node's sockets and of the driver itself: the connection failed, nothing is known about the statement. */
const connectionCodes = /^(E[A-Z_]+|CONNECT_TIMEOUT|CONNECTION_[A-Z_]+)$/;
/** No class of states begins with E, but EPIPE has five letters too. */
const sqlState = /^(?!E)[0-9A-Z]{5}$/;

/** The AppError for a failure of PostgreSQL or of the way to it; a bug of ours is handed back as it is. */
export function postgresFailure(cause: unknown): unknown {
  if (!(cause instanceof Error) || !("code" in cause) || typeof cause.code !== "string") return cause;
  const error = cause as DriverError;
  if (sqlState.test(error.code)) return stateFailure(error);
  return connectionCodes.test(error.code) ? unavailable(error, "cannot be reached") : cause;
}

/** True when the statement lost to another one and can be repeated at once: deadlock or serialization failure. */
export function isConflict(error: unknown): boolean {
  return error instanceof AppError && stateOf(error.cause)?.startsWith("40") === true;
}

/** True for "no such table, schema or function": the database holds no store, or an older one. */
export function isMissingRelation(error: unknown): boolean {
  return ["42P01", "3F000", "42883"].includes(stateOf(error) ?? "");
}

/** True for "there is such a table, function, type or schema already". */
export function isTaken(error: unknown): boolean {
  return ["42P06", "42P07", "42710", "42723"].includes(stateOf(error) ?? "");
}

function stateFailure(error: DriverError): unknown {
  if (error.code === "53100") {
    return new AppError("store_full", "The disk of the PostgreSQL server is full.", {
      hint: "Free some space; nothing of the refused call was kept, and it can be repeated.",
      cause: error,
    });
  }
  // Whoever may do it can grant it while the caller waits.
  if (error.code === "42501") return unavailable(error, "forbids it");
  // Its connections know their statements, unless what lies between gives each transaction another one.
  if (error.code === "26000" || error.code === "42P05") return unavailable(error, "did not do it");
  switch (error.code.slice(0, 2)) {
    case "22":
    case "23":
      return new AppError("invalid_request", `PostgreSQL cannot keep a row of this call (${error.message}).`, {
        details: { state: error.code },
        cause: error,
      });
    case "08": // connection
    case "25": // a transaction that cannot go on, or a server that only reads
    case "28": // authorization
    case "3D": // no such database
    case "40": // deadlock, serialization
    case "53": // resources
    case "55": // not in the needed state, a lock was not to be had
    case "57": // shutdown, cancel, starting up
    case "58": // the server's own disk
      return unavailable(error, "did not do it");
    default:
      return error;
  }
}

const poolerHint =
  "A pooler such as PgBouncer in transaction mode lies between: add ?pooler=transaction to the address, and &direct=HOST:PORT of the " +
  "server where it can be reached.";

/** By the state, or its class: what helps, where repeating alone does not. */
const hints: Readonly<Record<string, string>> = {
  "26000": poolerHint,
  "42P05": poolerHint,
  "08P01": "If it names a parameter: the address says one that the server, or the pooler before it, does not know.",
  "25006": "It only reads: give the address of the primary server, and look at default_transaction_read_only.",
  "42501":
    "Nodes and `holdfast migrate` work as the role that owns the schema holdfast, or with all rights on it; the first migration needs " +
    "CREATE on the database (grant create on database NAME to ROLE).",
  "28": "Check the user and the password in its address.",
  "3D": "Create that database (createdb), or correct its name in the address; then run `holdfast migrate`.",
};

function unavailable(cause: DriverError, what: string): AppError {
  return new AppError("store_unavailable", `The PostgreSQL server ${what} (${cause.message}).`, {
    hint:
      hints[cause.code] ??
      hints[cause.code.slice(0, 2)] ??
      "Check that it runs and that its address is right; the call can be repeated.",
    details: { state: cause.code },
    cause,
  });
}

function stateOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
