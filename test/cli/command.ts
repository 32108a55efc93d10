/** The command line as people use it: real processes in a project of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

const command = join(import.meta.dirname, "..", "..", "server", "bin", "holdfast.js");
const patienceMs = 120_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder with files, removed after the test together with every process that was started in it. */
export class Project {
  readonly root: string;
  /** The program's file. */
  readonly command = command;
  readonly #children = new Set<ChildProcess>();

  constructor(t: TestContext, files: Readonly<Record<string, string>> = {}) {
    this.root = mkdtempSync(join(tmpdir(), "holdfast-cli-"));
    for (const [path, text] of Object.entries({ "package.json": '{"type":"module"}', ...files }))
      this.write(path, text);
    t.after(async () => {
      for (const child of this.#children) child.kill("SIGKILL");
      await Promise.all([...this.#children].map(ended));
      rmSync(this.root, { recursive: true, force: true });
    });
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  /** Starts `holdfast …` here. */
  start(...args: readonly string[]): Running {
    return this.startWith({}, ...args);
  }

  /** The same with variables of its own. */
  startWith(variables: Readonly<Record<string, string>>, ...args: readonly string[]): Running {
    return this.startProgram(process.execPath, [command, ...args], variables);
  }

  startProgram(program: string, args: readonly string[], variables: Readonly<Record<string, string>> = {}): Running {
    const own = Object.entries(process.env).filter(
      ([name]) => !/^(?:HOLDFAST_|OTEL_|TRACEPARENT$|npm_|NO_COLOR$)/.test(name),
    );
    // A test's Node is told by its environment that it is one, and would report instead of print.
    const inherited = Object.fromEntries(own.filter(([name]) => name !== "NODE_TEST_CONTEXT"));
    const env = { ...inherited, ...variables };
    const child = spawn(program, args, { cwd: this.root, env, stdio: ["ignore", "pipe", "pipe"] });
    this.#children.add(child);
    child.once("close", () => this.#children.delete(child));
    return new Running(child);
  }

  /** Carries out `holdfast …` here. */
  run(...args: readonly string[]): Promise<Ended> {
    return this.start(...args).ended;
  }

  /** On a terminal of 80 columns; what it shows is in `stdout`. */
  async runOnTerminal(...args: readonly string[]): Promise<Ended> {
    const words = [process.execPath, command, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
    const line = `stty cols 80 rows 24; ${words.join(" ")}`;
    return this.startProgram("script", ["--quiet", "--return", "--command", line, "/dev/null"]).ended;
  }
}

/** A command under way. */
export class Running {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = "";
  #stderr = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.ended = ended(child).then((code) => ({ code, stdout: this.#stdout, stderr: this.#stderr }));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when what was printed so far matches. Rejects when the command ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const said = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const match = pattern.exec(this.#stdout + this.#stderr);
      if (match !== null) said.resolve(match);
    };
    const fail = (why: string): void =>
      said.reject(new Error(`${why} without saying ${pattern}:\n${this.#stdout}${this.#stderr}`));
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.on("data", look);
    const timer = setTimeout(() => fail(`${patienceMs} ms passed`), patienceMs);
    this.#child.once("close", () => {
      look();
      fail("The command ended");
    });
    look();
    try {
      return await said.promise;
    } finally {
      clearTimeout(timer);
    }
  }
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once("close", (code) => resolve(code)));
}
