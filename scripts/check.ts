/** `npm run check`: everything about the tree that needs no running Holdfast. Each step is one tool with one verdict. */
import { spawn } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import pc from "picocolors";

const root = join(import.meta.dirname, "..");
const sources = ["protocol", "sdk", "server", "scripts", "test", "examples", "bench"].filter((folder) =>
  existsSync(join(root, folder)),
);

/** A command of the check; `program` is a name from node_modules/.bin. */
interface CheckStep {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Left out of `test:fast`, which must answer within two minutes. */
  readonly slow?: true;
  /** Left out of `npm test`, whose own test run contains it. */
  readonly isTest?: true;
}

const checkSteps: readonly CheckStep[] = [
  { name: "types", program: "tsc", args: ["-p", "tsconfig.json"] },
  { name: "lint and format", program: "biome", args: ["check", "--error-on-warnings", "--max-diagnostics=50", "."] },
  {
    name: "import directions",
    program: "depcruise",
    args: ["--config", ".dependency-cruiser.cjs", "--output-type", "err-long", ...sources],
  },
  { name: "dead code", program: "knip", args: ["--no-progress", "--no-config-hints"] },
  { name: "API reports", program: "node", args: ["--conditions=@holdfast/source", "scripts/api.ts"], slow: true },
  {
    name: "house rules",
    program: "node",
    args: [
      "--conditions=@holdfast/source",
      "--test",
      "--test-reporter=dot",
      ...globSync("test/house/*.test.ts", { cwd: root }),
    ],
    isTest: true,
  },
];

export interface Verdict {
  readonly passed: number;
  readonly failed: number;
}

/** Runs the steps, a few at a time, and prints one line each; what a failed step said follows its line. */
export async function runChecks(options: {
  leaveOut: (step: CheckStep) => boolean;
  signal?: AbortSignal;
}): Promise<Verdict> {
  const waiting = checkSteps.filter((step) => !options.leaveOut(step));
  let passed = 0;
  let failed = 0;
  const work = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const startedMs = performance.now();
      const { ok, output } = await runStep(step, options.signal);
      const seconds = `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
      console.log(`${ok ? pc.green("✓") : pc.red("✗")} check: ${step.name} ${pc.dim(seconds)}`);
      if (!ok) console.log(output.trimEnd().replaceAll(/^/gm, "    "));
      if (ok) passed++;
      else failed++;
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
  return { passed, failed };
}

function runStep(step: CheckStep, signal?: AbortSignal): Promise<{ ok: boolean; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ ok: boolean; output: string }>();
  const child = spawn(join(root, "node_modules", ".bin", step.program), step.args, {
    cwd: root,
    // The tools are scripts for `env node`: the Node of node_modules comes first.
    env: { ...process.env, PATH: `${join(root, "node_modules", ".bin")}:${process.env.PATH}` },
    stdio: ["ignore", "pipe", "pipe"],
    ...(signal && { signal }),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  child.once("error", (error) => resolve({ ok: false, output: `${output}\n${error.message}` }));
  child.once("close", (code) => resolve({ ok: code === 0, output }));
  return promise;
}

if (import.meta.main) {
  const { failed } = await runChecks({ leaveOut: () => false });
  process.exitCode = failed === 0 ? 0 : 1;
}
