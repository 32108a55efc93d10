import { readdirSync, statSync } from "node:fs";
import { basename, extname, join, resolve } from "node:path";
import {
  type Query,
  type QueryEngine,
  QueryFailure,
  type QueryResult,
  type ResultField,
  type TableFacts,
} from "../bigquery/engine.ts";
import { installPackages, loadPackage } from "../install.ts";
import { type Translated, translate } from "./dialect.ts";
import { failureOf } from "./failures.ts";
import { UnreadableSql } from "./tokens.ts";
import { type ColumnType, cellOf, fieldOf, Parameters } from "./values.ts";

// BigQuery's queries carried out by DuckDB, over the CSV, Parquet and JSON files of a folder.

interface Reader {
  columnNames(): string[];
  columnTypes(): ColumnType[];
  getRows(): unknown[][];
}
interface Connection {
  run(sql: string): Promise<unknown>;
  runAndReadAll(sql: string, values?: Record<string, string | null>): Promise<Reader>;
  interrupt(): void;
  closeSync(): void;
}
interface Database {
  connect(): Promise<Connection>;
  closeSync(): void;
}
interface DuckDB {
  readonly DuckDBInstance: { create(path: string): Promise<Database> };
}

export interface DuckDBEngineOptions {
  /** Its folders are datasets, their files tables; files of its own are tables of the dataset that is named as the folder is. */
  readonly folder: string;
  /** Keeps the tables that jobs make; in memory when it is left out. */
  readonly file?: string;
  /** The longest result without a table for it. */
  readonly maxRows?: number;
}

const readers: Readonly<Record<string, string>> = {
  ".csv": "read_csv",
  ".parquet": "read_parquet",
  ".json": "read_json",
  ".ndjson": "read_json",
  ".jsonl": "read_json",
};

const statements: ReadonlySet<string> = new Set(
  "SELECT INSERT UPDATE DELETE MERGE CREATE_TABLE CREATE_TABLE_AS_SELECT CREATE_SCHEMA CREATE_VIEW DROP_TABLE DROP_SCHEMA DROP_VIEW TRUNCATE_TABLE ALTER_TABLE".split(
    " ",
  ),
);

const interruptMs = 20;

/** Where it is kept which statements have been carried out; no dataset. */
const ledger = '"clouds ledger"';

export async function openDuckDB(options: DuckDBEngineOptions): Promise<QueryEngine> {
  installPackages("duckdb");
  const { DuckDBInstance } = await loadPackage<DuckDB>("duckdb", "@duckdb/node-api");
  const folder = resolve(options.folder);
  const database = await DuckDBInstance.create(options.file ?? ":memory:");
  const connection = await database.connect();
  await connection.run("SET GLOBAL TimeZone = 'UTC'");
  await connection.run(`CREATE SCHEMA IF NOT EXISTS ${ledger}`);
  await connection.run(`CREATE TABLE IF NOT EXISTS ${ledger}.done (job VARCHAR PRIMARY KEY, result VARCHAR)`);
  const files = new Files(folder, connection);
  await files.discover();
  // Queries reach the files of the folder and nothing else of the machine.
  await connection.run(`SET allowed_directories = [${text(`${folder}/`)}]`);
  await connection.run("SET enable_external_access = false");
  return new DuckDBEngine({ database, connection, files, maxRows: options.maxRows ?? 100_000 });
}

/** The files that are tables. One that comes later is a table from the next query on. */
class Files {
  readonly #folder: string;
  readonly #connection: Connection;
  readonly #known = new Set<string>();
  #looking: Promise<void> = Promise.resolve();

  constructor(folder: string, connection: Connection) {
    this.#folder = folder;
    this.#connection = connection;
  }

  discover(): Promise<void> {
    const looking = this.#looking.then(() => this.#look());
    this.#looking = looking.catch(() => undefined);
    return looking;
  }

  async #look(): Promise<void> {
    for (const { dataset, table, path } of filesOf(this.#folder)) {
      if (this.#known.has(path)) continue;
      await this.#connection.run(`CREATE SCHEMA IF NOT EXISTS ${name(dataset)}`);
      await this.#connection.run(
        `CREATE OR REPLACE VIEW ${name(dataset)}.${name(table)} AS SELECT * FROM ${readers[extname(path)]}(${text(path)})`,
      );
      this.#known.add(path);
    }
  }
}

