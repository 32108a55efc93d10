/** Runs the tests of the Python SDK with the Python of this machine, and installs one where that can be done without asking. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import pc from "picocolors";
import type { TestCounts } from "./test-report.ts";

/** The test files, relative to `root`. */
export function findPythonTests(root: string): string[] {
  return globSync("python/tests/test_*.py", { cwd: root }).sort();
}

/**
 * Makes sure that there is a `python3` of 3.9 or later in PATH: installs it on Debian for root, elsewhere throws an error that
 * says what to install. Tests never skip for want of Python.
 */
export function requirePython(): void {
  if (isThere()) return;
  if (process.getuid?.() !== 0 || !isDebian()) {
    throw new Error(
      "The tests need python3, 3.9 or later, in PATH. " +
        "Debian and Ubuntu: apt-get install python3. macOS: brew install python. Elsewhere: https://www.python.org/downloads.",
    );
  }
  console.log("Installing Python (apt-get)…");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  execFileSync("apt-get", ["-q", "update"], { env, stdio: "inherit" });
  execFileSync("apt-get", ["-q", "install", "-y", "--no-install-recommends", "python3"], { env, stdio: "inherit" });
  if (!isThere()) throw new Error("apt-get installed no Python that the tests can use: 3.9 or later is needed.");
}

function isThere(): boolean {
  const check = "import sys; sys.exit(sys.version_info < (3, 9))";
  return spawnSync("python3", ["-c", check], { stdio: "ignore" }).status === 0;
}

function isDebian(): boolean {
  return (
    existsSync("/etc/os-release") && /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"))
  );
}

/** One run of unittest over the files; prints a line as test files have, with what it said when something failed. */
export async function runPythonTests(options: {
  readonly root: string;
  readonly files: readonly string[];
  readonly signal: AbortSignal;
}): Promise<TestCounts> {
  const { root, files, signal } = options;
  const startedMs = performance.now();
  const modules = files.map((file) => `tests.${basename(file, ".py")}`);
  const { code, said } = await runUnittest(join(root, "python"), modules, signal);
  const counts = countsOf(said, code);
  const seconds = pc.dim(`${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  const failed = counts.failed > 0 ? `, ${counts.failed} failed` : "";
  const mark = counts.failed === 0 ? pc.green("✓") : pc.red("✗");
  console.log(`${mark} python/tests  ${counts.passed} passed${failed}${skipped} ${seconds}`);
  if (counts.failed > 0) console.log(said.trimEnd().replaceAll(/^/gm, "    "));
  return counts;
}

function runUnittest(cwd: string, modules: readonly string[], signal: AbortSignal) {
  const { promise, resolve } = Promise.withResolvers<{ code: number | null; said: string }>();
  const child = spawn("python3", ["-B", "-W", "error", "-m", "unittest", ...modules], {
    cwd,
    env: { ...process.env, PYTHONPATH: "src" },
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  child.once("error", (error) => resolve({ code: null, said: `${said}\n${error.message}` }));
  child.once("close", (code) => resolve({ code, said }));
  return promise;
}

/** From the last lines: `Ran 12 tests in 0.1s`, `FAILED (failures=1, errors=2, skipped=3)`. */
function countsOf(said: string, code: number | null): TestCounts {
  const count = (name: string) => Number(new RegExp(`\\b${name}=(\\d+)`).exec(said.slice(-500))?.[1] ?? 0);
  const ran = Number(/^Ran (\d+) tests? in/m.exec(said)?.[1] ?? 0);
  const skipped = count("skipped");
  // A part of a test may fail by itself and more than once; a run without a verdict is a failure too.
  const failed = Math.min(count("failures") + count("errors"), ran) || (code === 0 && ran > 0 ? 0 : 1);
  return { passed: Math.max(0, ran - failed - skipped), failed, skipped };
}
