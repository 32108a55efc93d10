/** Prints the event stream of `node --test` as one line a file, with what failed right below, and counts. */
import { relative } from "node:path";
import type { TestsStream } from "node:test";
import { inspect } from "node:util";
import pc from "picocolors";

/** How many tests ended how; suites are not counted, a file that could not be loaded counts as one failure. */
export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
}

interface FileReport {
  counts: TestCounts;
  failures: string[];
  said: string;
  /** Names of the suites and tests that enclose the one that is reported next, by nesting. */
  path: string[];
}

const maxSaidCharacters = 20_000;

export async function report(events: TestsStream, options: { root: string }): Promise<TestCounts> {
  const total: TestCounts = { passed: 0, failed: 0, skipped: 0 };
  const files = new Map<string, FileReport>();
  const reportOf = (file: string | undefined): FileReport => {
    const key = file ?? "";
    const known = files.get(key) ?? { counts: { passed: 0, failed: 0, skipped: 0 }, failures: [], said: "", path: [] };
    files.set(key, known);
    return known;
  };
  const finish = (file: string, durationMs: number) => {
    const done = reportOf(file);
    files.delete(file);
    print({ name: relative(options.root, file), durationMs, done });
    total.passed += done.counts.passed;
    total.failed += done.counts.failed;
    total.skipped += done.counts.skipped;
  };
  for await (const { type, data } of events) {
    if (type === "test:start") {
      const { path } = reportOf(data.file);
      path.length = data.nesting;
      path.push(data.name);
    } else if (type === "test:pass") {
      const { counts } = reportOf(data.file);
      if (data.details.type === "suite") continue;
      if (data.skip !== undefined || data.todo !== undefined) counts.skipped++;
      else counts.passed++;
    } else if (type === "test:fail") {
      fail(reportOf(data.file), data);
    } else if (type === "test:stdout" || type === "test:stderr") {
      const file = reportOf(data.file);
      file.said = (file.said + data.message).slice(-maxSaidCharacters);
    } else if (type === "test:summary" && data.file !== undefined) {
      finish(data.file, data.duration_ms);
    }
  }
  // A file whose process died before its summary.
  for (const [file, { counts, failures }] of files) {
    if (counts.passed + failures.length > 0) finish(file, 0);
  }
  return total;
}

type Failure = Extract<TestsStream extends AsyncIterable<infer E> ? E : never, { type: "test:fail" }>["data"];

function fail(file: FileReport, data: Failure): void {
  const { error, type } = data.details;
  // A suite or test whose only fault is a failed test inside it: that one is reported.
  if ("failureType" in error && error.failureType === "subtestsFailed") return;
  if (type === "suite" && file.failures.length > 0) return;
  file.counts.failed++;
  const place = data.line === undefined ? "" : pc.dim(` (line ${data.line})`);
  const path = [...file.path.slice(0, data.nesting), data.name].join(" › ");
  const cause = error.cause instanceof Error ? error.cause : error;
  file.failures.push(`${pc.red("✗")} ${path}${place}\n${inspect(cause, { colors: pc.isColorSupported, depth: 8 })}`);
}

function print({ name, durationMs, done }: { name: string; durationMs: number; done: FileReport }): void {
  const { passed, failed, skipped } = done.counts;
  const ok = failed === 0;
  const counts = [`${passed} passed`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`];
  const seconds = pc.dim(`${(durationMs / 1000).toFixed(1)} s`);
  console.log(`${ok ? pc.green("✓") : pc.red("✗")} ${name}  ${counts.filter(Boolean).join(", ")} ${seconds}`);
  if (done.said !== "") console.log(pc.dim(done.said.trimEnd().replaceAll(/^/gm, "    ")));
  for (const failure of done.failures) console.log(failure.replaceAll(/^/gm, "    "));
}