function filesOf(folder: string): { dataset: string; table: string; path: string }[] {
  const at = (path: string, dataset: string) =>
    readdirSync(path)
      .filter((file) => readers[extname(file)] !== undefined)
      .map((file) => ({ dataset, table: basename(file, extname(file)), path: join(path, file) }));
  const folders = readdirSync(folder).filter(
    (entry) => !entry.startsWith(".") && statSync(join(folder, entry)).isDirectory(),
  );
  return [...at(folder, basename(folder)), ...folders.flatMap((dataset) => at(join(folder, dataset), dataset))];
}

const name = (part: string) => `"${part.replaceAll('"', '""')}"`;
const text = (value: string) => `'${value.replaceAll("'", "''")}'`;

class DuckDBEngine implements QueryEngine {
  readonly #database: Database;
  readonly #connection: Connection;
  readonly #files: Files;
  readonly #maxRows: number;
  /** Statements that change something follow each other, as their transactions would otherwise collide. */
  #changes: Promise<unknown> = Promise.resolve();
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(options: { database: Database; connection: Connection; files: Files; maxRows: number }) {
    this.#database = options.database;
    this.#connection = options.connection;
    this.#files = options.files;
    this.#maxRows = options.maxRows;
  }

  async run(query: Query, gone: AbortSignal): Promise<QueryResult> {
    try {
      await this.#files.discover();
      const parameters = new Parameters(query.parameters);
      const translated = translate(query.sql, {
        project: query.project,
        parameter: (known) => parameters.textOf(known),
      });
      if (translated.isScript)
        throw new QueryFailure("invalidQuery", "One statement a job: scripts are not carried out here.", "query");
      if (!statements.has(translated.statementType)) {
        throw new QueryFailure(
          "invalidQuery",
          `Syntax error: Unexpected "${translated.statementType}": no statement that is carried out here at [1:1]`,
          "query",
        );
      }
      const isRead = translated.statementType === "SELECT" && query.destination === undefined;
      const act = () =>
        this.#on(query, gone, (connection) => this.#carryOut(connection, { query, translated, parameters, isRead }));
      if (isRead) return await act();
      const change = this.#changes.then(act);
      this.#changes = change.catch(() => undefined);
      return await change;
    } catch (error) {
      if (error instanceof UnreadableSql) throw new QueryFailure("invalidQuery", error.message, "query");
      throw failureOf(error, query);
    }
  }

