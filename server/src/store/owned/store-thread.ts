import { Worker } from "node:worker_threads";
import { AppError } from "@holdfast/protocol";
import { Bell } from "../remote/bell.ts";
import { PendingCalls } from "../remote/pending.ts";
import type { StoreLink } from "../remote/remote-store.ts";
import { errorOf, type StoreAnswer } from "../remote/wire.ts";
import type { StoreClock } from "../steady-time.ts";
import type { RingTopic, StoreVerb } from "../store.ts";
import type { KeeperOptions } from "./keeper.ts";
import type { FromThread, ThreadData, ToThread } from "./serving.ts";

const fromSource = import.meta.url.endsWith(".ts");
const entry = new URL(fromSource ? "./thread.ts" : "./thread.js", import.meta.url);

export interface StoreThreadOptions {
  readonly keeper: KeeperOptions;
  /** What the store is called in messages: its file or folder. */
  readonly name: string;
  /** Absent: the machine's clock. */
  readonly clock?: StoreClock | undefined;
  /** Told what belongs in the log. */
  readonly onNotice: (text: string) => void;
  /** Called once, when the thread is gone for whatever reason. */
  readonly onExit: () => void;
}

/** The owner's own way to its store, which lives in a thread. */
export class StoreThread implements StoreLink {
  readonly #worker: Worker;
  readonly #calls: PendingCalls;
  readonly #bell = new Bell();
  readonly #exited: Promise<void>;
  #gone = false;

  /** Resolves when the store is open. Rejects with what kept it from opening. */
  static open(options: StoreThreadOptions): Promise<StoreThread> {
    return new Promise((resolve, reject) => {
      const thread = new StoreThread(options, {
        opened: () => resolve(thread),
        failed: reject,
      });
    });
  }

  private constructor(
    { keeper, name, clock, onNotice, onExit }: StoreThreadOptions,
    told: { opened: () => void; failed: (error: unknown) => void },
  ) {
    const workerData: ThreadData = { keeper, now: clock?.now() ?? Date.now() };
    const condition = fromSource ? ["--conditions=@holdfast/source"] : [];
    // Warnings are the main thread's to give.
    this.#worker = new Worker(entry, { workerData, execArgv: [...condition, "--no-warnings"] });
    this.#calls = new PendingCalls((requests) => {
      this.#post(
        clock === undefined ? { requests } : { requests, now: clock.now(), monotonicMs: clock.monotonicMs?.() },
      );
    });
    this.#worker.on("message", (text: string) => {
      const message = JSON.parse(text) as FromThread;
      if ("opened" in message) told.opened();
      else if ("failed" in message) told.failed(errorOf(message.failed));
      else if ("notice" in message) onNotice(message.notice);
      else {
        for (const answer of message.answers) this.#calls.answer(answer as StoreAnswer);
        this.#bell.tell(message.rings);
      }
    });
    let cause: unknown;
    this.#worker.on("error", (error) => {
      cause = error;
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#gone = true;
        const error = new AppError("store_unavailable", `The store ${name} is closed.`, { cause });
        told.failed(error);
        this.#calls.abandon(error);
        this.#bell.silence();
        onExit();
        resolve();
      });
    });
  }

  get ended(): boolean {
    return this.#gone;
  }

  call(verb: StoreVerb, args: unknown, remote = false): Promise<unknown> {
    if (this.#gone) return Promise.reject(new AppError("store_unavailable", "The store is closed."));
    return this.#calls.call(verb, args, remote);
  }

  ring(topics: readonly RingTopic[]): void {
    this.#bell.tell(topics);
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    return this.#bell.listen(listener);
  }

  /** Lets calls under way end, then closes the store. */
  async close(): Promise<void> {
    await this.#calls.answered();
    if (!this.#gone) this.#post({ close: true });
    await this.#exited;
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(JSON.stringify(message));
  }
}
