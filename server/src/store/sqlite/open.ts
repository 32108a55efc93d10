import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { AppError, isAppError } from "@holdfast/protocol";
import { remoteStore, type StoreLink } from "../remote/remote-store.ts";
import { ReopeningLink } from "../remote/reopening.ts";
import { SocketLink } from "../remote/socket-link.ts";
import type { Store } from "../store.ts";
import type { StoreClock } from "./database-thread.ts";
import { OwnerLock } from "./lock.ts";
import { OwnedStore } from "./owned-store.ts";
import { findSocketPlace } from "./socket-place.ts";

// A SQLite store: one process owns the file, the others go through its socket. What is committed is on the disk
// (WAL, synchronous=FULL).

export interface SqliteStoreOptions {
  /** The database's file. Its folder is made when it is missing, except for a client. */
  readonly path: string;
  /**
   * `owner`: the file is this process's, or the call fails with `not_the_owner`. `client`: through the owner's socket.
   * `either`: owner if nobody is, else client; then it takes over when the owner ends, and no call is lost.
   */
  readonly role: "owner" | "client" | "either";
  /** The owner's clock; default the machine's. */
  readonly clock?: StoreClock;
  /** Whether an owner brings an older or absent schema up to date (default), or refuses it with `invalid_request`. */
  readonly migrate?: boolean;
  /** The owner lets the file grow to this many bytes; beyond, calls that need room are `store_full`. Default: the disk. */
  readonly maxBytes?: number;
  /** How long a call waits for an owner that is not there before it is `store_unavailable`; default 5 s. */
  readonly patienceMs?: number;
}

/**
 * Opens the store in a file. Rejects with `not_the_owner`, `store_newer`, `store_unavailable` (no owner, no access),
 * `store_full`, or `invalid_request` for a file that is no store.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const path = resolve(options.path);
  const { role, migrate = true, patienceMs = 5_000, maxBytes, clock } = options;
  const maxPages = maxBytes === undefined ? undefined : Math.ceil(maxBytes / 4_096);
  if (role !== "client") makeFolder(dirname(path));
  let first = true;
  const own = async (onExit: () => void): Promise<StoreLink | undefined> => {
    if (role === "client") return undefined;
    const lock = OwnerLock.take(path);
    if (lock !== undefined) return OwnedStore.open(lock, { path, migrate, maxPages, clock, onExit });
    if (role === "owner" && first) throw notTheOwner(path);
    return undefined;
  };
  const join = (onExit: () => void) => (role === "owner" ? Promise.resolve(undefined) : reach(path, onExit));
  const link = new ReopeningLink({
    open: async (onExit) => (await own(onExit)) ?? (await join(onExit)),
    patienceMs,
    unavailable: () => noOwner(path),
  });
  await link.start();
  first = false;
  return remoteStore(link);
}

/** Undefined when no owner answers. */
async function reach(path: string, onExit: () => void): Promise<StoreLink | undefined> {
  try {
    return await SocketLink.open(findSocketPlace(path), { onExit });
  } catch (error) {
    // An owner's refusal, or a folder of somebody else, is for the caller to see; that nobody is there is not yet.
    if (isAppError(error) && (error.code !== "store_unavailable" || error.cause === undefined)) throw error;
    return undefined;
  }
}

function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new AppError("store_unavailable", `The folder ${folder} cannot be made.`, {
      hint: "Check that this user may write there.",
      cause,
    });
  }
}

function notTheOwner(path: string): AppError {
  return new AppError("not_the_owner", `Another process owns the store ${path}.`, {
    hint: "Stop it first, or talk to it with --server.",
  });
}

function noOwner(path: string): AppError {
  return new AppError("store_unavailable", `No process owns the store ${path}, so nobody answers for it.`, {
    hint: "Start `holdfast dev` or `holdfast server` on it.",
  });
}
