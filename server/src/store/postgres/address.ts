import { AppError } from "@holdfast/protocol";

// A PostgreSQL store's address is the driver's, with two parameters of our own that are taken out of it:
//
//   pooler=transaction   A pooler such as PgBouncer lies between, which gives each transaction another connection: nothing is
//                        prepared, nothing is set for a connection, and nothing is heard.
//   direct=HOST:PORT     Where the server itself is, for what needs a connection of its own: leases and rings.

export interface PostgresAddress {
  /** For work. */
  readonly url: string;
  /** The server itself; undefined behind a pooler where it is not said. */
  readonly directUrl: string | undefined;
  readonly isPooled: boolean;
}

/** Reads a store's address. Throws `invalid_request` for a parameter that cannot be. */
export function readAddress(address: string): PostgresAddress {
  const url = URL.parse(address);
  // The driver takes addresses of several hosts, which are no URLs; they have no parameters of ours.
  if (url === null) return { url: address, directUrl: address, isPooled: false };
  const pooler = url.searchParams.get("pooler");
  const direct = url.searchParams.get("direct");
  if (pooler === null && direct === null) return { url: address, directUrl: address, isPooled: false };
  if (pooler !== "transaction") {
    const said = pooler === null ? "direct without pooler" : `pooler=${pooler}`;
    throw new AppError("invalid_request", `The store's address says ${said}.`, {
      hint: "Behind PgBouncer in transaction mode say ?pooler=transaction, and &direct=HOST:PORT of the server if it can be reached.",
    });
  }
  url.searchParams.delete("pooler");
  url.searchParams.delete("direct");
  return { url: url.href, directUrl: direct === null ? undefined : directUrl(url, direct), isPooled: true };
}

function directUrl(url: URL, direct: string): string {
  const [, host = "", port = "5432"] = /^(\[[^\]]+\]|[^:/?#@\s]+)(?::(\d{1,5}))?$/.exec(direct) ?? [];
  if (host === "") {
    throw new AppError("invalid_request", `The store's address says direct=${direct}, which is no HOST:PORT.`, {
      hint: "Write direct=db.internal:5432; user, password and database are those of the address itself.",
    });
  }
  const server = new URL(url);
  server.hostname = host;
  server.port = port;
  return server.href;
}
