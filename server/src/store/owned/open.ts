import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { AppError, isAppError } from "@holdfast/protocol";
import { makeFolders } from "../../folders.ts";
import { openLog } from "../../log.ts";
import { remoteStore, type StoreLink } from "../remote/remote-store.ts";
import { ReopeningLink } from "../remote/reopening.ts";
import { SocketLink, type SocketLinkOptions } from "../remote/socket-link.ts";
import type { StoreClock } from "../steady-time.ts";
import type { Store } from "../store.ts";
import { type Holder, holderOf } from "./holder.ts";
import type { KeeperOptions } from "./keeper.ts";
import { OwnerLock } from "./lock.ts";
import { OwnedStore } from "./owned-store.ts";
import { findSocketPlace } from "./socket-place.ts";

// A store with one owner: one process keeps it, in a thread; the others go through its socket.

/** What a caller of such a store chooses. */
export interface OwnedStoreOptions {
  /**
   * `owner`: the store is this process's, or the call fails with `not_the_owner`. `client`: through the owner's socket.
   * `either`: owner if nobody is, else client; then it takes over when the owner ends, and no call is lost.
   */
  readonly role: "owner" | "client" | "either";
  /** The owner's clock; default the machine's. */
  readonly clock?: StoreClock;
  /** How long a call waits for an owner that is not there before it is `store_unavailable`; default 5 s. */
  readonly patienceMs?: number;
  /** Told what belongs in the log; default: the log on stderr. */
  readonly onNotice?: (text: string) => void;
}

interface OwnedPlace {
  /** The lock is `<path>.lock`, the socket `<path>.sock`. Its folder is made when it is missing, except for a client. */
  readonly path: string;
  /** What the store is called in messages. */
  readonly name: string;
  readonly keeper: KeeperOptions;
}

/** Rejects with `not_the_owner`, `store_unavailable` (no owner, no access), or what the keeper refuses. */
export async function openOwnedStore(place: OwnedPlace, options: OwnedStoreOptions): Promise<Store> {
  const { path, name, keeper } = place;
  const { role, patienceMs = 5_000, clock, onNotice = logged } = options;
  if (role !== "client") makeFolder(dirname(path));
  let first = true;
  const own = async (onExit: () => void): Promise<StoreLink | undefined> => {
    if (role === "client") return undefined;
    const lock = OwnerLock.take(path);
    if (lock !== undefined) return OwnedStore.open(lock, { path, name, keeper, clock, onNotice, onExit });
    if (role === "owner" && first) throw notTheOwner(name);
    return undefined;
  };
  const silence = () => silentOwner(name, holderOf(`${path}.lock`));
  const onSilence = ({ message, hint = "" }: AppError) => onNotice(`${message} ${hint}`);
  const join = (onExit: () => void) =>
    role === "owner" ? Promise.resolve(undefined) : reach(path, { onExit, silence, onSilence });
  const link = new ReopeningLink({
    open: async (onExit) => (await own(onExit)) ?? (await join(onExit)),
    patienceMs,
    unavailable: () => {
      const holder = holderOf(`${path}.lock`);
      return holder === undefined ? noOwner(name) : silentOwner(name, holder);
    },
  });
  await link.start();
  first = false;
  return remoteStore(link);
}

function logged(text: string): void {
  openLog("warn").warn(text);
}

/** Undefined when no owner answers. */
async function reach(path: string, told: SocketLinkOptions): Promise<StoreLink | undefined> {
  try {
    return await SocketLink.open(findSocketPlace(path), told);
  } catch (error) {
    // An owner's refusal, or a folder of somebody else, is for the caller to see; that nobody is there is not yet.
    if (isAppError(error) && (error.code !== "store_unavailable" || error.cause === undefined)) throw error;
    return undefined;
  }
}

function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  try {
    makeFolders(folder);
  } catch (cause) {
    throw new AppError("store_unavailable", `The folder ${folder} cannot be made.`, {
      hint: "Check that this user may write there.",
      cause,
    });
  }
}

function notTheOwner(name: string): AppError {
  return new AppError("not_the_owner", `Another process owns the store ${name}.`, {
    hint: "Stop it first, or talk to it with --server.",
  });
}

function silentOwner(name: string, holder: Holder | undefined): AppError {
  const who = holder === undefined ? "A process" : `Process ${holder.pid}`;
  const ends = holder === undefined ? "" : `, or end it: kill -KILL ${holder.pid}`;
  if (holder?.isStopped === true) {
    return new AppError("store_unavailable", `${who}, which owns the store ${name}, is stopped, so nobody answers.`, {
      hint: `Let it go on: fg in its terminal, or kill -CONT ${holder.pid}${ends}.`,
    });
  }
  return new AppError("store_unavailable", `${who} owns the store ${name} and does not answer.`, {
    hint: `Is it stopped, or very busy? Let it go on${ends}.`,
  });
}

function noOwner(name: string): AppError {
  return new AppError("store_unavailable", `No process owns the store ${name}, so nobody answers for it.`, {
    hint: "Start `holdfast dev` or `holdfast server` on it.",
  });
}
