import { type ChildProcess, spawn } from "node:child_process";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { limits } from "@holdfast/protocol";
import { withoutForeign } from "../descriptors.ts";
import { Guard } from "../guard.ts";
import { type CompileAnswer, type CompileRequest, compileAnswerSchema, compileNoteSchema } from "./answer.ts";

export interface CompileProcessOptions {
  /** What user code prints while it is loaded, and that it takes long. */
  readonly onOutput?: (text: string, stream: "stdout" | "stderr") => void;
  /** The process is ended after this; default 60 s. */
  readonly limitMs?: number;
  /** Ends the process at once. */
  readonly signal?: AbortSignal;
  /** After this it is said which file is still being loaded; default 5 s. */
  readonly slowMs?: number;
}

/** How the process ended when it gave no answer. */
export interface NoAnswer {
  readonly kind: "none";
  /** The file that was being loaded; "" where none was. */
  readonly file: string;
  readonly message: string;
  readonly hint: string;
}

/** What is asked, without how long it may take. */
type CompileQuestion =
  | Omit<Extract<CompileRequest, { kind: "definitions" }>, "limitMs">
  | Omit<Extract<CompileRequest, { kind: "config" }>, "limitMs">;

const entry = fileURLToPath(new URL(`./child${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url));
const drainMs = 1_000;
/** So long before its end the process may say more than that it was ended, as long as user code lets it. */
const lastWordMs = 2_000;
const answerBytes = 4 * limits.frameBytes;

/**
 * Runs one compile process: user code in a group and an environment of its own, ended with everything it started. A guard ends
 * it too when this process is killed, for code in a loop does not see that nobody waits for its answer.
 */
export function runCompileProcess(
  question: CompileQuestion,
  options: CompileProcessOptions = {},
): Promise<CompileAnswer | NoAnswer> {
  const limitMs = options.limitMs ?? 60_000;
  const request: CompileRequest = { ...question, limitMs: Math.ceil(Math.max(limitMs / 2, limitMs - lastWordMs)) };
  const conditions = entry.endsWith(".ts") ? ["--conditions=@holdfast/source"] : [];
  const guard = new Guard(() => endGroup(child));
  const child = spawn(process.execPath, [...conditions, entry], {
    cwd: request.root,
    env: cleanEnvironment(question.kind === "config"),
    stdio: withoutForeign(["pipe", "pipe", "pipe", "pipe"]),
    detached: true,
  });
  if (child.pid !== undefined) guard.add(child.pid);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let ended: Omit<NoAnswer, "file"> | undefined;
    const stop = (message: string, hint: string): void => {
      ended ??= { kind: "none", message, hint };
      endGroup(child);
    };
    const timer = setTimeout(() => {
      const hint =
        "Code outside of tasks runs when a file is loaded: look for an endless loop or an await that never ends.";
      stop(`The loading took longer than ${limitMs / 1_000} s.`, hint);
    }, limitMs);
    const abandon = (): void => stop("The loading was interrupted.", "");
    if (options.signal?.aborted === true) abandon();
    options.signal?.addEventListener("abort", abandon);
    const slow = setTimeout(() => {
      const { file } = splitNotes(Buffer.concat(chunks).toString("utf8"));
      const where = file === "" ? "the project" : relative(request.root, file);
      options.onOutput?.(`Still loading ${where}; it may take ${limitMs / 1_000} s.\n`, "stderr");
    }, options.slowMs ?? 5_000);
    child.stdio[3]?.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > answerBytes) stop("The project's manifests are too large.", "Split the project.");
      else chunks.push(chunk);
    });
    child.stdio[3]?.on("error", () => undefined);
    listen(child, options);
    child.on("error", (error) =>
      stop(`The compile process could not be started: ${error.message}.`, "Is Node still where it was?"),
    );
    // What it leaves behind may hold its streams open: its group is ended, and what left the group is not waited for.
    child.on("exit", () => {
      endGroup(child);
      setTimeout(() => {
        for (const stream of child.stdio) stream?.destroy();
      }, drainMs).unref();
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      clearTimeout(slow);
      options.signal?.removeEventListener("abort", abandon);
      void guard.close();
      const { file, answer, isForeign } = splitNotes(Buffer.concat(chunks).toString("utf8"));
      const read = ended ?? (isForeign ? foreign : readAnswer(answer, code, signal));
      resolve(read.kind === "none" ? { ...read, file } : read);
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(JSON.stringify(request));
  });
}

function listen(child: ChildProcess, { onOutput }: CompileProcessOptions): void {
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8");
    child[stream]?.on("data", (text: string) => onOutput?.(text, stream));
  }
}

/**
 * The answer, "" when there is none, and the file that was loaded last before it. `isForeign`: something else was written to
 * the descriptor, which what is loaded can do; the file is the one that was being loaded then.
 */
function splitNotes(text: string): { file: string; answer: string; isForeign: boolean } {
  const lines = text.split("\n");
  const answer = lines.pop() ?? "";
  const notes = lines.map(readNote);
  const foreignAt = notes.indexOf(undefined);
  const file = foreignAt === -1 ? notes.at(-1) : notes[foreignAt - 1];
  return { file: file ?? "", answer, isForeign: foreignAt !== -1 };
}

function readNote(line: string): string | undefined {
  try {
    return compileNoteSchema.safeParse(JSON.parse(line)).data?.file;
  } catch {
    return undefined;
  }
}

function readAnswer(
  text: string,
  code: number | null,
  signal: NodeJS.Signals | null,
): CompileAnswer | Omit<NoAnswer, "file"> {
  if (text === "") {
    if (signal !== null && sentByOthers.has(signal)) return endedFromOutside(signal);
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    const hint = "Code outside of tasks runs when a file is loaded: it must not exit.";
    return { kind: "none", message: `Loading it ended the process ${how}.`, hint };
  }
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return foreign;
  }
  const parsed = compileAnswerSchema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const message = `The compiled definitions are not valid: ${parsed.error.message.slice(0, 2_000)}`;
  return { kind: "none", message, hint: "This is a mistake of Holdfast: please report it." };
}

/** A file that is loaded ends its process otherwise; the system sends SIGKILL where memory is short. */
const sentByOthers: ReadonlySet<NodeJS.Signals> = new Set(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]);

function endedFromOutside(signal: NodeJS.Signals): Omit<NoAnswer, "file"> {
  const message = `The process that loads the project was ended by ${signal}, from outside.`;
  const hint =
    "Say it again. Where it happens again, memory may be short: the system's log tells, and what is loaded may need less.";
  return { kind: "none", message, hint };
}

const foreign = {
  kind: "none",
  message: "Loading it wrote into descriptor 3, over which the compiler answers.",
  hint: "Code outside of tasks runs when a file is loaded: let it write to a file that it opens, or to stderr.",
} as const;

/** Ends the process and whatever it started. */
function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}

/** What the node is told, and what Node itself is: no business of a config file's. */
const ownVariable = /^(?:HOLDFAST|NODE)_/;

/**
 * Only what loading code needs, and one time zone and language, so that a manifest is the same wherever it is compiled. A config file is
 * the words of whoever starts the node, and says with their variables what differs from place to place.
 */
function cleanEnvironment(isConfig: boolean): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  const theirs = isConfig ? Object.entries(process.env).filter(([name]) => !ownVariable.test(name)) : [];
  const needed = Object.entries({ PATH, HOME, TMPDIR, LANG: "C.UTF-8", TZ: "UTC" });
  return Object.fromEntries([...theirs, ...needed].filter(([, value]) => value !== undefined));
}
