import { accessSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

/** How a Python is started: a program, or uv, which makes the project's environment first and then knows the program. */
export type Interpreter = { readonly program: string } | { readonly uv: string; readonly project: string };

/** No Python could be found; the message and hint are sentences for people. */
export class NoPython extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

export interface PythonSearch {
  /** Absolute. */
  readonly projectRoot: string;
  /** Where the task's file is, relative to the root; for a dotted module name `.`. */
  readonly folder: string;
  /** What the configuration names: a path (relative to the root) or a program's name. */
  readonly configured: string | undefined;
  /** Where programs are looked for: the PATH that children get. */
  readonly path: string | undefined;
}

/** The configured Python, else that of the nearest `.venv`, else uv where there is a pyproject.toml, else `python3`. */
export function findPython(search: PythonSearch): Interpreter {
  const { projectRoot, folder, configured, path = "" } = search;
  if (configured !== undefined) return { program: configuredProgram(configured, projectRoot, path) };
  for (const at of upwards(join(projectRoot, folder))) {
    const program = join(at, ".venv", "bin", "python");
    if (isExecutable(program)) return { program };
  }
  const uv = onPath("uv", path);
  const project = [...upwards(join(projectRoot, folder))].find((at) => existsSync(join(at, "pyproject.toml")));
  if (uv !== undefined && project !== undefined) return { uv, project };
  const program = onPath("python3", path);
  if (program !== undefined) return { program };
  throw new NoPython(
    "There is no Python for this task: no .venv at or above its folder, no uv with a pyproject.toml, no python3 in PATH.",
    'Install Python 3.9 or later, make a .venv in the project, or name one in holdfast.config.ts: python: "/path/to/python3".',
  );
}

/** uv is asked for the interpreter, which then takes the place of this shell: signals and exit codes are Python's own. */
const uvScript =
  'uv="$1"; project="$2"; shift 2; python="$("$uv" run --quiet --project "$project" python -c "import sys; print(sys.executable)")" || exit 1; exec "$python" "$@"';

/** How a Python is started with these arguments. */
export function startPython(
  interpreter: Interpreter,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  if ("program" in interpreter) return { command: interpreter.program, args };
  return {
    command: "/bin/sh",
    args: ["-c", uvScript, "holdfast-python", interpreter.uv, interpreter.project, ...args],
  };
}

/** The server's own copy of the Python SDK: in a checkout the sources themselves, in the package the copy that the build made. */
export function pythonSdk(): string {
  const place = import.meta.url.endsWith(".ts") ? "../../python/src" : "../python";
  return fileURLToPath(new URL(place, import.meta.url));
}

function configuredProgram(configured: string, projectRoot: string, path: string): string {
  const isPath = configured.includes("/");
  const file = isAbsolute(configured) ? configured : join(projectRoot, configured);
  const program = isPath ? (isExecutable(file) ? file : undefined) : onPath(configured, path);
  if (program !== undefined) return program;
  const where = isPath ? `${file} is no file that can be run` : `no ${configured} is in PATH`;
  throw new NoPython(
    `The Python that is configured is not there: ${where}.`,
    'Correct "python" in holdfast.config.ts (or HOLDFAST_PYTHON): a path relative to the root, or a program\'s name.',
  );
}

function* upwards(folder: string): Generator<string> {
  for (let at = folder; ; at = dirname(at)) {
    yield at;
    if (dirname(at) === at) return;
  }
}

function onPath(name: string, path: string): string | undefined {
  const files = path.split(delimiter).map((folder) => join(folder, name));
  return files.find((file) => isAbsolute(file) && isExecutable(file));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
