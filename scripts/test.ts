/**
 * `npm test` runs every check and every test; `npm run test:fast` what answers within two minutes. Paths as arguments
 * narrow the tests to files whose path contains one of them. The last line is always `N passed, N failed`.
 */
import { randomUUID } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { parseArgs } from "node:util";
import pc from "picocolors";
import { startPostgres } from "../test/postgres.ts";
import { runChecks } from "./check.ts";
import { findOrphans, runVariable } from "./orphans.ts";
import { report } from "./test-report.ts";

const root = join(import.meta.dirname, "..");
const testTimeoutMs = 15 * 60_000;
/** A test that hangs with a timer open outlives its own timeout; this ends it. */
const runTimeoutMs = 45 * 60_000;

const { values, positionals } = parseArgs({
  options: { fast: { type: "boolean", default: false } },
  allowPositionals: true,
});
const total = { passed: 0, failed: 0, skipped: 0 };
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort(new Error(signal)));
setTimeout(() => interrupted.abort(new Error(`${runTimeoutMs / 60_000} minutes have passed`)), runTimeoutMs).unref();

const wanted = (file: string) => positionals.length === 0 || positionals.some((part) => file.includes(part));
/** Test files that start a database say so by importing this. */
const needsPostgres = (file: string) => readFileSync(join(root, file), "utf8").includes("test/postgres.ts");

const unitPatterns = [
  "{protocol,sdk,server}/src/**/*.test.ts",
  "{scripts,examples,bench}/**/*.test.ts",
  "test/house/*.test.ts",
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
const processFiles = globSync("test/**/*.test.ts", { cwd: root })
  .filter((file) => !unitFiles.includes(file) && !file.startsWith("test/house/"))
  .filter((file) => !values.fast && wanted(file))
  .sort();

const runId = randomUUID();

async function runTests(options: { title: string; files: string[]; concurrency: number; postgresUrl: string }) {
  if (options.files.length === 0 || interrupted.signal.aborted) return;
  console.log(pc.bold(`\n${options.title}`));
  // A developer's own settings must not steer the tests, except which seeds they try.
  const own = Object.entries(process.env).filter(([name]) => !/^HOLDFAST_(?!SEED)/.test(name));
  const env = {
    ...Object.fromEntries(own),
    [runVariable]: runId,
    HOLDFAST_TEST_POSTGRES_URL: options.postgresUrl,
    // Stripping the types of a hundred files costs each test process a third of a second otherwise.
    NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "holdfast-tests"),
  };
  const events = run({
    files: options.files.map((file) => join(root, file)),
    concurrency: options.concurrency,
    timeout: testTimeoutMs,
    execArgv: ["--conditions=@holdfast/source"],
    cwd: root,
    env,
    signal: interrupted.signal,
  });
  const counts = await report(events, { root });
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
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
  const needed = [...unitFiles, ...processFiles].some(needsPostgres);
  process.env[runVariable] = runId;
  const postgres = needed && !interrupted.signal.aborted ? await startPostgres() : undefined;
  const postgresUrl = postgres?.url ?? "";
  try {
    await runTests({ title: "Tests", files: unitFiles, concurrency: availableParallelism(), postgresUrl });
    // These start nodes, kill them and watch leases: one at a time, so that they do not starve each other.
    await runTests({ title: "Tests of several processes", files: processFiles, concurrency: 1, postgresUrl });
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
