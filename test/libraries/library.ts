import { loadLibrary } from "./install.ts";

/** A library with a connection: what tests do with it, and what they do wrong. */
export interface Library {
  readonly name: string;
  open(url: string): Promise<OpenLibrary>;
}

export interface OpenLibrary {
  /** Runs `act` in a transaction, which is rolled back when it throws. `write` inserts an order in it. */
  transaction<T>(act: (transaction: object, write: (order: number) => Promise<unknown>) => Promise<T>): Promise<T>;
  /** What a caller may take for a transaction. */
  readonly root: object;
  close(): Promise<unknown>;
}

const insert = (order: number) => `insert into orders (id) values (${order})`;

interface PgClient {
  query(text: string): Promise<unknown>;
  release(): void;
}
interface PgPool {
  connect(): Promise<PgClient>;
  end(): Promise<void>;
}
interface Pg {
  readonly default: { readonly Pool: new (options: { connectionString: string; max: number }) => PgPool };
}

async function pgPool(url: string): Promise<PgPool> {
  const { default: pg } = await loadLibrary<Pg>("pg");
  return new pg.Pool({ connectionString: url, max: 2 });
}

const pg: Library = {
  name: "pg",
  open: async (url) => {
    const pool = await pgPool(url);
    return {
      root: pool,
      transaction: async (act) => {
        const client = await pool.connect();
        await client.query("BEGIN");
        try {
          const answer = await act(client, (order) => client.query(insert(order)));
          await client.query("COMMIT");
          return answer;
        } catch (error) {
          await client.query("ROLLBACK");
          throw error;
        } finally {
          client.release();
        }
      },
      close: () => pool.end(),
    };
  },
};

interface PostgresSql {
  unsafe(text: string): Promise<unknown>;
  begin<T>(act: (sql: PostgresSql) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

async function postgresSql(url: string): Promise<PostgresSql> {
  const { default: postgres } = await loadLibrary<{
    default: (url: string, options: { max: number }) => PostgresSql;
  }>("postgres");
  return postgres(url, { max: 2 });
}

const postgresJs: Library = {
  name: "postgres",
  open: async (url) => {
    const sql = await postgresSql(url);
    return {
      root: sql,
      transaction: (act) => sql.begin((begun) => act(begun, (order) => begun.unsafe(insert(order)))),
      close: () => sql.end(),
    };
  },
};

interface KyselyDb {
  transaction(): { execute<T>(act: (transaction: KyselyDb) => Promise<T>): Promise<T> };
  insertInto(table: string): { values(row: object): { execute(): Promise<unknown> } };
  destroy(): Promise<void>;
}
interface Kysely {
  readonly Kysely: new (options: { dialect: object }) => KyselyDb;
  readonly PostgresDialect: new (options: { pool: object }) => object;
}

const kysely: Library = {
  name: "Kysely",
  open: async (url) => {
    const { Kysely, PostgresDialect } = await loadLibrary<Kysely>("kysely");
    const db = new Kysely({ dialect: new PostgresDialect({ pool: await pgPool(url) }) });
    return {
      root: db,
      transaction: (act) =>
        db.transaction().execute((trx) => act(trx, (id) => trx.insertInto("orders").values({ id }).execute())),
      close: () => db.destroy(),
    };
  },
};

interface DrizzleDb {
  transaction<T>(act: (transaction: DrizzleDb) => Promise<T>): Promise<T>;
  execute(text: string): Promise<unknown>;
}

const drizzleOnPg: Library = {
  name: "Drizzle on pg",
  open: async (url) => {
    const { drizzle } = await loadLibrary<{ drizzle: (pool: object) => DrizzleDb }>("drizzle-orm/node-postgres");
    const pool = await pgPool(url);
    return drizzleOn(drizzle(pool), () => pool.end());
  },
};

const drizzleOnPostgres: Library = {
  name: "Drizzle on postgres",
  open: async (url) => {
    const { drizzle } = await loadLibrary<{ drizzle: (sql: object) => DrizzleDb }>("drizzle-orm/postgres-js");
    const sql = await postgresSql(url);
    return drizzleOn(drizzle(sql), () => sql.end());
  },
};

function drizzleOn(db: DrizzleDb, close: () => Promise<void>): OpenLibrary {
  return {
    root: db,
    transaction: (act) => db.transaction((tx) => act(tx, (order) => tx.execute(insert(order)))),
    close,
  };
}

interface PrismaDb {
  readonly order: { create(args: { data: { id: number } }): Promise<unknown> };
  $transaction<T>(act: (transaction: PrismaDb) => Promise<T>): Promise<T>;
  $disconnect(): Promise<void>;
}

const prisma: Library = {
  name: "Prisma",
  open: async (url) => {
    const { PrismaClient } = await loadLibrary<{ PrismaClient: new (options: { adapter: object }) => PrismaDb }>(
      "@prisma/client",
    );
    const { PrismaPg } = await loadLibrary<{ PrismaPg: new (options: { connectionString: string }) => object }>(
      "@prisma/adapter-pg",
    );
    const db = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
    return {
      root: db,
      transaction: (act) => db.$transaction((tx) => act(tx, (id) => tx.order.create({ data: { id } }))),
      close: () => db.$disconnect(),
    };
  },
};

interface KnexDb {
  transaction<T>(act: (transaction: KnexDb) => Promise<T>): Promise<T>;
  raw(text: string): Promise<unknown>;
  destroy(): Promise<void>;
}

const knex: Library = {
  name: "Knex",
  open: async (url) => {
    const { default: open } = await loadLibrary<{ default: (options: object) => KnexDb }>("knex");
    const db = open({ client: "pg", connection: url, pool: { min: 0, max: 2 } });
    return {
      root: db,
      transaction: (act) => db.transaction((trx) => act(trx, async (order) => await trx.raw(insert(order)))),
      close: () => db.destroy(),
    };
  },
};

/** Every library that `enqueueIn` knows, on each driver where that matters. */
export const libraries: readonly Library[] = [pg, postgresJs, kysely, drizzleOnPg, drizzleOnPostgres, prisma, knex];
