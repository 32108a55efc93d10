import type { Executor } from "@holdfast/protocol";

/** How a process ended: an exit code, or the signal that ended it. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** What is to be said of a process that ended without a word. `lost`: someone else ended it, which uses up no attempt. */
export interface ExitWords {
  readonly lost: boolean;
  readonly message: string;
  readonly hint?: string;
}

const signals: Readonly<Record<string, ExitWords>> = {
  SIGKILL: {
    lost: true,
    message: "The process was killed (SIGKILL): it is likely that the machine ran out of memory, or someone killed it.",
    hint: "Look for the out-of-memory killer in the system's log, and give the task a memory limit to be told earlier.",
  },
  SIGTERM: { lost: true, message: "The process was told to end from outside (SIGTERM)." },
  SIGINT: { lost: true, message: "The process was interrupted from outside (SIGINT)." },
  SIGHUP: { lost: true, message: "The process was told to end because a terminal went away (SIGHUP)." },
  SIGSEGV: {
    lost: false,
    message: "The process crashed: native code touched memory that is not its own (SIGSEGV).",
    hint: "Look at native modules that the task loads.",
  },
  SIGABRT: {
    lost: false,
    message: "The process gave up (SIGABRT): native code met an impossible state.",
    hint: "Its last lines on stderr say which.",
  },
  SIGBUS: {
    lost: false,
    message: "The process crashed: memory behind a file went away, or an address was bad (SIGBUS).",
  },
  SIGILL: { lost: false, message: "The process crashed: it met an instruction that this processor lacks (SIGILL)." },
  SIGFPE: { lost: false, message: "The process crashed on arithmetic in native code (SIGFPE)." },
  SIGTRAP: { lost: false, message: "The process stopped at a fatal check of native code (SIGTRAP)." },
  SIGSYS: { lost: false, message: "The process made a system call that a sandbox forbids (SIGSYS)." },
  SIGPIPE: { lost: false, message: "The process wrote to a pipe that nobody reads (SIGPIPE)." },
  SIGXCPU: { lost: false, message: "The process used more CPU time than a system limit allows (SIGXCPU)." },
  SIGXFSZ: { lost: false, message: "The process wrote a file larger than a system limit allows (SIGXFSZ)." },
};

/** Where one language's runtime knows more. */
const ownSignals: Partial<Record<Executor, typeof signals>> = {
  typescript: {
    SIGABRT: {
      lost: false,
      message:
        "The process gave up (SIGABRT): usually JavaScript ran out of heap, or native code met an impossible state.",
      hint: "Its last lines on stderr say which. A larger heap does not help a leak.",
    },
    SIGTRAP: { lost: false, message: "The process stopped at a fatal check of V8 or of native code (SIGTRAP)." },
  },
};

type CodeWords = Readonly<Record<number, Omit<ExitWords, "lost">>>;

const shellCodes: CodeWords = {
  126: { message: "The process ended with exit code 126: the command is there but may not be executed." },
  127: { message: "The process ended with exit code 127: the command was not found." },
};

const codes: Readonly<Record<Executor, CodeWords>> = {
  typescript: {
    ...shellCodes,
    0: {
      message: "The process ended with exit code 0 before its body had returned.",
      hint: "Success is what the body returns: do not call process.exit() in it.",
    },
    1: { message: "The process ended with exit code 1: an error that nobody caught, or process.exit(1)." },
    7: { message: "The process ended with exit code 7: a handler of uncaught errors threw itself." },
    9: { message: "The process ended with exit code 9: Node was started with an argument that it refuses." },
    13: { message: "The process ended with exit code 13: an await at the top of a module never settled." },
  },
  python: {
    ...shellCodes,
    0: {
      message: "The process ended with exit code 0 before its body had returned.",
      hint: "Success is what the body returns: do not call os._exit() in it.",
    },
  },
  process: {
    126: {
      message: "The command ended with exit code 126: the file is there but may not be executed.",
      hint: "Make it executable (chmod +x), with a first line such as #!/bin/sh.",
    },
    127: {
      message: "The command ended with exit code 127: a program was not found.",
      hint: "It is looked for in the PATH of the node, and relative to the project's root when its name has a slash.",
    },
  },
};

/** `spoke`: it had said hello, so that user code may have run. */
export function exitWords(end: ProcessEnd, spoke: boolean, executor: Executor): ExitWords {
  if (end.signal !== null) return signalWords(end.signal, executor);
  if (!spoke) {
    return {
      lost: false,
      message: `The process ended with exit code ${end.code} before it could run anything.`,
      hint: "Its lines on stderr say why.",
    };
  }
  return codeWords(end.code ?? -1, executor, "The process", " before its body had returned");
}

/** What is to be said of a command that ended with another exit code than 0, or by a signal. */
export function commandWords(end: ProcessEnd): ExitWords {
  if (end.signal !== null) return signalWords(end.signal, "process");
  return codeWords(end.code ?? -1, "process", "The command", "");
}

function signalWords(signal: string, executor: Executor): ExitWords {
  const known = ownSignals[executor]?.[signal] ?? signals[signal];
  return known ?? { lost: false, message: `The process was ended by the signal ${signal}.` };
}

function codeWords(code: number, executor: Executor, what: string, when: string): ExitWords {
  const known = codes[executor][code];
  if (known !== undefined) return { lost: false, ...known };
  if (code > 128 && code < 160) {
    const message = `${what} ended with exit code ${code}, as a shell does when signal ${code - 128} ended its command.`;
    return { lost: false, message };
  }
  return { lost: false, message: `${what} ended with exit code ${code}${when}.` };
}
