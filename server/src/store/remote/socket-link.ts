import { connect, type Socket } from "node:net";
import { AppError, encodeFrame, FrameDecoder } from "@holdfast/protocol";
import type { RingTopic, StoreVerb } from "../store.ts";
import { Bell } from "./bell.ts";
import { PendingCalls } from "./pending.ts";
import type { StoreLink } from "./remote-store.ts";
import { SilenceWatch } from "./silence-watch.ts";
import { errorOf, type ServerFrame, serverFrameSchema, storeFrameBytes, storeWireVersion } from "./wire.ts";

/** An owner greets at once: its thread for this does nothing else. */
const welcomeMs = 10_000;

export interface SocketLinkOptions {
  readonly onExit: () => void;
  /** What is said when somebody is there and does not answer. */
  readonly silence: () => AppError;
  /** Told when that has lasted for some seconds while an answer is waited for. */
  readonly onSilence?: (silence: AppError) => void;
  /** How long an owner may take to greet; default 10 s. */
  readonly patienceMs?: number;
  /** Between looks at whether the owner says anything; default one second. */
  readonly lookMs?: number;
}

/** One connection to a store's owner. It ends with the connection: reopening.ts makes the next one. */
export class SocketLink implements StoreLink {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder(storeFrameBytes);
  readonly #calls: PendingCalls;
  readonly #bell = new Bell();
  readonly #onWelcome: () => void;
  readonly #watch: SilenceWatch;
  #isGreeted = false;
  readonly #closed: Promise<void>;
  #refusal: AppError | undefined;

  /** Resolves when the owner has answered; rejects when nobody does, or with the owner's refusal. */
  static open(path: string, options: SocketLinkOptions): Promise<SocketLink> {
    const { onExit, silence, patienceMs = welcomeMs } = options;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        // A process that is stopped takes connections and never says a word.
        link.#refusal = silence();
        link.#socket.destroy();
      }, patienceMs);
      const link = new SocketLink(path, options, {
        onWelcome: () => {
          clearTimeout(timer);
          resolve(link);
        },
        onExit: (error) => {
          clearTimeout(timer);
          reject(error);
          onExit();
        },
      });
    });
  }

  private constructor(
    path: string,
    { silence, onSilence, lookMs }: SocketLinkOptions,
    told: { onWelcome: () => void; onExit: (error: AppError) => void },
  ) {
    this.#onWelcome = told.onWelcome;
    this.#watch = new SilenceWatch({
      isWaiting: () => !this.#isGreeted || this.#calls.isWaiting,
      ping: () => this.#greet(),
      tell: () => onSilence?.(silence()),
      end: () => {
        // Its calls may have been heard: they are sent again, which is safe.
        this.#refusal = silence();
        this.#socket.destroy();
      },
      ...(lookMs === undefined ? {} : { lookMs }),
    });
    this.#socket = connect(path);
    this.#calls = new PendingCalls((requests) => {
      this.#socket.write(Buffer.concat(requests.map((request) => encodeFrame(request, storeFrameBytes))));
    });
    this.#greet();
    this.#watch.begin();
    this.#socket.on("data", (chunk) => this.#hear(chunk));
    let cause: unknown;
    this.#socket.on("error", (error) => {
      cause = error;
    });
    this.#closed = new Promise((resolve) => {
      this.#socket.on("close", () => {
        const text = "The process that owns the store does not answer.";
        const error = this.#refusal ?? new AppError("store_unavailable", text, { cause });
        this.#watch.stop();
        this.#calls.abandon(error);
        this.#bell.silence();
        told.onExit(error);
        resolve();
      });
    });
  }

  get ended(): boolean {
    return this.#socket.destroyed;
  }

  call(verb: StoreVerb, args: unknown): Promise<unknown> {
    if (this.#socket.destroyed) return Promise.reject(new AppError("store_unavailable", "The connection has ended."));
    this.#watch.begin();
    return this.#calls.call(verb, args, false);
  }

  ring(topics: readonly RingTopic[]): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeFrame({ ring: topics }));
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    return this.#bell.listen(listener);
  }

  async close(): Promise<void> {
    await this.#calls.answered();
    this.#socket.destroySoon();
    await this.#closed;
  }

  /** Each one is answered by the owner's. */
  #greet(): void {
    if (!this.#socket.destroyed)
      this.#socket.write(encodeFrame({ hello: { version: storeWireVersion, pid: process.pid } }));
  }

  #hear(chunk: Buffer): void {
    this.#watch.heard();
    try {
      for (const frame of this.#decoder.push(chunk)) this.#take(serverFrameSchema.parse(frame));
    } catch (cause) {
      this.#refusal = new AppError("store_unavailable", "The process that owns the store sent a malformed message.", {
        cause,
      });
      this.#socket.destroy();
    }
  }

  #take(frame: ServerFrame): void {
    if ("hello" in frame) {
      this.#isGreeted = true;
      this.#onWelcome();
    } else if ("ring" in frame) this.#bell.tell(frame.ring);
    else if ("refused" in frame) {
      this.#refusal = errorOf(frame.refused);
      this.#socket.destroy();
    } else this.#calls.answer(frame);
  }
}
