/**
 * `npm test` runs every check and every test; `npm run test:fast` what answers within two minutes. Paths as arguments
 * narrow the tests to files whose path contains one of them. The last line is always `N passed, N failed`.
 */
import { randomUUID } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { run } from "node:test";
import { parseArgs } from "node:util";
import pc from "picocolors";
import { startPostgres } from "../test/postgres.ts";
import { runChecks } from "./check.ts";
import { findOrphans, runVariable } from "./orphans.ts";
import { findPythonTests, requirePython, runPythonTests } from "./test-python.ts";
import { report } from "./test-report.ts";

const root = join(import.meta.dirname, "..");
/** A file is killed after this, also when its tests are done and something of theirs keeps it alive. */
const fileLimitMs = { fast: 60_000, unit: 10 * 60_000, processes: 10 * 60_000 };
const runLimitMs = 45 * 60_000;

const { values, positionals } = parseArgs({
  options: { fast: { type: "boolean", default: false } },
  allowPositionals: true,
});
const total = { passed: 0, failed: 0, skipped: 0 };
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort(new Error(signal)));
setTimeout(() => interrupted.abort(new Error(`${runLimitMs / 60_000} minutes have passed`)), runLimitMs).unref();

const wanted = (file: string) => positionals.length === 0 || positionals.some((part) => file.includes(part));
const reached = new Map<string, boolean>();

/** Whether a file comes to test/postgres.ts by its relative imports: such a test file wants a database. */
function needsPostgres(file: string): boolean {
  if (file === join("test", "postgres.ts")) return true;
  const known = reached.get(file);
  if (known !== undefined) return known;
  reached.set(file, false);
  const path = join(root, file);
  const imports = existsSync(path) ? readFileSync(path, "utf8").matchAll(/(?:from|import\() ?"(\.[^"]+\.ts)"/g) : [];
  const needs = [...imports].some(([, target = ""]) => needsPostgres(join(dirname(file), target)));
  reached.set(file, needs);
  return needs;
}

const unitPatterns = [
  "{protocol,sdk,server}/src/**/*.test.ts",
  "{scripts,examples,bench}/**/*.test.ts",
  "test/house/*.test.ts",
];
/** These take minutes: begun last, they would leave the other lane with nothing to do. */
const longest = [
  "test/simulation/simulation.test.ts",
  "test/kill/campaigns.test.ts",
  "test/postgres-majors/majors.test.ts",
];
const longestFirst = (files: readonly string[]) => [
  ...longest.filter((file) => files.includes(file)),
  ...files.filter((file) => !longest.includes(file)),
];
/** In one process each, so they share the cores; the rest of test/ starts processes and kills them. */
const simulationPattern = "test/simulation/**/*.test.ts";

const unitFiles = globSync(values.fast ? unitPatterns : [...unitPatterns, simulationPattern], {
  cwd: root,
  exclude: (path) => path.includes("node_modules") || path.includes(".holdfast"),
})
  .filter(wanted)
  .filter((file) => !values.fast || !needsPostgres(file))
  .sort();
const processFiles = globSync("test/**/*.test.ts", { cwd: root, exclude: (path) => path.includes("node_modules") })
  .filter((file) => !unitFiles.includes(file) && !file.startsWith("test/house/"))
  .filter((file) => !values.fast && wanted(file))
  .sort();

const pythonTests = findPythonTests(root).filter(wanted);
/** Files that run Python children say so in their name, but for the kill campaigns. */
const needsPython =
  pythonTests.length > 0 || [...unitFiles, ...processFiles].some((file) => /python|kill\/campaigns/.test(file));

const runId = randomUUID();

interface Stage {
  readonly title: string;
  readonly files: readonly string[];
  readonly concurrency: number;
  readonly limitMs: number;
  readonly postgresUrl: string;
}

async function runTests({ title, files, concurrency, limitMs, postgresUrl }: Stage): Promise<void> {
  if (files.length === 0 || interrupted.signal.aborted) return;
  console.log(pc.bold(`\n${title}`));
  // A developer's own settings must not steer the tests, except how much they try and with which seeds.
  const own = Object.entries(process.env).filter(
    ([name]) => !/^HOLDFAST_(?!(SEED|SEEDS|HISTORIES|STRIKES|HOLD_MS|MAJORS)$)/.test(name),
  );
  const env = {
    ...Object.fromEntries(own),
    [runVariable]: runId,
    HOLDFAST_TEST_POSTGRES_URL: postgresUrl,
    // Stripping the types of a hundred files costs each test process a third of a second otherwise.
    NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "holdfast-tests"),
  };
  const waiting = [...files];
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      if (interrupted.signal.aborted) return;
      const events = run({
        files: [join(root, file)],
        execArgv: ["--conditions=@holdfast/source"],
        cwd: root,
        env,
        signal: AbortSignal.any([interrupted.signal, AbortSignal.timeout(limitMs)]),
      });
      const counts = await report(events, { name: file });
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}

async function runEverything(): Promise<void> {
  if (positionals.length === 0) {
    console.log(pc.bold("Checks"));
    const checks = await runChecks({
      leaveOut: (step) => step.isTest === true || (values.fast && step.slow === true),
      signal: interrupted.signal,
    });
    total.passed += checks.passed;
    total.failed += checks.failed;
  }
  const needed = [...unitFiles, ...processFiles].some((file) => needsPostgres(file));
  process.env[runVariable] = runId;
  if (needsPython && !interrupted.signal.aborted) requirePython();
  const postgres = needed && !interrupted.signal.aborted ? await startPostgres() : undefined;
  const postgresUrl = postgres?.url ?? "";
  try {
    await runTests({
      title: "Tests",
      files: longestFirst(unitFiles),
      concurrency: availableParallelism(),
      limitMs: values.fast ? fileLimitMs.fast : fileLimitMs.unit,
      postgresUrl,
    });
    if (pythonTests.length > 0 && !interrupted.signal.aborted) {
      const counts = await runPythonTests({ root, files: pythonTests, signal: interrupted.signal });
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
    await runTests({
      title: "Tests of several processes",
      files: longestFirst(processFiles),
      // They start nodes, kill them and wait for leases: much of that is waiting, and more than two would starve each other.
      concurrency: 2,
      limitMs: fileLimitMs.processes,
      postgresUrl,
    });
  } finally {
    await postgres?.stop();
  }
  const orphans = await findOrphans({ run: runId, root, graceMs: 10_000 });
  for (const { pid, command } of orphans) console.log(`${pc.red("✗")} left running: ${pid} ${command}`);
  if (orphans.length > 0) total.failed++;
  else total.passed++;
}

try {
  await runEverything();
} catch (error) {
  console.error(error);
  total.failed++;
}
if (interrupted.signal.aborted) {
  console.log(pc.red(`\nInterrupted: ${interrupted.signal.reason.message}.`));
  total.failed++;
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed === 0 ? 0 : 1;
