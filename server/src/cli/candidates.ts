import { runStatuses } from "@holdfast/protocol";
import type { Argument, Command, Option } from "commander";
import { completedShells } from "./completion-scripts.ts";

// What may stand next on a command line, from the program's own description of itself.

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What the program does not know by itself. */
export type Lookup = "definitions" | "runs" | "schedules" | "queues" | "assets";

export interface Candidates {
  readonly known: readonly Candidate[];
  readonly lookups: readonly Lookup[];
  /** Whether names of files may stand here as well. */
  readonly files: boolean;
}

const none: Candidates = { known: [], lookups: [], files: false };

const ofArguments: Readonly<Record<string, Candidates>> = {
  "file|id": { known: [], lookups: ["definitions"], files: true },
  paths: { known: [], lookups: [], files: true },
  folder: { known: [], lookups: [], files: true },
  run: { known: [], lookups: ["runs"], files: false },
  definition: { known: [], lookups: ["definitions"], files: false },
  schedule: { known: [], lookups: ["schedules"], files: false },
  queue: { known: [], lookups: ["queues"], files: false },
  asset: { known: [], lookups: ["assets"], files: false },
  "run|definition": { known: [], lookups: ["runs", "definitions"], files: false },
  status: { known: plain(["succeeded", "failed", "skipped"]), lookups: [], files: false },
  shell: { known: plain(completedShells), lookups: [], files: false },
};

const ofOptions: Readonly<Record<string, Candidates>> = {
  "--status": { known: plain(runStatuses), lookups: [], files: false },
  "--definition": { known: [], lookups: ["definitions"], files: false },
  "--id": { known: [], lookups: ["definitions"], files: false },
  "--parent": { known: [], lookups: ["runs"], files: false },
  "--input": { known: [], lookups: [], files: true },
  "--project": { known: [], lookups: [], files: true },
};

/** What may complete the last of the words after the program's name. */
export function candidatesFor(program: Command, words: readonly string[]): Candidates {
  if (words[0] === "help" && words.length > 1) {
    const rest = words.slice(1);
    return readWords(program, rest.slice(0, -1)).command.commands.length > 0 ? candidatesFor(program, rest) : none;
  }
  const before = words.slice(0, -1);
  const last = words.at(-1) ?? "";
  const { command, operands, open } = readWords(program, before);
  const found =
    open !== undefined
      ? (ofOptions[open.long ?? ""] ?? none)
      : last.startsWith("-")
        ? { ...none, known: optionsOf(command) }
        : operandsOf(command, operands);
  return { ...found, known: found.known.filter(({ value }) => value.startsWith(last)) };
}

interface Read {
  readonly command: Command;
  /** How many words that are neither a command nor a flag stand before. */
  readonly operands: number;
  /** The option whose value comes next. */
  readonly open: Option | undefined;
}

function readWords(program: Command, words: readonly string[]): Read {
  let command = program;
  let operands = 0;
  let open: Option | undefined;
  for (const word of words) {
    if (open !== undefined) open = undefined;
    else if (word.startsWith("-")) {
      const option = command.options.find(({ long, short }) => long === word || short === word);
      open = option?.required === true || option?.optional === true ? option : undefined;
    } else {
      const inner = command.commands.find((known) => known.name() === word);
      if (inner === undefined) operands += 1;
      else command = inner;
    }
  }
  return { command, operands, open };
}

function optionsOf(command: Command): Candidate[] {
  const help = { value: "--help", description: "show what there is" };
  const shown = command.options.filter(({ hidden }) => !hidden);
  return [...shown.map(({ long, short, description }) => ({ value: long ?? short ?? "", description })), help];
}

function operandsOf(command: Command, operands: number): Candidates {
  if (command.commands.length > 0) {
    const shown = operands === 0 ? command.createHelp().visibleCommands(command) : [];
    return { ...none, known: shown.map((inner) => ({ value: inner.name(), description: inner.description() })) };
  }
  const argument = argumentAt(command.registeredArguments, operands);
  return argument === undefined ? none : (ofArguments[argument.name()] ?? none);
}

function argumentAt(known: readonly Argument[], index: number): Argument | undefined {
  const last = known.at(-1);
  return known[index] ?? (last?.variadic === true ? last : undefined);
}

function plain(values: readonly string[]): Candidate[] {
  return values.map((value) => ({ value, description: "" }));
}
