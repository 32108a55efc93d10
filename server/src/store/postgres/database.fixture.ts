import postgres from "postgres";
import { createDatabase, dropDatabase } from "../../../../test/postgres.ts";
import { until } from "../contract/world.contract.ts";
import type { Store } from "../store.ts";
import type { PostgresStoreOptions } from "./options.ts";
import { openPostgresStore } from "./postgres-store.ts";
import { migratePostgres } from "./schema.ts";

/** A migrated database for the tests of a file, and the stores that are open on it. */
export class TestDatabase {
  readonly url: string;
  /** For looking past the store. */
  readonly sql: postgres.Sql;
  readonly #stores = new Set<Store>();
  #aheadMs = 0;
  #isHeld = false;

  private constructor(url: string) {
    this.url = url;
    this.sql = postgres(url, {
      max: 4,
      onnotice: () => {},
      types: { int8: { to: 20, from: [20], serialize: String, parse: Number } },
    });
  }

  static async create(): Promise<TestDatabase> {
    const url = await createDatabase();
    await migratePostgres(url);
    const database = new TestDatabase(url);
    // The server is not killed under these tests, so that they need not wait for its disk.
    await database.sql.unsafe(`alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = off`);
    return database;
  }

  async open(options: Omit<PostgresStoreOptions, "url"> = {}): Promise<Store> {
    const store = await openPostgresStore({ url: throughPooler(this.url), maxSessions: 4, ...options });
    this.#stores.add(store);
    return store;
  }

  /** Empties the tables, which is much faster than a new database. */
  async empty(): Promise<void> {
    const tables = [
      "runs",
      "edges",
      "names",
      "values",
      "state_scopes",
      "assets",
      "asset_declarations",
      "asset_events",
      "asset_cursors",
      "consumers",
      "state_objects",
      "waits",
      "signals",
      "outbox",
      "topics",
      "events",
      "logs",
      "members",
      "limits",
      "slots",
      "schedules",
      "definitions",
      "manifests",
      "intents",
      "pauses",
      "obligations",
      "external_jobs",
    ];
    await this.sql.unsafe(`${tables.map((table) => `delete from holdfast.${table}`).join("; ")};
      update holdfast.meta set topic_floor = 0, log_floor = 0`);
    if (this.#aheadMs === 0) return;
    this.#aheadMs = 0;
    await this.#setClock();
  }

  /** Moves the clock that the stores' statements ask; `empty` sets it right again. */
  async advance(ms: number): Promise<void> {
    this.#aheadMs += ms;
    await this.#setClock();
  }

  /** Resolves once some backend waits for a lock. */
  async lockIsWaitedFor(): Promise<void> {
    await until(async () => {
      const rows = await this.sql`select 1 from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      return rows.length > 0;
    });
  }

  async #setClock(): Promise<void> {
    await this.#defineClock(`floor(extract(epoch from clock_timestamp()) * 1000)::bigint + ${this.#aheadMs}`);
  }

  /** Lets the clock that the stores' statements ask stand at `moment` from now on. */
  async holdClock(moment: number): Promise<void> {
    // In a table, since every statement is planned anew when a function has been replaced.
    if (!this.#isHeld) {
      await this.sql`create table public.held_clock as select 0::bigint as moment`;
      await this.#defineClock("select moment from public.held_clock");
      this.#isHeld = true;
    }
    await this.sql`update public.held_clock set moment = ${moment}`;
  }

  async #defineClock(expression: string): Promise<void> {
    await this.sql.unsafe(`create or replace function holdfast.clock_ms() returns bigint language sql volatile parallel safe
      as $$ select (${expression}) $$`);
  }

  async closeStores(): Promise<void> {
    await Promise.all([...this.#stores].map((store) => store.close()));
    this.#stores.clear();
  }

  async drop(): Promise<void> {
    await this.closeStores();
    await this.sql.end({ timeout: 5 });
    await dropDatabase(this.url);
  }
}

/** The same database through the pooler that a test of poolers has started, else as it is. */
function throughPooler(url: string): string {
  const pooler = process.env.HOLDFAST_TEST_POOLER;
  if (pooler === undefined || pooler === "") return url;
  const address = new URL(pooler);
  address.pathname = new URL(url).pathname;
  return address.href;
}
