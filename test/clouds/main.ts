/** The fakes as a process of their own: `node test/clouds/main.ts --port 4401`. README.md says what they can do. */
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { HeldClock } from "./clock.ts";
import { openClouds } from "./clouds.ts";
import { openDuckDB } from "./duckdb/duckdb.ts";
import { testToken } from "./tokens.ts";

const usage = `node test/clouds/main.ts [--port 4401] [--host 127.0.0.1] [--clock held] [--journal FILE]
                         [--duckdb FOLDER [--duckdb-file FILE] [--query-ms 0]]
                         [--tls-key FILE --tls-cert FILE] [--anonymous] [--with-parent] [--quiet]

--anonymous: calls without a token are admitted. --with-parent: ends when its standard input does.
--duckdb: BigQuery's queries are carried out over the CSV, Parquet and JSON files of FOLDER; FOLDER/sales/orders.csv is the
table sales.orders. What jobs write is kept in --duckdb-file, beside the journal when there is one, else in memory.`;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: "4401" },
        host: { type: "string", default: "127.0.0.1" },
        clock: { type: "string", default: "wall" },
        journal: { type: "string" },
        duckdb: { type: "string" },
        "duckdb-file": { type: "string" },
        "query-ms": { type: "string", default: "0" },
        "tls-key": { type: "string" },
        "tls-cert": { type: "string" },
        anonymous: { type: "boolean", default: false },
        "with-parent": { type: "boolean", default: false },
        quiet: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`--port: '${values.port}' is no port.`);
    if (values.clock !== "wall" && values.clock !== "held")
      throw new Error(`--clock: wall or held, not '${values.clock}'.`);
    if ((values["tls-key"] === undefined) !== (values["tls-cert"] === undefined)) {
      throw new Error("--tls-key and --tls-cert go together.");
    }
    const queryMs = Number(values["query-ms"]);
    if (!(queryMs >= 0)) throw new Error(`--query-ms: '${values["query-ms"]}' is no number of milliseconds.`);
    if (values.duckdb !== undefined && !existsSync(values.duckdb))
      throw new Error(`--duckdb: there is no folder ${values.duckdb}.`);
    return { ...values, port, queryMs };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}

const options = readOptions();
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const { port, host, journal, clock, "tls-key": key, "tls-cert": cert } = options;
const file = options["duckdb-file"] ?? (journal === undefined ? undefined : `${journal}.duckdb`);
const engine =
  options.duckdb === undefined
    ? undefined
    : await openDuckDB({ folder: options.duckdb, ...(file !== undefined && { file }) });
const clouds = await openClouds({
  port,
  host,
  queryMs: options.queryMs,
  ...(engine && { engine }),
  ...(clock === "held" && { clock: new HeldClock(Date.now()) }),
  ...(journal !== undefined && { journal }),
  ...(key !== undefined &&
    cert !== undefined && { tls: { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") } }),
}).catch((error: NodeJS.ErrnoException) => {
  if (error.code !== "EADDRINUSE") throw error;
  console.error(`Port ${port} is taken. Name another with --port, or 0 for any that is free.`);
  process.exit(1);
});
clouds.server.world.tokens.areOptional = options.anonymous;
console.log(clouds.url);
if (!options.quiet) {
  console.log(
    `  BigQuery, Cloud Run, Dataproc, Kubernetes, HTTP jobs and Google's tokens at this address; the token ${testToken} is always good.`,
  );
  if (engine) {
    const tables = (await engine.tables()).map(
      ({ dataset, table, rowCount }) => `${dataset}.${table} (${rowCount} rows)`,
    );
    console.log(`  BigQuery carries queries out over ${tables.join(", ") || "no tables yet"}.`);
  }
  console.log("  What was called and what is to happen: /__clouds (test/clouds/README.md). Ctrl+C ends it.");
}
if (options["with-parent"]) process.stdin.once("end", () => process.exit(0)).resume();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    void clouds.close().then(() => process.exit(0));
  });
}
