/**
 * `npm start` as a user has it: real flight records, SQLite, processes. Catches a run that is lost with the process that
 * carried it, finished work that is done again, and a report that depends on what was killed when.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";

const root = join(import.meta.dirname, "..");
const patienceMs = 480_000;

/** A folder with the example and this tree's packages, as a clone has them. */
function makeProject(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "hf-start-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(root, "examples"), join(folder, "examples"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "start-test", type: "module" }));
  return folder;
}

/** One `npm start` without a terminal. */
class Start {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  readonly #said: AsyncIterator<string>;
  #answer = "";

  constructor(t: TestContext, folder: string) {
    const script = join(root, "scripts", "start.ts");
    const child = spawn(process.execPath, ["--conditions=@holdfast/source", script], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    t.after(() => child.kill("SIGKILL"));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#answer += text;
    });
    this.child = child;
    this.#said = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
  }

  /** Reads on until a line holds `text`. */
  async until(text: string): Promise<void> {
    for (;;) {
      const { value, done } = await this.#said.next();
      if (done === true) throw new Error(`ended before "${text}":\n${this.lines.join("\n")}`);
      this.lines.push(value);
      if (value.includes(text)) return;
    }
  }

  /** Reads to the end: the exit code and what stood on stdout. */
  async finish(): Promise<{ code: number | null; answer: string }> {
    const closed =
      this.child.exitCode === null && this.child.signalCode === null ? once(this.child, "close") : undefined;
    for (let line = await this.#said.next(); line.done !== true; line = await this.#said.next())
      this.lines.push(line.value);
    await closed;
    return { code: this.child.exitCode, answer: this.#answer };
  }

  /** Of the workflow in TypeScript, which comes first, or of the one in YAML. */
  tasks(what: "started" | "succeeded", of: "typescript" | "yaml" = "typescript"): string[] {
    const pattern = new RegExp(`(\\S+) ${what}`);
    const end = this.lines.findIndex((line) => line.includes("flights succeeded"));
    const own = of === "yaml" ? this.lines.slice(end + 1) : end === -1 ? this.lines : this.lines.slice(0, end);
    return own.flatMap((line) => pattern.exec(line)?.[1] ?? []);
  }
}

function reportOf(folder: string, name = "report.html"): Buffer {
  return readFileSync(join(folder, ".holdfast", "flights", name));
}

const hasPython = spawnSync("python3", ["--version"]).status === 0;

/** The bodies of a node: its children that are Node (the guards are not). */
function bodiesOf(node: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1];
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
        return Number(parent) === node && command.includes("child.ts") ? [Number(name)] : [];
      } catch {
        return [];
      }
    });
}

test("killed and started again, it goes on: nothing finished is done again and the report is the same byte for byte", {
  timeout: patienceMs,
}, async (t) => {
  const killed = makeProject(t);
  const first = new Start(t, killed);
  await first.until("clean[2001-W04] succeeded");
  first.child.kill("SIGKILL");
  assert.equal((await first.finish()).code, null);
  const finished = first.tasks("succeeded");

  const second = new Start(t, killed);
  await second.until("routes started");
  const bodies = bodiesOf(second.child.pid ?? 0);
  assert.ok(bodies.length > 0, "there is a body to kill");
  for (const pid of bodies) process.kill(pid, "SIGKILL");
  const { code, answer } = await second.finish();
  assert.equal(code, 0, second.lines.join("\n"));
  assert.ok(answer.includes(join(killed, ".holdfast", "flights", "report.html")), answer);
  const again = second.tasks("started").filter((name) => finished.includes(name));
  assert.deepEqual(again, []);

  const untouched = makeProject(t);
  const third = new Start(t, untouched);
  assert.equal((await third.finish()).code, 0, third.lines.join("\n"));
  assert.deepEqual(reportOf(killed), reportOf(untouched));
});

test("the workflow in YAML, with tasks in Python, gives the same report, also when it is killed", {
  timeout: patienceMs,
  skip: hasPython ? false : "there is no Python",
}, async (t) => {
  const folder = makeProject(t);
  const first = new Start(t, folder);
  await first.until("weeks[2001-W04] succeeded");
  first.child.kill("SIGKILL");
  await first.finish();
  const finished = first.tasks("succeeded", "yaml");
  assert.ok(finished.includes("clean[2001-W04]"), first.lines.join("\n"));
  const second = new Start(t, folder);
  const { code, answer } = await second.finish();
  assert.equal(code, 0, second.lines.join("\n"));
  assert.match(answer, /"agrees": true/);
  const again = second.tasks("started", "yaml").filter((name) => finished.includes(name));
  assert.deepEqual(again, []);
  assert.deepEqual(reportOf(folder, "report-yaml.html"), reportOf(folder));
});

test("a run that fails is the exit code", { timeout: patienceMs }, async (t) => {
  const folder = makeProject(t);
  const example = join(folder, "examples", "flights", "flights.ts");
  const source = readFileSync(example, "utf8");
  writeFileSync(example, source.replace('.default("vega-datasets")', '.default("./nowhere")'));
  const start = new Start(t, folder);
  const { code } = await start.finish();
  assert.equal(code, 1, start.lines.join("\n"));
  assert.ok(
    start.lines.some((line) => line.includes("flights-2k.json")),
    start.lines.join("\n"),
  );
});
