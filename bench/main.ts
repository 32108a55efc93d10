/**
 * `npm run bench`: Holdfast beside graphile-worker and pg-boss on this machine; see README.md beside this file.
 * `--short`: a first look in about a minute. `--long`: also beside ten million ended runs. `--only TEXT`: measures, systems
 * or stores whose name contains it (may be repeated: all of them). `--rounds N`. `--profile`: a CPU profile a process.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startPostgres } from "../test/postgres.ts";
import { hearInterruption } from "./leftovers.ts";
import { allMeasures, type Measure, type Row, shortSizes, usualSizes } from "./plan.ts";
import { markdown, thisMachine } from "./report.ts";
import { measureRounds } from "./rounds.ts";

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
    rounds: { type: "string" },
    profile: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds ?? (values.short ? 1 : 3));
const folder = join(import.meta.dirname, "results");

function isWanted(measure: Measure, row: Row): boolean {
  const words = [
    measure.id,
    row.system,
    row.store,
    row.inProcesses ? "process" : "inline",
    row.isTuned ? "tuned" : "default",
  ];
  return values.only.every((text) => words.some((word) => word === text || word.startsWith(text)));
}

const measures = allMeasures({ longHistory: values.long })
  .map((measure) => ({ ...measure, rows: measure.rows.filter((row) => isWanted(measure, row)) }))
  .filter((measure) => measure.rows.length > 0);

function installPeers(): void {
  if (!measures.some(({ rows }) => rows.some(({ system }) => system !== "holdfast"))) return;
  if (existsSync(join(import.meta.dirname, "node_modules", ".package-lock.json"))) return;
  console.error("Installing the peers (npm ci in bench/)…");
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--loglevel=error"], {
    cwd: import.meta.dirname,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("npm ci failed in bench/; `--only holdfast` measures without the peers");
}

hearInterruption();
installPeers();
mkdirSync(folder, { recursive: true });
const server = measures.some(({ rows }) => rows.some(({ store }) => store === "postgres"))
  ? await startPostgres()
  : null;
try {
  // Where test/postgres.ts makes its databases.
  if (server !== null) process.env.HOLDFAST_TEST_POSTGRES_URL = server.url;
  const sizes = values.short ? shortSizes : usualSizes;
  const execArgv = values.profile ? ["--cpu-prof", `--cpu-prof-dir=${join(folder, "profiles")}`] : [];
  const tell = (text: string) => console.error(text);
  const samples = await measureRounds({ measures, sizes, rounds, execArgv, tell });
  const machine = thisMachine();
  const report = markdown(samples, machine);
  const name = join(folder, new Date().toISOString().slice(0, 19).replaceAll(":", "-"));
  writeFileSync(`${name}.json`, `${JSON.stringify({ machine, sizes, rounds, samples }, null, 2)}\n`);
  writeFileSync(`${name}.md`, report);
  console.log(report);
  console.error(`${name}.json and .md`);
  if (samples.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
} finally {
  await server?.stop();
}
