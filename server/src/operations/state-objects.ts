import { hash } from "node:crypto";
import { AppError, isAppError, type Json, limits, type StateOp, type StateScope } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import {
  type OffloadedValue,
  type StateObject,
  type StateResult,
  type StateTransaction,
  stateBytes,
} from "../core/index.ts";
import { type Logger, silentLog } from "../log.ts";
import type { Random } from "../random.ts";
import type { BackendDefect, StateBackend } from "../state-backends/state-backend.ts";
import { admitState } from "../store/state-admission.ts";
import type { StateFilter, StatePage, StateQuery, StateReading, StateValue } from "../store/state-verbs.ts";
import type { Store } from "../store/store.ts";

// Large values of state lie with a state backend, and their rows name them (docs/decisions/0034).
//
// O1  Announce, put, commit: no row names an object whose bytes are not there already.
// O2  Condemn, delete, forget: no bytes are deleted that a row names, or may name later; what is condemned is never named again.
// O3  What a node that died, was frozen or came late leaves behind is loose, condemned or unknown, and is swept by anybody.

export interface StateBackendOptions {
  readonly backend: StateBackend;
  /** Larger values lie with the backend. */
  readonly inlineBytes: number;
  /** How long an object stays that no value names. Nothing is safer for it; who reads slowly reads once. */
  readonly graceMs: number;
  /** Whether a backend may be used that loses what it has acknowledged. */
  readonly acceptLoss?: boolean;
}

/** An answer of a backend takes no longer: else it is an outage. */
const callMs = 30_000;
/** What one answer carries of objects. */
const answerBytes = limits.pageBytes;
/** Others change a value between reading and writing it only so often. */
const tries = 50;
/** A value that is swept while it is read was replaced, and the next reading finds another one. */
const rereads = 3;
const warnedValues = 1_000;

/** Where and what a value is. */
interface Place {
  readonly namespace: string;
  readonly scope: StateScope;
  readonly key: string;
}

export interface SweptObjects {
  readonly swept: number;
  readonly bytes: number;
  readonly more: boolean;
}

export class StateObjects {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: StateBackendOptions | undefined;
  #log: Logger = silentLog;
  #incarnation: string | undefined;
  readonly #warned = new Set<string>();

  constructor(parts: { store: Store; clock: Clock; random: Random; options: StateBackendOptions | undefined }) {
    const { store, clock, random, options } = parts;
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
    this.#options = options;
  }

  /** Who is told of values that do not lie where they should. */
  useLog(log: Logger): void {
    this.#log = log;
  }

  /** The backend, if there is one. */
  get backend(): StateBackend | undefined {
    return this.#options?.backend;
  }

  /**
   * Looks at how the backend is set up. Throws `invalid_request` when it would lose what it has acknowledged. One that is away is looked
   * at by nobody: work waits for it as it does for the store.
   */
  async admitBackend(): Promise<void> {
    const { backend, acceptLoss = false } = this.#options ?? {};
    if (backend === undefined) return;
    try {
      for (const { message, hint, certain } of await this.findDefects()) {
        if (certain && !acceptLoss) {
          const more = "Or say state: { acceptLoss: true } in holdfast.config.ts.";
          throw new AppError("invalid_request", `The state backend ${backend.place}: ${message}`, {
            hint: `${hint} ${more}`,
          });
        }
        this.#log.warn({ backend: backend.place }, `${message} ${hint}`);
      }
    } catch (error) {
      if (!isAppError(error, "store_unavailable")) throw error;
      this.#log.warn({ backend: backend.place }, error.message);
    }
  }

