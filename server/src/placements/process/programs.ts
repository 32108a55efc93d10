import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type ActivationStart, limits, type TaskSpec, utf8Bytes } from "@holdfast/protocol";
import { childEnvironment } from "../../child-environment.ts";
import { findPython, type Interpreter, type PythonSearch, pythonSdk, startPython } from "../../python-interpreter.ts";
import type { ChildCommand } from "./child.ts";
import type { InputFolder } from "./input-folder.ts";
import type { Program } from "./program.ts";

/** uv may have to fetch and install what the project needs before Python starts. */
const uvHelloMs = 10 * 60_000;

export interface ProgramsOptions {
  readonly projectRoot: string;
  /** What every child gets besides what is passed on of this process's own. */
  readonly environment: Readonly<Record<string, string>>;
  /** The configured Python. */
  readonly python: string | undefined;
  /** What TypeScript children run instead of the SDK's entry: a test's. */
  readonly command: { readonly command: string; readonly args: readonly string[] } | undefined;
  readonly inputs: InputFolder;
}

/** An interpreter that was found is looked for again after so long: to look costs more than all else that a node does for a task. */
const freshMs = 1_000;

/** Chooses what a task's child is started as, by its executor and its own variables. */
export class Programs {
  readonly #options: ProgramsOptions;
  /** By folder and PATH, all of them found since the moment. */
  readonly #found = new Map<string, Interpreter>();
  #foundSinceMs = 0;
  /** For TypeScript tasks without variables of their own. */
  readonly first: Program;

  constructor(options: ProgramsOptions) {
    this.#options = options;
    this.first = this.#typescript({});
  }

  /** The program of a body that is a module. Throws NoPython. */
  of(start: ActivationStart, { env = {} }: TaskSpec): Program {
    if (start.executor === "python") return this.#python(start.source.module, env);
    return Object.keys(env).length === 0 ? this.first : this.#typescript(env);
  }

  /** How a plain command is started; its input is in a file, and in its environment when it is small. */
  command(start: Extract<ActivationStart, { executor: "process" }>, { env = {} }: TaskSpec): ChildCommand {
    const { inputs, projectRoot } = this.#options;
    const inputFile = inputs.newFile();
    const input = JSON.stringify(start.input);
    inputs.write(inputFile, input);
    return {
      command: "/bin/sh",
      args: ["-c", start.source.command],
      projectRoot,
      environment: { ...this.#environment(env), ...contractVariables(start, input), HOLDFAST_INPUT: inputFile },
      plain: true,
      inputFile,
    };
  }

  #typescript(env: Readonly<Record<string, string>>): Program {
    const { projectRoot, command = nodeCommand() } = this.#options;
    const environment = this.#environment(env);
    return {
      key: keyOf("typescript", env),
      spare: isEmpty(env),
      start: () => ({ ...command, projectRoot, environment }),
    };
  }

  #python(module: string, env: Readonly<Record<string, string>>): Program {
    const { projectRoot, python, inputs } = this.#options;
    const environment = this.#environment(env);
    const folder = module.endsWith(".py") ? dirname(module) : ".";
    const interpreter = this.#interpreter({ projectRoot, folder, configured: python, path: environment.PATH });
    return {
      key: keyOf(JSON.stringify(interpreter), env),
      spare: isEmpty(env),
      start: () => {
        const inputFile = inputs.newFile();
        return {
          ...pythonCommand(interpreter),
          projectRoot,
          environment: { ...environment, HOLDFAST_INPUT: inputFile },
          inputFile,
          ...("uv" in interpreter && { helloMs: uvHelloMs }),
        };
      },
    };
  }

  #interpreter(search: PythonSearch): Interpreter {
    const now = performance.now();
    if (now - this.#foundSinceMs > freshMs) {
      this.#found.clear();
      this.#foundSinceMs = now;
    }
    const key = JSON.stringify([search.folder, search.path]);
    const found = this.#found.get(key) ?? findPython(search);
    this.#found.set(key, found);
    return found;
  }

  #environment(env: Readonly<Record<string, string>>): Record<string, string> {
    return childEnvironment(process.env, { ...this.#options.environment, ...env });
  }
}

function isEmpty(env: Readonly<Record<string, string>>): boolean {
  return Object.keys(env).length === 0;
}

/** A key is in messages and memory for long; values of variables may be secret. */
function keyOf(what: string, env: Readonly<Record<string, string>>): string {
  if (isEmpty(env)) return what;
  return `${what} ${createHash("sha256")
    .update(JSON.stringify(Object.entries(env).sort()))
    .digest("hex")}`;
}

/** What a command finds in its environment about its run. Ork's run is the whole tree, so that its id is the root's. */
function contractVariables(start: ActivationStart, input: string): Record<string, string> {
  const { run, attempt, epoch } = start;
  return {
    HOLDFAST_RUN_ID: run.id,
    HOLDFAST_ATTEMPT: String(attempt),
    ORK_RUN_ID: run.rootId,
    ORK_ATTEMPT: String(attempt),
    ORK_TASK_NAME: run.name,
    ...(run.workflow !== null && { ORK_WORKFLOW_NAME: run.workflow }),
    EXECUTION_ID: `${run.id}-${epoch}`,
    ...(start.cleanUp !== undefined && { HOLDFAST_CANCELLED: start.cleanUp.message }),
    ...(start.traceparent !== undefined && { TRACEPARENT: start.traceparent }),
    ...(utf8Bytes(input) <= limits.inputVariableBytes && { ORK_INPUT_JSON: input }),
  };
}

/** The SDK's child under this same Node. From source it needs the condition that names our TypeScript files. */
function nodeCommand(): { readonly command: string; readonly args: readonly string[] } {
  const entry = fileURLToPath(import.meta.resolve("@holdfast/sdk/child"));
  const conditions = entry.endsWith(".ts") ? ["--conditions=@holdfast/source"] : [];
  return { command: process.execPath, args: [...conditions, "--disable-warning=ExperimentalWarning", entry] };
}

/** The server's own copy of the Python SDK comes first on the path, so that it speaks this server's protocol. */
const pythonMain =
  "import sys; sys.path[:] = [sys.argv.pop()] + [p for p in sys.path if p]; import holdfast_sdk.child as c; c.main()";
function pythonCommand(interpreter: Interpreter): { readonly command: string; readonly args: readonly string[] } {
  return startPython(interpreter, ["-u", "-c", pythonMain, pythonSdk()]);
}
