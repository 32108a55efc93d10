import { randomBytes } from "node:crypto";
import { chmodSync, renameSync, rmSync, statSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { AppError, encodeFrame, FrameDecoder } from "@holdfast/protocol";
import type { StoreLink } from "./remote-store.ts";
import {
  type ClientFrame,
  clientFrameSchema,
  failureOf,
  type ServerFrame,
  storeFrameBytes,
  storeWireVersion,
} from "./wire.ts";

/** Answers the calls of other processes of this user on a unix socket (mode 0600), and passes rings both ways. */
export class SocketServer {
  readonly #link: StoreLink;
  readonly #peers = new Set<Peer>();
  readonly #stopHearing: () => void;
  readonly #members = new LostMembers((id) => this.#link.call("leaveMember", { id }));
  #door: Door;
  #isClosed = false;

  private constructor(link: StoreLink, door: Door) {
    this.#link = link;
    this.#door = this.#attend(door);
    this.#stopHearing = link.onRing((topics) => {
      for (const peer of this.#peers) peer.send({ ring: [...topics] });
    });
  }

  /** Resolves when it listens at `path`. */
  static async listen(path: string, link: StoreLink): Promise<SocketServer> {
    return new SocketServer(link, await Door.open(path));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** False when its socket was removed, or another lies in its place: nobody new can reach it. */
  get stands(): boolean {
    return this.#door.stands;
  }

  /** Listens at `path` from now on; who is connected stays. */
  async move(path: string): Promise<void> {
    const door = await Door.open(path);
    if (this.#isClosed) {
      await door.close();
      return;
    }
    const before = this.#door;
    this.#door = this.#attend(door);
    // It lives on until the last of those who came through it has gone.
    void before.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopHearing();
    this.#members.stop();
    const closed = this.#door.close();
    for (const peer of this.#peers) peer.end();
    await closed;
  }

  #attend(door: Door): Door {
    door.server.on("connection", (socket) => {
      const peer = new Peer(socket, this.#link, this.#members, () => this.#peers.delete(peer));
      this.#peers.add(peer);
    });
    return door;
  }
}

/** A socket that is listened at, known by its inode: whoever closes it leaves alone what another has put in its place. */
class Door {
  readonly server: Server;
  readonly #path: string;
  readonly #identity: string;

  private constructor(server: Server, path: string) {
    this.server = server;
    this.#path = path;
    this.#identity = identityOf(path);
  }

  static open(path: string): Promise<Door> {
    const server = createServer();
    // The system's library removes, at its close, whatever has the name that it was told: so that is one that nobody else uses.
    const own = join(dirname(path), `.${randomBytes(2).toString("hex")}`);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.once("listening", () => {
        try {
          chmodSync(own, 0o600);
          renameSync(own, path);
          server.off("error", reject);
          resolve(new Door(server, path));
        } catch (error) {
          server.close();
          reject(error);
        }
      });
      // The socket is made inside this call, so that nobody sees it with a wider mode. Only the main thread has a mask.
      const mask = isMainThread ? process.umask(0o177) : undefined;
      server.listen(own);
      if (mask !== undefined) process.umask(mask);
    });
  }

  get stands(): boolean {
    return identityOf(this.#path) === this.#identity;
  }

  close(): Promise<void> {
    if (this.stands) rmSync(this.#path, { force: true });
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

function identityOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.dev}:${found.ino}`;
}

/** One client's connection. */
class Peer {
  readonly #socket: Socket;
  readonly #link: StoreLink;
  readonly #lost: LostMembers;
  readonly #decoder = new FrameDecoder(storeFrameBytes);
  readonly #members = new Set<string>();
  #pid: number | undefined;
  #unsent: Buffer[] = [];

  constructor(socket: Socket, link: StoreLink, lost: LostMembers, onClose: () => void) {
    this.#socket = socket;
    this.#link = link;
    this.#lost = lost;
    socket.on("data", (chunk) => this.#hear(chunk));
    // What went wrong with the connection is told by its end.
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#pid !== undefined) this.#lost.add(this.#pid, this.#members);
      onClose();
    });
  }

  send(frame: ServerFrame): void {
    if (this.#socket.destroyed) return;
    this.#unsent.push(encodeFrame(frame, storeFrameBytes));
    if (this.#unsent.length > 1) return;
    setImmediate(() => {
      const bytes = this.#unsent;
      this.#unsent = [];
      if (!this.#socket.destroyed) this.#socket.write(bytes.length === 1 ? (bytes[0] ?? "") : Buffer.concat(bytes));
    });
  }

  end(): void {
    this.#socket.destroy();
  }

  #hear(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#take(clientFrameSchema.parse(frame));
    } catch (error) {
      const refusal =
        error instanceof AppError ? error : new AppError("invalid_request", "A message to the store is malformed.");
      this.#refuse(refusal);
    }
  }

  #take(frame: ClientFrame): void {
    if ("hello" in frame) {
      const { version, pid } = frame.hello;
      if (version !== storeWireVersion) {
        const text = `The store's owner speaks version ${storeWireVersion}, this client ${version}.`;
        this.#refuse(new AppError("unsupported", text, { hint: "Use the same Holdfast in every process." }));
        return;
      }
      this.#pid = pid;
      this.send({ hello: { version: storeWireVersion, pid: process.pid } });
    } else if (this.#pid === undefined) this.#refuse(new AppError("invalid_request", "A client says hello first."));
    else if ("ring" in frame) this.#link.ring(frame.ring);
    else void this.#answer(frame);
  }

  async #answer({ id, verb, args }: Extract<ClientFrame, { verb: unknown }>): Promise<void> {
    this.#noteMember(verb, args);
    try {
      this.send({ id, result: await this.#link.call(verb, args, true) });
    } catch (error) {
      this.send({ id, error: failureOf(error) });
    }
  }

  /** A member is its connection's: when the process behind it has ended, so has the member. */
  #noteMember(verb: string, args: unknown): void {
    if (verb !== "joinMember" && verb !== "renewMember" && verb !== "leaveMember") return;
    const { id } = args as { id: string };
    if (verb === "leaveMember") this.#members.delete(id);
    else this.#members.add(id);
    this.#lost.found(id);
  }

  #refuse(error: AppError): void {
    this.#socket.end(encodeFrame({ refused: failureOf(error) } satisfies ServerFrame));
  }
}

const lookEveryMs = 500;

/**
 * Members whose connection has ended. Without timed leases nothing else would tell that such a process has died: its process
 * id is looked at until it is gone, or the member has renewed through another connection. Should the id have been given to
 * another process by then, the member stays until the owner's next boot.
 */
class LostMembers {
  readonly #end: (id: string) => Promise<unknown>;
  readonly #pids = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(end: (id: string) => Promise<unknown>) {
    this.#end = end;
  }

  add(pid: number, members: Iterable<string>): void {
    for (const id of members) this.#pids.set(id, pid);
    this.#look();
  }

  found(id: string): void {
    this.#pids.delete(id);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#pids.clear();
  }

  #look(): void {
    clearTimeout(this.#timer);
    for (const [id, pid] of this.#pids) {
      if (isAlive(pid)) continue;
      this.#pids.delete(id);
      // Should it fail, the store is closing, and the next boot ends the member.
      this.#end(id).catch(() => {});
    }
    if (this.#pids.size > 0) this.#timer = setTimeout(() => this.#look(), lookEveryMs).unref();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
