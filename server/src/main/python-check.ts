import { spawn } from "node:child_process";
import { dirname } from "node:path";
import type { Manifest, Problem } from "@holdfast/protocol";
import { findPython, type Interpreter, NoPython } from "../python-interpreter.ts";
import { isFile, type PythonTask, pythonScript, pythonTasksOf } from "./python-tasks.ts";

// What can be said of Python tasks before one runs: which Python there is, how old it is, and whether it can read the files
// and find their functions. No code of theirs is run.

const patienceMs = 20_000;
const neededVersion = [3, 9] as const;

/** A Python that tasks of a folder get, or why there is none; `hint`: what to do. */
export interface PythonState {
  readonly state: "ok" | "warn";
  /** `Python 3.11.2 at /usr/bin/python3`. */
  readonly said: string;
  readonly hint?: string;
}

export interface PythonCheck {
  readonly pythons: readonly PythonState[];
  /** Files that Python cannot read and functions that are no bodies of their tasks, with the line; relative to the root. */
  readonly problems: readonly Problem[];
}

export interface PythonCheckOptions {
  /** Absolute. */
  readonly root: string;
  /** The configured Python. */
  readonly python: string | undefined;
}

/** The Python of a task at the project's root. */
export async function lookForPython({ root, python }: PythonCheckOptions): Promise<PythonState> {
  return (await examine({ root, python, folder: ".", tasks: [] })).python;
}

/** Every Python task of the manifests. */
export async function checkPythonTasks(
  manifests: readonly Manifest[],
  options: PythonCheckOptions,
): Promise<PythonCheck> {
  const tasks = pythonTasksOf(manifests);
  if (tasks.length === 0) return { pythons: [], problems: [] };
  const byFolder = Map.groupBy(tasks, (task) => (isFile(task) ? dirname(task.module) : "."));
  const found = await Promise.all(
    [...byFolder].map(([folder, inside]) => examine({ ...options, folder, tasks: inside })),
  );
  const pythons = new Map(found.map(({ python }) => [python.said, python]));
  return { pythons: [...pythons.values()], problems: found.flatMap(({ problems }) => problems) };
}

interface Examination extends PythonCheckOptions {
  /** Relative to the root: whose Python it is. */
  readonly folder: string;
  readonly tasks: readonly PythonTask[];
}

async function examine({ root, python, folder, tasks }: Examination): Promise<{
  readonly python: PythonState;
  readonly problems: readonly Problem[];
}> {
  let interpreter: Interpreter;
  try {
    interpreter = findPython({ projectRoot: root, folder, configured: python, path: process.env.PATH });
  } catch (error) {
    if (!(error instanceof NoPython)) throw error;
    return { python: { state: "warn", said: error.message, hint: error.hint }, problems: [] };
  }
  if ("uv" in interpreter) {
    // To ask uv would make the environment, which may mean to download it.
    return {
      python: { state: "ok", said: `the Python that ${interpreter.uv} makes for ${interpreter.project}` },
      problems: [],
    };
  }
  const { program } = interpreter;
  const answer = await ask(program, root, tasks);
  if (typeof answer === "string") {
    const hint = "Is it a Python? Name another in holdfast.config.ts: python.";
    return { python: { state: "warn", said: `${program} does not answer: ${answer}`, hint }, problems: [] };
  }
  const [major = 0, minor = 0] = answer.version;
  const said = `Python ${answer.version.join(".")} at ${program}`;
  const isOld = major < neededVersion[0] || (major === neededVersion[0] && minor < neededVersion[1]);
  const problems = answer.problems.map(({ file, line, message, hint }) => {
    return { file, line, message: `${message}.`, hint: hint === undefined ? `By ${said}.` : `${hint} By ${said}.` };
  });
  if (!isOld) return { python: { state: "ok", said }, problems };
  const hint = `Python tasks want ${neededVersion.join(".")} or later.`;
  return { python: { state: "warn", said, hint }, problems };
}

interface Answer {
  readonly version: readonly number[];
  readonly problems: readonly (Pick<Problem, "file" | "line" | "message"> & { readonly hint?: string })[];
}

/** The answer, or why there is none. */
function ask(program: string, root: string, tasks: readonly PythonTask[]): Promise<Answer | string> {
  return new Promise((resolve) => {
    const child = spawn(program, ["-I", "-c", pythonScript], {
      cwd: root,
      timeout: patienceMs,
      stdio: ["pipe", "pipe", "pipe"],
    });
    let said = "";
    let complaint = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => {
      if (code !== 0) resolve(complaint.trim().split("\n").at(-1) || `it ended with ${code ?? signal}`);
      else resolve(answerOf(said) ?? "it prints something else than it is asked for");
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(JSON.stringify([root, tasks]));
  });
}

function answerOf(text: string): Answer | undefined {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
}
