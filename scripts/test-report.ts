/** Prints the event stream of `node --test` over a file as one line, with what failed right below, and counts. */
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
  readonly counts: TestCounts;
  readonly failures: string[];
  readonly skipped: string[];
  said: string;
  /** Names of the suites and tests that enclose the one that is reported next, by nesting. */
  readonly path: string[];
}

const maxSaidCharacters = 20_000;

/** Reads the events of one test file to their end, prints it, and answers its counts. */
export async function report(events: TestsStream, options: { name: string }): Promise<TestCounts> {
  const startedMs = performance.now();
  const file: FileReport = {
    counts: { passed: 0, failed: 0, skipped: 0 },
    failures: [],
    skipped: [],
    said: "",
    path: [],
  };
  const { counts } = file;
  for await (const { type, data } of events) {
    if (type === "test:start") {
      file.path.length = data.nesting;
      file.path.push(data.name);
    } else if (type === "test:pass") {
      if (data.details.type === "suite") continue;
      if (data.skip !== undefined || data.todo !== undefined) skip(file, data);
      else counts.passed++;
    } else if (type === "test:fail") {
      fail(file, data);
    } else if (type === "test:stdout" || type === "test:stderr") {
      file.said = (file.said + data.message).slice(-maxSaidCharacters);
    }
  }
  print({ name: options.name, durationMs: performance.now() - startedMs, file });
  return counts;
}

/** A test that did not run is named: it must not be taken for one that passed. */
function skip(file: FileReport, { name, skip: why }: { name: string; skip?: string | boolean }): void {
  file.counts.skipped++;
  file.skipped.push(`${pc.yellow("-")} ${name}${typeof why === "string" ? `: ${why}` : ""}`);
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

function print({ name, durationMs, file }: { name: string; durationMs: number; file: FileReport }): void {
  const { passed, failed, skipped } = file.counts;
  const ok = failed === 0;
  const counts = [`${passed} passed`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`];
  const seconds = pc.dim(`${(durationMs / 1000).toFixed(1)} s`);
  console.log(`${ok ? pc.green("✓") : pc.red("✗")} ${name}  ${counts.filter(Boolean).join(", ")} ${seconds}`);
  if (file.said !== "") console.log(pc.dim(file.said.trimEnd().replaceAll(/^/gm, "    ")));
  for (const skipped of file.skipped) console.log(skipped.replaceAll(/^/gm, "    "));
  for (const failure of file.failures) console.log(failure.replaceAll(/^/gm, "    "));
}
