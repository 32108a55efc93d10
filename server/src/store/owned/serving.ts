import type { MessagePort } from "node:worker_threads";
import { AppError } from "@holdfast/protocol";
import { failureOf, type StoreFailure, type StoreRequest } from "../remote/wire.ts";
import type { RingTopic } from "../store.ts";
import type { Committed, Keeper, KeeperOptions } from "./keeper.ts";
import { StandingFiles } from "./standing.ts";

// What a store's thread does: calls of the disk block, and nobody else is to wait for its syncs. Messages are JSON text,
// which is quicker to pass between threads than cloned rows. What arrives while a commit is under way is gathered and shares
// the next one.

/** What the thread is given at its start. */
export interface ThreadData {
  readonly keeper: KeeperOptions;
  readonly now: number;
}

/** To the thread. `now`: the moment on the owner's clock; absent: the machine's. `monotonicMs` belongs to it. */
export type ToThread =
  | { readonly requests: readonly StoreRequest[]; readonly now?: number; readonly monotonicMs?: number | undefined }
  | { readonly close: true };

/** From the thread: first `opened` or `failed`, then answers. A `notice` is for the log. */
export type FromThread =
  | { readonly opened: true }
  | { readonly failed: StoreFailure }
  | { readonly notice: string }
  | { readonly answers: readonly unknown[]; readonly rings: readonly RingTopic[] };

/** Opens the store and answers on `port` until told to close. */
export async function serve(port: MessagePort, { keeper: options, now }: ThreadData): Promise<void> {
  const tell = (message: FromThread) => port.postMessage(JSON.stringify(message));
  let keeper: Keeper;
  try {
    keeper = await openKeeper(options, now, (notice) => tell({ notice }));
  } catch (error) {
    tell({ failed: failureOf(error) });
    port.close();
    return;
  }
  tell({ opened: true });
  new Serving(keeper, { port, tell, standing: new StandingFiles(nameOf(options)) }).start();
}

function nameOf(options: KeeperOptions): string {
  return options.kind === "file" ? options.folder : options.path;
}

async function openKeeper(options: KeeperOptions, now: number, notice: (text: string) => void): Promise<Keeper> {
  if (options.kind === "sqlite") {
    const { Database } = await import("../sqlite/database.ts");
    return new Database(options, now);
  }
  const { openFileKeeper } = await import("../file/file-keeper.ts");
  return openFileKeeper(options, now, notice);
}

/**
 * Tells what calls came to: together, or, where that is more than one text can hold, one by one. An answer that is too large by
 * itself is refused, and takes no other with it.
 */
export function tellInParts({ answers, rings }: Committed, tell: (message: FromThread) => void): void {
  try {
    tell({ answers, rings });
    return;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  for (const answer of answers) {
    try {
      tell({ answers: [answer], rings: [] });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const tooLarge = new AppError("too_large", "The answer is larger than what can be passed on at once.", {
        hint: "Ask for fewer rows at a time.",
      });
      tell({ answers: [{ id: answer.id, error: failureOf(tooLarge) }], rings: [] });
    }
  }
  tell({ answers: [], rings });
}

class Serving {
  readonly #keeper: Keeper;
  readonly #port: MessagePort;
  readonly #tell: (message: FromThread) => void;
  readonly #standing: StandingFiles;
  #gathered: StoreRequest[] = [];
  #latest = 0;
  #monotonicMs: number | undefined;
  #scheduled = false;
  #isClosing = false;

  constructor(
    keeper: Keeper,
    { port, tell, standing }: { port: MessagePort; tell: (message: FromThread) => void; standing: StandingFiles },
  ) {
    this.#keeper = keeper;
    this.#port = port;
    this.#tell = tell;
    this.#standing = standing;
  }

  start(): void {
    this.#port.on("message", (text: string) => {
      const message = JSON.parse(text) as ToThread;
      if ("close" in message) this.#isClosing = true;
      else {
        this.#gathered.push(...message.requests);
        this.#latest = message.now ?? Date.now();
        this.#monotonicMs = message.now === undefined ? performance.now() : message.monotonicMs;
      }
      this.#schedule();
    });
    this.#standing.settle(this.#keeper.files());
    this.#schedule();
  }

  /** One turn at a time; what arrives in between is gathered. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => void this.#turn());
  }

  async #carryOut(requests: readonly StoreRequest[]): Promise<Committed> {
    const before = this.#defect();
    if (before !== undefined) return refused(requests, before);
    const carriedOut = await this.#keeper.carryOut(requests, this.#latest, this.#monotonicMs);
    const defect = this.#standing.settle(this.#keeper.files());
    return defect === undefined ? carriedOut : refused(requests, defect);
  }

  async #turn(): Promise<void> {
    const requests = this.#gathered;
    this.#gathered = [];
    if (requests.length > 0) {
      tellInParts(await this.#carryOut(requests), this.#tell);
    }
    const isIdle = this.#gathered.length === 0;
    if (this.#isClosing && isIdle) {
      this.#keeper.close({ isGone: this.#defect() !== undefined });
      this.#port.close();
      return;
    }
    const hasMore = !this.#isClosing && this.#tidy();
    this.#scheduled = false;
    if (hasMore || !isIdle) this.#schedule();
  }

  #defect(): AppError | undefined {
    return this.#standing.defect((file) => this.#keeper.mayBeCut?.(file) === true);
  }

  #tidy(): boolean {
    if (this.#keeper.tidy === undefined || this.#defect() !== undefined) return false;
    const hasMore = this.#keeper.tidy();
    this.#standing.settle(this.#keeper.files());
    return hasMore;
  }
}

function refused(requests: readonly StoreRequest[], defect: AppError): Committed {
  const error = failureOf(defect);
  return { answers: requests.map(({ id }) => ({ id, error })), rings: [] };
}
