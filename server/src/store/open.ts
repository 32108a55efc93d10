import { AppError } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { Store } from "./store.ts";

export interface OpenStoreOptions {
  /** Of SQLite and files: who owns them (see owned/open.ts). Others ignore it: their processes are equal. */
  readonly role: "owner" | "client" | "either";
  readonly clock: Clock;
  /** Whether the schema may be created or brought up to date; default: PostgreSQL's not, others may. */
  readonly migrate?: boolean;
  /** Told what belongs in the log, and that the owner of a store does not answer; default: a line on stderr. */
  readonly onNotice?: (text: string) => void;
}

/**
 * Opens a store by its address: `memory:`, `sqlite:FILE`, `file:FOLDER` or `postgres://…`. Drivers are loaded when they are
 * asked for. `invalid_request` for another address.
 */
export async function openStore(address: string, { role, clock, migrate, onNotice }: OpenStoreOptions): Promise<Store> {
  const schema = migrate === undefined ? {} : { migrate };
  const told = onNotice === undefined ? {} : { onNotice };
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
    return openSqliteStore({ path, role, clock, ...schema, ...told });
  }
  if (/^postgres(?:ql)?:\/\//.test(address)) {
    const { openPostgresStore } = await import("./postgres/postgres-store.ts");
    return openPostgresStore({ url: address, ...schema });
  }
  if (address.startsWith("file:")) {
    const folder = address.slice("file:".length);
    if (folder === "" || folder.startsWith("//")) {
      throw new AppError("invalid_request", `"${address}" names no folder.`, {
        hint: "Write file:./FOLDER, or file:/FOLDER for a path from the root.",
      });
    }
    const { openFileStore } = await import("./file/open.ts");
    return openFileStore({ folder, role, clock, ...schema, ...told });
  }
  throw new AppError("invalid_request", `"${address}" names no kind of store.`, {
    hint: "Write memory:, sqlite:FILE, file:FOLDER or postgres://HOST/DATABASE.",
  });
}