  async tables(): Promise<TableFacts[]> {
    await this.#files.discover();
    const listed = await this.#connection.runAndReadAll(
      `SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ('main', ${text(ledger.replaceAll('"', ""))}) ORDER BY ALL`,
    );
    const tables: TableFacts[] = [];
    for (const [dataset, table] of listed.getRows().map((row) => row.map(String))) {
      if (dataset === undefined || table === undefined) continue;
      const described = await this.#connection.runAndReadAll(`SELECT * FROM ${name(dataset)}.${name(table)} LIMIT 0`);
      const counted = await this.#connection.runAndReadAll(`SELECT count(*) FROM ${name(dataset)}.${name(table)}`);
      tables.push({ dataset, table, fields: fieldsOf(described), rowCount: Number(counted.getRows()[0]?.[0]) });
    }
    return tables;
  }

  async rows(dataset: string, table: string): Promise<QueryResult | undefined> {
    const isThere = (await this.tables()).some((known) => known.dataset === dataset && known.table === table);
    if (!isThere) return undefined;
    return this.#read(
      await this.#connection.runAndReadAll(`SELECT * FROM ${name(dataset)}.${name(table)} LIMIT ${this.#maxRows}`),
      "SELECT",
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#running, this.#changes]);
    this.#connection.closeSync();
    this.#database.closeSync();
  }

  /** On a connection of its own, so that a cancel interrupts this query and no other. */
  async #on<T>(query: Query, gone: AbortSignal, act: (connection: Connection) => Promise<T>): Promise<T> {
    const over = AbortSignal.any([gone, this.#closing.signal]);
    const connection = await this.#database.connect();
    let interrupting: NodeJS.Timeout | undefined;
    // An interrupt that comes before the statement has begun is lost: it is repeated until the statement has ended.
    const interrupt = () => {
      interrupting = setInterval(() => connection.interrupt(), interruptMs);
    };
    over.addEventListener("abort", interrupt, { once: true });
    const acting = (async () => {
      if (query.defaultDataset !== undefined) await connection.run(`SET schema = ${text(query.defaultDataset)}`);
      if (over.aborted) throw new QueryFailure("stopped", "Job execution was cancelled: User requested cancellation");
      return act(connection);
    })();
    this.#running.add(acting);
    try {
      return await acting;
    } finally {
      this.#running.delete(acting);
      clearInterval(interrupting);
      over.removeEventListener("abort", interrupt);
      connection.closeSync();
    }
  }

  /** A change and the record that its job has made it are one transaction: a fake that is killed in between makes it once. */
  async #carryOut(
    connection: Connection,
    {
      query,
      translated,
      parameters,
      isRead,
    }: { query: Query; translated: Translated; parameters: Parameters; isRead: boolean },
  ): Promise<QueryResult> {
    if (isRead) return this.#read(await connection.runAndReadAll(translated.sql, parameters.values), "SELECT");
    await connection.run("BEGIN");
    try {
      const known = await connection.runAndReadAll(`SELECT result FROM ${ledger}.done WHERE job = $job`, {
        job: query.job,
      });
      const kept = known.getRows()[0]?.[0];
      if (typeof kept === "string") {
        await connection.run("ROLLBACK");
        return JSON.parse(kept) as QueryResult;
      }
      const result = await this.#change(connection, { query, translated, parameters });
      await connection.runAndReadAll(`INSERT INTO ${ledger}.done VALUES ($job, $result)`, {
        job: query.job,
        result: JSON.stringify(result),
      });
      await connection.run("COMMIT");
      return result;
    } catch (error) {
      await connection.run("ROLLBACK").catch(() => undefined);
      throw error;
    }
  }

  async #change(
    connection: Connection,
    { query, translated, parameters }: { query: Query; translated: Translated; parameters: Parameters },
  ): Promise<QueryResult> {
    const { statementType, sql } = translated;
    const { destination } = query;
    if (statementType === "SELECT" && destination !== undefined) {
      const target = `${name(destination.dataset)}.${name(destination.table)}`;
      const begin = await this.#beginning(connection, destination, target, query.project);
      await connection.runAndReadAll(`${begin} ${sql}`, parameters.values);
      return this.#read(await connection.runAndReadAll(`SELECT * FROM ${target} LIMIT ${this.#maxRows}`), "SELECT");
    }
    const reader = await connection.runAndReadAll(sql, parameters.values);
    const isDml = ["INSERT", "UPDATE", "DELETE", "MERGE"].includes(statementType);
    const count = Number(reader.getRows()[0]?.[0] ?? 0);
    return { fields: [], rows: [], statementType, ...(isDml && { affectedRows: count }) };
  }

  /** How the rows come into their table, by the job's writeDisposition. */
  async #beginning(
    connection: Connection,
    { write, dataset, table }: NonNullable<Query["destination"]>,
    target: string,
    project: string,
  ): Promise<string> {
    if (write === "WRITE_TRUNCATE") return `CREATE OR REPLACE TABLE ${target} AS`;
    const known = await connection.runAndReadAll(
      "SELECT count(*) FROM information_schema.tables WHERE table_schema = $dataset AND table_name = $table",
      { dataset, table },
    );
    if (Number(known.getRows()[0]?.[0]) === 0) return `CREATE TABLE ${target} AS`;
    if (write === "WRITE_APPEND") return `INSERT INTO ${target}`;
    const rows = await connection.runAndReadAll(`SELECT count(*) FROM ${target}`);
    if (Number(rows.getRows()[0]?.[0]) === 0) return `INSERT INTO ${target}`;
    throw new QueryFailure("duplicate", `Already Exists: Table ${project}:${dataset}.${table}`);
  }

  #read(reader: Reader, statementType: string): QueryResult {
    const fields = fieldsOf(reader);
    const values = reader.getRows();
    if (values.length > this.#maxRows) {
      throw new QueryFailure(
        "responseTooLarge",
        `Response too large to return: ${values.length} rows. Give the job a destination table.`,
      );
    }
    const rows = values.map((row) => row.map((value, at) => cellOf(value, fields[at] ?? { name: "", type: "STRING" })));
    return { fields, rows, statementType };
  }
}

/** Columns without a name are called f0_, f1_, … by their place among those. */
function fieldsOf(reader: Reader): ResultField[] {
  let unnamed = 0;
  const types = reader.columnTypes();
  return reader.columnNames().map((column, at) => {
    const type = types[at];
    const own = /^[\p{L}_][\p{L}\p{N}_ -]*$/u.test(column) ? column : `f${unnamed++}_`;
    return type === undefined ? { name: own, type: "STRING" } : fieldOf(own, type);
  });
}