  /** What is wrong with how the backend is set up. Throws `store_unavailable` when it is away. */
  async findDefects(): Promise<readonly BackendDefect[]> {
    if (this.#options?.backend.check === undefined) return [];
    return this.#bounded(async (backend) => (await backend.check?.()) ?? []);
  }

  /** Puts something there, reads it and takes it back. Throws what that meets. */
  async tryBackend(): Promise<void> {
    const name = `${await this.#folder()}/try.${Buffer.from(this.#random.bytes(8)).toString("hex")}`;
    await this.#bounded((backend) => backend.put(name, Buffer.from("holdfast")));
    const found = await this.#bounded((backend) => backend.get(name));
    await this.#bounded((backend) => backend.delete([name]));
    if (found === undefined || Buffer.from(found).toString() !== "holdfast") {
      throw new AppError(
        "object_missing",
        `The state backend ${this.backend?.place} does not answer what was put there.`,
      );
    }
  }

  /**
   * Carries a transaction out by `send`, with its large values put in place first. Throws `store_unavailable` and `store_full` of the
   * backend, and `object_missing`.
   */
  async transact(
    row: StateTransaction,
    send: (row: StateTransaction) => Promise<StateResult | undefined>,
  ): Promise<PlainResult | undefined> {
    const options = this.#options;
    if (options === undefined) return this.#plain(await send(row), row);
    admitState([row]);
    const objects = new Map<number, OffloadedValue>();
    const contents = new Map<string, Json>();
    const missed = new Set<string>();
    const refused = await this.#putLarge(row, options.inlineBytes, objects);
    if (refused !== undefined) return refused;
    for (let go = 0; go < tries; go++) {
      const result = await send(withObjects(row, { objects, contents, inlineBytes: options.inlineBytes }));
      switch (result?.outcome) {
        case "object_gone": {
          const gone = objects.get(result.index);
          objects.delete(result.index);
          const op = row.ops[result.index];
          if (op?.op === "set") objects.set(result.index, await this.#put(row, result.index, op.value));
          else if (gone === undefined) throw new Error("an object is gone that nobody has brought");
          break;
        }
        case "object_needed": {
          const { name, index } = result;
          const content = await this.#content(placeOf(row, index), name);
          // Another transaction may have set something else meanwhile, and the object be swept: the next try says so.
          if (content !== undefined) contents.set(name, content);
          else if (missed.has(name)) throw missing(placeOf(row, index), options.backend);
          else missed.add(name);
          break;
        }
        case "outgrown":
          objects.set(result.index, { ...(await this.#put(row, result.index, result.value)), on: result.on });
          break;
        default:
          return this.#plain(result, row);
      }
    }
    throw new AppError("store_unavailable", `A value changed ${tries} times while it was being written.`);
  }

  /** Values by their keys, each whole. Throws `limit_exceeded` when they are more than one answer carries. */
  async read(query: StateQuery): Promise<StateReading | undefined> {
    for (let go = 0; ; go++) {
      const [reading] = await this.#store.readState({ rows: [query] });
      if (reading?.outcome !== "read") return reading;
      if (reading.values.reduce((sum, { object }) => sum + (object?.bytes ?? 0), 0) > answerBytes) throw tooMuch();
      const found = await this.#whole(query, reading.values, go >= rereads);
      if (found !== undefined) return { outcome: "read", values: found };
    }
  }

  /** A page whose values are whole: one that comes after too many bytes waits for the next page. */
  async list(filter: StateFilter): Promise<StatePage> {
    for (let go = 0; ; go++) {
      const page = await this.#store.listState(filter);
      if (page.outcome !== "read") return page;
      const shown = withinAnswer(page.values);
      const values = await this.#whole(filter, shown, go >= rereads);
      if (values !== undefined) return { ...page, values, more: page.more || shown.length < page.values.length };
    }
  }

  /** Deletes objects that no value names any more, or says which these are. */
  async sweep({ limitRows, dryRun = false }: { limitRows: number; dryRun?: boolean }): Promise<SweptObjects> {
    if (this.#options === undefined) return { swept: 0, bytes: 0, more: false };
    const { backend, graceMs } = this.#options;
    const { objects, more } = await this.#store.condemnObjects({ graceMs, limitRows, dryRun });
    const bytes = objects.reduce((sum, object) => sum + object.bytes, 0);
    if (!dryRun && objects.length > 0) {
      const own = `${await this.#folder()}/`;
      const names = objects.map(({ name }) => name);
      // What was there before this store was copied, or put back from a backup, may be named by the other one.
      await this.#bounded(() => backend.delete(names.filter((name) => name.startsWith(own))));
      await this.#store.forgetObjects({ names });
    }
    return { swept: objects.length, bytes, more };
  }

  /** Deletes a page of what lies with the backend and was never announced, or was forgotten before it came. Answers where to go on. */
  async sweepUnknown(cursor: string | undefined): Promise<{ swept: number; cursor: string | undefined }> {
    if (this.#options === undefined) return { swept: 0, cursor: undefined };
    const { backend } = this.#options;
    const folder = await this.#folder();
    const page = await this.#bounded(() => backend.list(folder, cursor));
    const names = page.names.filter((name) => name.startsWith(`${folder}/`));
    // They were listed first: whatever is announced since is not among them.
    const known = new Set(names.length === 0 ? [] : await this.#store.knownObjects({ names }));
    const unknown = names.filter((name) => !known.has(name));
    if (unknown.length > 0) await this.#bounded(() => backend.delete(unknown));
    return { swept: unknown.length, cursor: page.cursor };
  }

  async #putLarge(
    row: StateTransaction,
    inlineBytes: number,
    objects: Map<number, OffloadedValue>,
  ): Promise<PlainResult | undefined> {
    for (const [index, op] of row.ops.entries()) {
      if (op.op !== "set") continue;
      const bytes = stateBytes(op.value);
      if (bytes <= inlineBytes) continue;
      if (bytes > limits.stateObjectBytes) return { outcome: "limit_exceeded", limit: "stateObjectBytes", index };
      objects.set(index, await this.#put(row, index, op.value));
    }
    return undefined;
  }

  /** Announces an object and puts it in place. */
  async #put(row: StateTransaction, index: number, value: Json): Promise<OffloadedValue> {
    const text = JSON.stringify(value);
    const ref = refOf(placeOf(row, index), text);
    const bytes = Buffer.from(text);
    const life = Buffer.from(this.#random.bytes(8)).toString("hex");
    const name = `${await this.#folder()}/${ref}.${life}`;
    const [announced] = await this.#store.announceObjects({ rows: [{ ref, name, bytes: bytes.length }] });
    if (announced === undefined) throw new Error("the store did not answer an announcement");
    if (!announced.stands) await this.#bounded((backend) => backend.put(announced.name, bytes));
    return { index, name: announced.name, bytes: bytes.length };
  }

  /** The values with what lies with the backend; undefined when something was swept meanwhile, so that they have to be read again. */
  async #whole(
    at: Omit<Place, "key">,
    values: readonly StateValue[],
    isLast: boolean,
  ): Promise<readonly StateValue[] | undefined> {
    if (this.#options !== undefined) for (const value of values) this.#warnOfLarge(at, value);
    const found: StateValue[] = [];
    for (const value of values) {
      const { object, ...rest } = value;
      if (object === undefined) {
        found.push(value);
        continue;
      }
      const place = { ...at, key: value.key };
      const content = await this.#content(place, object.name);
      if (content === undefined) {
        if (isLast) throw missing(place, this.backend);
        return undefined;
      }
      found.push({ ...rest, value: content });
    }
    return found;
  }

  /** What lies under a name; undefined where nothing does. */
  async #content(place: Place, name: string): Promise<Json | undefined> {
    if (this.#options === undefined) throw missing(place, undefined);
    const bytes = await this.#bounded((backend) => backend.get(name));
    if (bytes === undefined) return undefined;
    const text = Buffer.from(bytes).toString();
    if (!name.includes(`/${refOf(place, text)}.`)) throw missing(place, this.backend, "is damaged");
    return JSON.parse(text) as Json;
  }

  async #bounded<T>(act: (backend: StateBackend) => Promise<T>): Promise<T> {
    const backend = this.#options?.backend;
    if (backend === undefined) throw new Error("there is no state backend");
    const done = new AbortController();
    const silence = this.#clock.sleep(callMs, done.signal).then((): never => {
      throw new Error(`it has not answered for ${callMs / 1_000} s`);
    });
    silence.catch(() => undefined);
    try {
      return await Promise.race([act(backend), silence]);
    } catch (error) {
      if (isAppError(error)) throw error;
      const text = error instanceof Error ? error.message : String(error);
      throw new AppError("store_unavailable", `The state backend ${backend.place} failed: ${text}`, {
        hint: "It goes on as soon as the backend answers again.",
        cause: error,
      });
    } finally {
      done.abort();
    }
  }

  async #folder(): Promise<string> {
    this.#incarnation ??= (await this.#store.describe()).incarnation;
    return this.#incarnation;
  }

  #plain(result: StateResult | undefined, row: StateTransaction): PlainResult | undefined {
    if (result === undefined || !("outcome" in result)) return undefined;
    if (result.outcome === "object_needed") throw missing(placeOf(row, result.index), undefined);
    if (result.outcome === "object_gone" || result.outcome === "outgrown") {
      throw new Error(`the store answered ${result.outcome} to who brought no objects`);
    }
    return result;
  }

  /** What was written before there was a backend is as good as ever; it goes there when it is written next. */
  #warnOfLarge({ scope }: Omit<Place, "key">, { key, value, object }: StateValue): void {
    const { inlineBytes = 0 } = this.#options ?? {};
    if (object !== undefined || inlineBytes >= limits.stateValueBytes || stateBytes(value) <= inlineBytes) return;
    const name = JSON.stringify([scope, key]);
    if (this.#warned.has(name) || this.#warned.size >= warnedValues) return;
    this.#warned.add(name);
    this.#log.warn(
      { scope: `${scope.kind} ${scope.id}`, key },
      "a value of state is larger than state.inlineBytes and lies in the store: it was written without the state backend",
    );
  }
}

/** What a caller hears: nothing of objects. */
export type PlainResult = Exclude<StateResult, { outcome: "object_gone" | "object_needed" | "outgrown" }>;

/** The same for the same value under the same key of the same scope. */
function refOf({ namespace, scope, key }: Place, text: string): string {
  const digest = hash("sha256", text, "hex");
  return hash("sha256", JSON.stringify([namespace, scope.kind, scope.id, key, digest]), "hex").slice(0, 40);
}

function placeOf({ namespace, ops }: StateTransaction, index: number): Place {
  const op = ops[index];
  if (op === undefined || op.op === "clear" || op.op === "emit")
    throw new Error(`op ${index} of a transaction has no value`);
  return { namespace, scope: op.scope, key: op.key };
}

interface Brought {
  readonly objects: ReadonlyMap<number, OffloadedValue>;
  readonly contents: ReadonlyMap<string, Json>;
  readonly inlineBytes: number;
}

function withObjects(row: StateTransaction, { objects, contents, inlineBytes }: Brought): StateTransaction {
  const ops = row.ops.map(
    (op, index): StateOp => (op.op === "set" && objects.has(index) ? { ...op, value: null } : op),
  );
  const held = [...contents].map(([name, value]) => ({ name, value }));
  return { ...row, ops, offloaded: { inlineBytes, objects: [...objects.values()], contents: held } };
}

/** As many of the first values as an answer carries, at least one. */
function withinAnswer(values: readonly StateValue[]): readonly StateValue[] {
  let bytes = 0;
  const count = values.findIndex(({ object }: { readonly object?: StateObject }, index) => {
    bytes += object?.bytes ?? 0;
    return index > 0 && bytes > answerBytes;
  });
  return count === -1 ? values : values.slice(0, count);
}

function missing({ scope, key }: Place, backend: StateBackend | undefined, how = "is not there"): AppError {
  const value = `"${key}" of ${scope.kind} ${scope.id}`;
  if (backend === undefined) {
    return new AppError("object_missing", `${value} lies with a state backend, and none is configured here.`, {
      hint: "Set state.backend in holdfast.config.ts to where it was written; holdfast doctor shows what is set.",
      details: { key },
    });
  }
  return new AppError("object_missing", `What ${value} lies under in the state backend ${backend.place} ${how}.`, {
    hint: "Look whether it is the backend that it was written to, and whether that lost something; a new set mends the key.",
    details: { key },
  });
}

function tooMuch(): AppError {
  return new AppError("limit_exceeded", `The values have more than ${answerBytes} bytes together.`, {
    hint: "Read fewer keys at a time.",
    details: { limit: "pageBytes", allowed: answerBytes },
  });
}
