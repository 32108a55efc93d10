import { nearestName } from "@holdfast/protocol";
import { type Command, CommanderError } from "commander";
import { exitCodes, reportFailure, UsageError } from "./failures.ts";
import { tolerateLeavingReader } from "./interruption.ts";
import { buildProgram } from "./program.ts";
import { placeOf } from "./project.ts";
import { openTerminal } from "./terminal.ts";

/** Carries out a command line (without the program's name) and answers the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.done;
  tolerateLeavingReader();
  // What cannot be parsed still says how it wants to be answered.
  const json = argv.includes("--json");
  const program = buildProgram(async (act, flags) => {
    const terminal = openTerminal({ json: flags.json === true, place: placeOf(flags) });
    try {
      if (flags.project !== undefined) enter(flags.project);
      exitCode = await act(terminal);
    } catch (error) {
      exitCode = reportFailure(terminal, error);
    }
  });
  let said = "";
  const keep = (text: string): void => {
    said += text;
  };
  for (const command of [program, ...program.commands, ...program.commands.flatMap((inner) => inner.commands)]) {
    command.exitOverride();
    command.configureOutput({ outputError: () => undefined, ...(json ? { writeOut: keep } : {}) });
  }
  if (argv.length === 0) {
    process.stdout.write(program.helpInformation());
    return exitCodes.usage;
  }
  try {
    checkCommand(program, argv);
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(openTerminal({ json }), error);
    if (error.exitCode === 0) {
      openTerminal({ json }).answer(error.code === "commander.version" ? { version: said.trim() } : { help: said });
      return exitCodes.done;
    }
    // Help that was asked for in vain has been printed.
    if (error.code === "commander.help") return exitCodes.usage;
    return reportFailure(openTerminal({ json }), usageError(error, program, argv));
  }
}

/** `-C FOLDER`: as if it had been called there, so that other paths are taken from there as well. */
function enter(folder: string): void {
  try {
    process.chdir(folder);
  } catch {
    throw new UsageError(`There is no folder ${folder}.`, "Check the path after -C.");
  }
}

/** Names the nearest command where commander would only say that there is none. */
function checkCommand(program: Command, argv: readonly string[]): void {
  const [first = "", second] = argv;
  if (first.startsWith("-")) return;
  const name = first === "help" ? second : first;
  if (name === undefined || name.startsWith("-")) return;
  const command = program.commands.find((known) => known.name() === name);
  if (command === undefined) throw unknownCommand(program, name);
  if (first === "help") return;
  if (command.commands.length === 0 || second === undefined || second.startsWith("-")) return;
  if (!command.commands.some((known) => known.name() === second)) throw unknownCommand(command, second);
}

function unknownCommand(command: Command, name: string): UsageError {
  const known = command.commands.map((inner) => inner.name());
  const path = command.parent === null ? "holdfast" : `holdfast ${command.name()}`;
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? `There are: ${known.join(", ")}.` : `Did you mean ${path} ${nearest}?`;
  return new UsageError(`There is no command "${[...path.split(" "), name].slice(1).join(" ")}".`, hint);
}

function usageError(error: CommanderError, program: Command, argv: readonly string[]): UsageError {
  const [message = "", suggestion = ""] = error.message.replace(/^error: /, "").split("\n");
  // A flag before the command belongs to nothing; `words` would name its value.
  if (argv[0]?.startsWith("-")) return new UsageError(`Unknown option '${argv[0]}'.`, "Flags stand after the command.");
  const words: string[] = [];
  for (let at = program; ; ) {
    const inner = at.commands.find((known) => known.name() === argv[words.length]);
    if (inner === undefined) break;
    words.push(inner.name());
    at = inner;
  }
  const help = `holdfast ${[...words, "--help"].join(" ")} shows what there is.`;
  // Several that are near are no help: it shows them all.
  const meant = /Did you mean (?!one of )(.+)\?\)?$/.exec(suggestion)?.[1];
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1).replace(/\.$/, "")}.`;
  return new UsageError(sentence, meant === undefined ? help : `Did you mean ${meant}? ${help}`);
}
