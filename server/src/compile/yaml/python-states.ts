import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type KeptStateSpec, keptStateSchema } from "@holdfast/protocol";
import { z } from "zod";
import { findPython, NoPython, pythonSdk, startPython } from "../../python-interpreter.ts";

// What Python tasks declare of their state is known once their module is loaded, as it is with TypeScript. Only a module in which a
// decorator plainly declares some is loaded, in a process of its own; the others need no Python where they are compiled.

/** What a manifest says of a task's state. */
export interface PythonState {
  readonly state?: KeptStateSpec | undefined;
  readonly taskState?: KeptStateSpec | undefined;
}

/** What a module's tasks declare, by their names; or why nobody can say it. */
type ModuleStates =
  | { readonly tasks: Readonly<Record<string, PythonState>> }
  | { readonly problem: string; readonly hint: string };

const answerSchema = z.union([
  z.strictObject({
    tasks: z.record(
      z.string(),
      z.strictObject({ state: keptStateSchema.optional(), taskState: keptStateSchema.optional() }),
    ),
  }),
  z.strictObject({ problem: z.string() }),
]);

const limitMs = 30_000;
const answerCharacters = 4_000_000;
const main =
  "import sys; sys.path[:] = [sys.argv.pop()] + [p for p in sys.path if p]; import holdfast_sdk.declared as d; d.main()";

/** Asks each module once. */
export class PythonStates {
  readonly #root: string;
  readonly #python: string | undefined;
  readonly #asked = new Map<string, Promise<ModuleStates>>();

  /** `root`: absolute; `python`: the configured Python. */
  constructor({ root, python }: { readonly root: string; readonly python?: string | undefined }) {
    this.#root = root;
    this.#python = python;
  }

  /** Of a module by its path from the root; one that is installed is not asked. */
  async of(module: string): Promise<ModuleStates> {
    const file = join(this.#root, module);
    if (!module.endsWith(".py") || !existsSync(file) || !declaresState(readFileSync(file, "utf8")))
      return { tasks: {} };
    const asked = this.#asked.get(module) ?? this.#ask(module);
    this.#asked.set(module, asked);
    return asked;
  }

  /** The files that were loaded, absolute. */
  get files(): string[] {
    return [...this.#asked.keys()].map((module) => join(this.#root, module));
  }

  async #ask(module: string): Promise<ModuleStates> {
    try {
      const search = { projectRoot: this.#root, folder: dirname(module), configured: this.#python };
      const python = findPython({ ...search, path: process.env.PATH });
      const question = JSON.stringify({ root: this.#root, module });
      return read(await answerOf(startPython(python, ["-c", main, pythonSdk()]), this.#root, question));
    } catch (error) {
      if (error instanceof NoPython) return { problem: error.message, hint: error.hint };
      throw error;
    }
  }
}

/** Whether a decorator of `task` says something of state. */
export function declaresState(text: string): boolean {
  for (const { index, 0: start } of text.matchAll(/^[ \t]*@(?:\w+\.)*task\s*\(/gm)) {
    let open = 1;
    let end = index + start.length;
    for (; end < text.length && open > 0; end++) open += text[end] === "(" ? 1 : text[end] === ")" ? -1 : 0;
    if (/\b(?:task_)?state\s*=/.test(text.slice(index + start.length, end))) return true;
  }
  return false;
}

function read(said: string): ModuleStates {
  const hint =
    "What it imports has to be there where the project is compiled: install it in the .venv that its tasks use.";
  let answer: unknown;
  try {
    answer = JSON.parse(said);
  } catch {
    return { problem: said.trim().split("\n").at(-1)?.slice(0, 500) || "it ends the process that loads it", hint };
  }
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) return { problem: "its declarations are no JSON Schema", hint };
  return "problem" in parsed.data ? { problem: parsed.data.problem.slice(0, 500), hint } : parsed.data;
}

/** What Python answers, or what it complains of. */
function answerOf(
  { command, args }: { readonly command: string; readonly args: readonly string[] },
  cwd: string,
  question: string,
): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      timeout: limitMs,
      killSignal: "SIGKILL",
      stdio: ["pipe", "pipe", "pipe"],
    });
    let said = "";
    let complaint = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (said.length < answerCharacters) said += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(-10_000);
    });
    child.once("error", (error) => resolve(error.message));
    child.once("close", (_, signal) => {
      const late = `its loading took longer than ${limitMs / 1_000} s`;
      // Killed by its time-out, or by what it loaded, or by the system, which may be short of memory.
      const cut = child.killed ? late : `the process that loads it was ended by ${signal}`;
      resolve(said === "" ? (signal === null ? complaint : cut) : said);
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(question);
  });
}
