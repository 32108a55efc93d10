import { spawn } from "node:child_process";
import { dirname } from "node:path";
import type { Manifest, Problem } from "@holdfast/protocol";
import { findPython, type Interpreter, NoPython } from "../placements/process/interpreter.ts";

// What can be said of Python tasks before one runs: which Python there is, how old it is, and whether it can read the files. No
// code of theirs is run.

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
  /** Files that Python cannot read, with the line; relative to the root. */
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
  return (await examine({ root, python, folder: ".", files: [] })).python;
}

/** Every Python task of the manifests. */
export async function checkPythonTasks(
  manifests: readonly Manifest[],
  options: PythonCheckOptions,
): Promise<PythonCheck> {
  const files = new Set<string>();
  let some = false;
  for (const { definitions } of manifests) {
    for (const spec of Object.values(definitions)) {
      if (spec.kind !== "task" || spec.executor !== "python") continue;
      some = true;
      if (spec.source.module.endsWith(".py")) files.add(spec.source.module);
    }
  }
  if (!some) return { pythons: [], problems: [] };
  const byFolder = Map.groupBy(files.size === 0 ? ["."] : files, (file) => (file === "." ? file : dirname(file)));
  const found = await Promise.all(
    [...byFolder].map(([folder, inside]) =>
      examine({ ...options, folder, files: inside.filter((file) => file !== ".") }),
    ),
  );
  const pythons = new Map(found.map(({ python }) => [python.said, python]));
  return { pythons: [...pythons.values()], problems: found.flatMap(({ problems }) => problems) };
}

interface Examination extends PythonCheckOptions {
  /** Relative to the root, as the files. */
  readonly folder: string;
  readonly files: readonly string[];
}

async function examine({ root, python, folder, files }: Examination): Promise<{
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
  const answer = await ask(program, root, files);
  if (typeof answer === "string") {
    const hint = "Is it a Python? Name another in holdfast.config.ts: python.";
    return { python: { state: "warn", said: `${program} does not answer: ${answer}`, hint }, problems: [] };
  }
  const [major = 0, minor = 0] = answer.version;
  const said = `Python ${answer.version.join(".")} at ${program}`;
  const isOld = major < neededVersion[0] || (major === neededVersion[0] && minor < neededVersion[1]);
  const problems = answer.problems.map(({ file, line, message }) => {
    return { file, line, message: `Python cannot read it: ${message}.`, hint: `By ${said}.` };
  });
  if (!isOld) return { python: { state: "ok", said }, problems };
  const hint = `Python tasks want ${neededVersion.join(".")} or later.`;
  return { python: { state: "warn", said, hint }, problems };
}

interface Answer {
  readonly version: readonly number[];
  readonly problems: readonly { readonly file: string; readonly line: number; readonly message: string }[];
}

/** In words of every Python 3, so that an old one can say how old it is. */
const script = `
import ast, json, os, sys
root, files = json.load(sys.stdin)
problems = []
for file in files:
    try:
        with open(os.path.join(root, file), "rb") as source:
            ast.parse(source.read(), file)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        problems.append({"file": file, "line": line, "message": getattr(error, "msg", None) or str(error)})
    except OSError:
        pass
print(json.dumps({"version": list(sys.version_info[:3]), "problems": problems}))
`;

/** The answer, or why there is none. */
function ask(program: string, root: string, files: readonly string[]): Promise<Answer | string> {
  return new Promise((resolve) => {
    const child = spawn(program, ["-I", "-c", script], {
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
    child.stdin.end(JSON.stringify([root, files]));
  });
}

function answerOf(text: string): Answer | undefined {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
}
