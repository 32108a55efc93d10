import type { StoreLink } from "../remote/remote-store.ts";
import { SocketServer } from "../remote/socket-server.ts";
import type { RingTopic, StoreVerb } from "../store.ts";
import type { OwnerLock } from "./lock.ts";
import { claimSocketPlace, isFound, leaveSocketPlace } from "./socket-place.ts";
import { StoreThread, type StoreThreadOptions } from "./store-thread.ts";

/** How often it is looked whether others can still come in. */
const watchMs = 1_000;

/** The owner's store: the thread that keeps it, and the socket by which other processes reach it. */
export class OwnedStore implements StoreLink {
  readonly #thread: StoreThread;
  readonly #server: SocketServer;
  /** Resolves when the place is free for the next owner. */
  readonly #left: Promise<void>;

  private constructor(thread: StoreThread, server: SocketServer, left: Promise<void>) {
    this.#thread = thread;
    this.#server = server;
    this.#left = left;
  }

  /**
   * Opens with the lock in hand, and gives it back when the store is closed or could not be opened. `path`: the socket is
   * `<path>.sock`.
   */
  static async open(
    lock: OwnerLock,
    { path, onExit, ...options }: StoreThreadOptions & { readonly path: string },
  ): Promise<OwnedStore> {
    let server: SocketServer | undefined;
    let place: string | undefined;
    // Temporary folders are swept, and a socket looks like what nobody needs: whoever comes then would find no owner.
    const watch = setInterval(() => {
      if (server === undefined || place === undefined || server.isClosed || !lock.stands) return;
      if (server.stands && isFound(path, place)) return;
      try {
        place = claimSocketPlace(path);
        void server.move(place).catch(() => {});
      } catch {
        // The folder cannot be written in now: it is tried again.
      }
    }, watchMs).unref();
    const left = Promise.withResolvers<void>();
    const leave = () => {
      clearInterval(watch);
      try {
        if (place !== undefined) leaveSocketPlace(path, place);
      } finally {
        lock.release();
        left.resolve();
      }
    };
    const thread = await StoreThread.open({
      ...options,
      onExit: () => {
        // The thread has died or was closed; whoever takes the lock next listens at the same place.
        void (server?.close() ?? Promise.resolve()).finally(leave);
        onExit();
      },
    });
    try {
      place = claimSocketPlace(path);
      server = await SocketServer.listen(place, thread);
      return new OwnedStore(thread, server, left.promise);
    } catch (error) {
      await thread.close();
      await left.promise;
      throw error;
    }
  }

  get ended(): boolean {
    return this.#thread.ended;
  }

  call(verb: StoreVerb, args: unknown): Promise<unknown> {
    return this.#thread.call(verb, args);
  }

  ring(topics: readonly RingTopic[]): void {
    this.#thread.ring(topics);
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    return this.#thread.onRing(listener);
  }

  async close(): Promise<void> {
    await this.#server.close();
    await this.#thread.close();
    await this.#left;
  }
}
