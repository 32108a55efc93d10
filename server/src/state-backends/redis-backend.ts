import { AppError } from "@holdfast/protocol";
import { createClient, ErrorReply, RESP_TYPES } from "@redis/client";
import { type BackendDefect, checkObjectName, type StateBackend, type StateBackendPage } from "./state-backend.ts";

// Objects in Redis: one string a name. What Redis has acknowledged it has to keep, so that `check` looks at how it is set up: it may drop
// nothing for want of memory, and has to sync before it answers.

const keyPrefix = "holdfast:object:";
const connectMs = 5_000;
const longestPauseMs = 2_000;
const scanCount = 500;

function newClient(url: string) {
  return createClient({
    url,
    // What waits for a connection is told that there is none: whoever asks asks again.
    disableOfflineQueue: true,
    socket: {
      connectTimeout: connectMs,
      reconnectStrategy: (tries) => Math.min(longestPauseMs, 50 * 2 ** Math.min(tries, 10)),
    },
  }).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}

/** A backend that connects when it is first asked: `redis://HOST:6379/0`, `rediss://…` with TLS. */
export class RedisBackend implements StateBackend {
  readonly place: string;
  readonly #client: ReturnType<typeof newClient>;
  #connecting: Promise<unknown> | undefined;
  #waiting: Promise<void> | undefined;
  #isClosed = false;

  constructor(url: string) {
    this.place = shownRedis(url);
    this.#client = newClient(url);
    // It goes on trying by itself; who asks meanwhile is told.
    this.#client.on("error", () => undefined);
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#asked(async () => {
      await this.#client.set(keyOf(name), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    });
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return this.#asked(async () => (await this.#client.get(keyOf(name))) ?? undefined);
  }

  delete(names: readonly string[]): Promise<void> {
    return this.#asked(async () => {
      if (names.length > 0) await this.#client.unlink(names.map(keyOf));
    });
  }

  list(folder: string, cursor = "0"): Promise<StateBackendPage> {
    return this.#asked(async () => {
      const found = await this.#client.scan(cursor, { MATCH: `${keyPrefix}${folder}/*`, COUNT: scanCount });
      const names = found.keys.map((key) => String(key).slice(keyPrefix.length));
      const next = String(found.cursor);
      return next === "0" ? { names } : { names, cursor: next };
    });
  }

  check(): Promise<readonly BackendDefect[]> {
    return this.#asked(async () => {
      try {
        const settings = await this.#client.configGet(["appendonly", "appendfsync", "maxmemory-policy"]);
        return defectsOf(new Map(Object.entries(settings).map(([name, value]) => [String(name), String(value)])));
      } catch (error) {
        if (!(error instanceof ErrorReply)) throw error;
        const message =
          "Redis does not tell its settings, so that nobody sees whether it keeps what it has acknowledged.";
        return [{ message, hint: `Make sure of ${wanted}.`, certain: false }];
      }
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#client.isReady) await this.#client.close();
    else if (this.#client.isOpen) this.#client.destroy();
  }

  async #asked<T>(act: () => Promise<T>): Promise<T> {
    try {
      await this.#connected();
      return await act();
    } catch (error) {
      throw redisFailure(error, this.place);
    }
  }

  /** Connects at the first call; later ones wait for a connection that was lost, but not for long. */
  async #connected(): Promise<void> {
    if (this.#client.isReady) return;
    this.#waiting ??= this.#untilReady().finally(() => {
      this.#waiting = undefined;
    });
    await this.#waiting;
  }

  async #untilReady(): Promise<void> {
    if (this.#isClosed) throw new Error("it is closed");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (error: unknown) => reject(error ?? new Error("it is closed"));
    const timer = setTimeout(() => fail(new Error("it does not answer")), connectMs);
    this.#client.once("ready", resolve).once("error", fail).once("end", fail);
    this.#connecting ??= this.#client.connect();
    this.#connecting.catch(fail);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#client.off("ready", resolve).off("error", fail).off("end", fail);
    }
  }
}

function keyOf(name: string): string {
  checkObjectName(name);
  return keyPrefix + name;
}

const wanted = "appendonly yes, appendfsync always and maxmemory-policy noeviction";

function defectsOf(settings: ReadonlyMap<string, string>): BackendDefect[] {
  const defects: BackendDefect[] = [];
  const hint = `Set ${wanted} in redis.conf.`;
  if (settings.get("appendonly") !== "yes" || settings.get("appendfsync") !== "always") {
    const message = "Redis answers before it has synced, so that a crash of it loses values that the store names.";
    defects.push({ message, hint, certain: true });
  }
  const policy = settings.get("maxmemory-policy") ?? "";
  if (policy !== "noeviction") {
    const message = `Redis drops values when its memory is full (maxmemory-policy ${policy}).`;
    defects.push({ message, hint, certain: true });
  }
  return defects;
}

/** The address without user and password. */
export function shownRedis(url: string): string {
  const parsed = new URL(url);
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}

/** Redis begins what it refuses with a word that is its code. */
function redisFailure(error: unknown, place: string): AppError {
  const text = error instanceof Error ? error.message : String(error);
  const isFull = error instanceof ErrorReply && text.startsWith("OOM ");
  return new AppError(isFull ? "store_full" : "store_unavailable", `The state backend ${place} failed: ${text}`, {
    hint: isFull ? "Give Redis more memory." : "It goes on as soon as Redis answers again.",
    cause: error,
  });
}
