import { chmodSync } from "node:fs";
import { type Committed, type Keeper, type KeeperOptions, readingVerbs } from "../owned/keeper.ts";
import { failureOf, type StoreAnswer, type StoreRequest } from "../remote/wire.ts";
import { SteadyTime } from "../steady-time.ts";
import type { RingTopic, StoreDescription } from "../store.ts";
import { Connection } from "./connection.ts";
import { nextBoot, settleIncarnation } from "./incarnation.ts";
import { prepareSchema } from "./schema.ts";
import { runVerb } from "./verbs.ts";

// The one writer of a store's file. Synchronous; lives in a thread of its own.
//
// P3  Each call is a savepoint in a transaction that carries all calls which were waiting: one fsync for everybody, and a
//     call that fails takes back only itself. When the commit itself fails, each call is tried alone, so that one that
//     does not fit on the disk is not the others' loss.
// P9  The clock row is written with every change; no transaction, of this boot or a later one, runs on an earlier moment.

type DatabaseOptions = Omit<Extract<KeeperOptions, { kind: "sqlite" }>, "kind">;

export class Database implements Keeper {
  readonly #db: Connection;
  readonly #path: string;
  readonly #description: StoreDescription;
  readonly #boot: number;
  readonly #bootAt: number;
  #lastNow: number;
  readonly #time: SteadyTime;

  constructor({ path, migrate, maxPages }: DatabaseOptions, now: number) {
    this.#db = new Connection(path);
    this.#path = path;
    try {
      chmodSync(path, 0o600);
      this.#db.script(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864`);
      const schemaVersion = prepareSchema(this.#db, { path, migrate, now });
      this.#db.script("BEGIN IMMEDIATE");
      const incarnation = settleIncarnation(this.#db, path);
      this.#boot = nextBoot(this.#db);
      this.#db.run("INSERT INTO clock (one, now) VALUES (1, ?) ON CONFLICT (one) DO NOTHING", now);
      this.#lastNow = this.#db.find<{ now: number }>("SELECT now FROM clock")?.now ?? now;
      this.#bootAt = Math.max(this.#lastNow, now);
      this.#time = new SteadyTime(this.#lastNow);
      this.#db.script("COMMIT");
      if (maxPages !== undefined) this.#db.script(`PRAGMA max_page_count = ${maxPages}`);
      this.#description = { kind: "sqlite", incarnation, schemaVersion, now, timedLeases: false };
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Carries out calls in order, commits them together and answers them. `monotonicMs`: of the process that asks. */
  carryOut(requests: readonly StoreRequest[], clockNow: number, monotonicMs?: number): Committed {
    this.#lastNow = this.#time.tell(clockNow, monotonicMs);
    // A call alone needs no savepoint, which would copy every page that it changes.
    const together = requests.length === 1 ? undefined : this.#tryTogether(requests);
    if (together !== undefined) return together;
    const answers: StoreAnswer[] = [];
    const rings = new Set<RingTopic>();
    for (const request of requests) {
      const alone = this.#alone(request);
      answers.push(...alone.answers);
      for (const topic of alone.rings) rings.add(topic);
    }
    return { answers, rings: [...rings] };
  }

  files(): readonly string[] {
    return [this.#path, `${this.#path}-wal`, `${this.#path}.lock`];
  }

  /**
   * Another process may checkpoint the log and cut it off, as backup tools do: then everything is in the database. Asked to do the
   * same, SQLite fails where frames that it knows of are gone.
   */
  mayBeCut(file: string): boolean {
    if (!file.endsWith("-wal")) return false;
    try {
      const done = this.#db.find<{ busy: number; log: number; checkpointed: number }>("PRAGMA wal_checkpoint(PASSIVE)");
      return done?.busy === 0 && done.log === done.checkpointed;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#db.close();
  }

  /** Undefined when the transaction could not be completed: then nothing of it has happened. */
  #tryTogether(requests: readonly StoreRequest[]): Committed | undefined {
    const rings = new Set<RingTopic>();
    const answers: StoreAnswer[] = [];
    try {
      this.#begin();
      for (const request of requests) {
        answers.push(this.#carryOutOne(request, rings));
        if (!this.#db.inTransaction) return undefined;
      }
      this.#commit();
    } catch {
      this.#rollBack();
      return undefined;
    }
    return { answers, rings: [...rings] };
  }

  #alone(request: StoreRequest): Committed {
    const rings = new Set<RingTopic>();
    try {
      this.#begin();
      const result = this.#run(request, rings);
      this.#commit();
      return { answers: [{ id: request.id, result }], rings: [...rings] };
    } catch (error) {
      this.#rollBack();
      return { answers: [{ id: request.id, error: failureOf(error) }], rings: [] };
    }
  }

  #carryOutOne(request: StoreRequest, rings: Set<RingTopic>): StoreAnswer {
    if (readingVerbs.has(request.verb)) return this.#answer(request, rings);
    const own = new Set<RingTopic>();
    this.#db.mark("SAVEPOINT call");
    const answer = this.#answer(request, own);
    // A full disk can make SQLite roll back everything at once: then the savepoint is gone with it.
    if (!this.#db.inTransaction) return answer;
    if (answer.error === undefined) for (const topic of own) rings.add(topic);
    else this.#db.mark("ROLLBACK TO call");
    this.#db.mark("RELEASE call");
    return answer;
  }

  #answer(request: StoreRequest, rings: Set<RingTopic>): StoreAnswer {
    try {
      return { id: request.id, result: this.#run(request, rings) };
    } catch (error) {
      return { id: request.id, error: failureOf(error) };
    }
  }

  #run({ verb, args, remote = false }: StoreRequest, rings: Set<RingTopic>): unknown {
    const turn = {
      db: this.#db,
      now: this.#lastNow,
      boot: this.#boot,
      bootAt: this.#bootAt,
      remote,
      ring: (topic: RingTopic) => rings.add(topic),
    };
    return runVerb(turn, verb, args, this.#description);
  }

  #begin(): void {
    this.#db.changes = 0;
    this.#db.mark("BEGIN IMMEDIATE");
  }

  #commit(): void {
    if (this.#db.changes > 0) this.#db.run("UPDATE clock SET now = ?", this.#lastNow);
    this.#db.mark("COMMIT");
  }

  #rollBack(): void {
    if (this.#db.inTransaction) this.#db.mark("ROLLBACK");
  }
}
