import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

// The tests of the PostgreSQL store, run by another process on another server, or through a pooler.

const root = join(import.meta.dirname, "../..");
const contract = ["postgres-store", "intents", "intent-functions"];
/** What of versions between differs where the oldest and the newest agree: functions in SQL, and plans. */
const between = ["intents", "intent-functions", "plans"];
/** It compares dumps of the version that the schema's own dump is of. */
const ofOneMajor = "schema";

/**
 * The contract and what is special to this store. `isBetween`: what is asked of the versions between the oldest and the newest. With
 * HOLDFAST_MAJORS=all everything that it is tested by, of all of them.
 */
export function storeTests({ isBetween = false } = {}): string[] {
  const all = globSync("server/src/store/postgres/*.test.ts", { cwd: root }).sort();
  const named = (file: string, names: readonly string[]) => names.some((name) => file.endsWith(`/${name}.test.ts`));
  if (isLong) return all.filter((file) => !named(file, [ofOneMajor]));
  return all.filter((file) => named(file, isBetween ? between : contract));
}

const isLong = process.env.HOLDFAST_MAJORS === "all";
/**
 * The contract is kept once; merged calls are no matter of a server. In the short form also how many rows a limit allows is left to
 * the version that has it all: filling a scope of ten thousand keys takes as long as a hundred other cases.
 */
const left = ["calls merged", ...(isLong ? [] : ["so many (keys|steps|signals) and no more"])];

/**
 * Runs test files with this in their environment. Answers how many cases passed; throws with what failed. `without`: a case that
 * cannot be there.
 */
export async function runStoreTests(
  files: readonly string[],
  environment: Readonly<Record<string, string>>,
  without?: string,
): Promise<number> {
  // A runner within a runner would report to the outer one instead of to us.
  const { NODE_TEST_CONTEXT: _, ...env } = { ...process.env, ...environment };
  const skipped = [...left, ...(without === undefined ? [] : [without])].map((name) => `--test-skip-pattern=${name}`);
  const runner = ["--test", "--test-concurrency=1", "--test-reporter=tap", ...skipped];
  const args = ["--conditions=@holdfast/source", ...runner, ...files];
  const options = { cwd: root, env, maxBuffer: 64 * 1024 * 1024, timeout: 540_000 };
  const { stdout, failed } = await promisify(execFile)(process.execPath, args, options).then(
    (done) => ({ stdout: done.stdout, failed: false }),
    (error: { stdout?: string; message: string }) => ({ stdout: error.stdout ?? error.message, failed: true }),
  );
  const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1] ?? 0);
  if (failed || !/^# fail 0$/m.test(stdout)) {
    const lines = stdout.split("\n");
    const first = lines.findIndex((line) => /^\s*not ok/.test(line));
    throw new Error(lines.slice(Math.max(0, first), first + 60).join("\n"));
  }
  return passed;
}
