import { AppError } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Store } from "./store.ts";

export interface OpenStoreOptions {
  /** Of SQLite: who owns the file (see sqlite/open.ts). Others ignore it: their processes are equal. */
  readonly role: "owner" | "client" | "either";
  readonly clock: Clock;
  /** Whether the schema may be created or brought up to date; default: SQLite's may, PostgreSQL's not. */
  readonly migrate?: boolean;
}

/**
 * Opens a store by its address: `memory:`, `sqlite:FILE` or `postgres://…`. Drivers are loaded when they are asked for.
 * `invalid_request` for another address, `unsupported` for a kind that is not built.
 */
export async function openStore(address: string, { role, clock, migrate }: OpenStoreOptions): Promise<Store> {
  const schema = migrate === undefined ? {} : { migrate };
  if (address === "memory:") {
    const { openMemoryStore } = await import("./memory/memory-store.ts");
    return openMemoryStore({ clock });
  }
  if (address.startsWith("sqlite:")) {
    const path = address.slice("sqlite:".length);
    if (path === "" || path === ":memory:") {
      throw new AppError("invalid_request", `"${address}" names no file.`, {
        hint: "Write sqlite:.holdfast/holdfast.db, or memory: for a store that nothing outlives.",
      });
    }
    const { openSqliteStore } = await import("./sqlite/open.ts");
    return openSqliteStore({ path, role, clock, ...schema });
  }
  if (/^postgres(?:ql)?:\/\//.test(address)) {
    const { openPostgresStore } = await import("./postgres/postgres-store.ts");
    return openPostgresStore({ url: address, ...schema });
  }
  if (address.startsWith("file:")) {
    throw new AppError("unsupported", "The file store is not built yet.", {
      hint: "Use sqlite:.holdfast/holdfast.db.",
    });
  }
  throw new AppError("invalid_request", `"${address}" names no kind of store.`, {
    hint: "Write memory:, sqlite:FILE or postgres://HOST/DATABASE.",
  });
}
