import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

const root = join(import.meta.dirname, "..");

/** A folder with the examples and this tree's packages, as a clone has them. */
export function startProject(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "hf-start-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["examples", "holdfast.config.ts"])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "start-test", type: "module" }));
  return folder;
}

/** One `npm start` without a terminal, of all examples or of those that are named. */
export class Start {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  readonly #said: AsyncIterator<string>;
  #answer = "";

  constructor(t: TestContext, folder: string, ...examples: string[]) {
    const script = join(root, "scripts", "start.ts");
    const child = spawn(process.execPath, ["--conditions=@holdfast/source", script, ...examples], {
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

  get pid(): number {
    return this.child.pid ?? 0;
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

/** Processes below this one whose command holds the text. */
export function processesOf(pid: number, text: string): number[] {
  const parents = new Map<number, { readonly parent: number; readonly command: string }>();
  for (const name of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
    try {
      const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1]);
      parents.set(Number(name), { parent, command: readFileSync(`/proc/${name}/cmdline`, "utf8") });
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (one: number): boolean => one === pid || (parents.has(one) && isBelow(parents.get(one)?.parent ?? 0));
  return [...parents]
    .filter(([one, { command }]) => one !== pid && command.includes(text) && isBelow(one))
    .map(([one]) => one);
}
