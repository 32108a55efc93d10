import { Command, Option } from "commander";
import { version } from "../version.ts";
import { addAssetCommands } from "./program-assets.ts";
import { addQueueCommands, addRunControl, type Carry } from "./program-control.ts";
import { addExternalCommands } from "./program-external.ts";
import { addScheduleCommands } from "./program-schedules.ts";
import { addStateCommands } from "./program-state.ts";

// The commands and their flags. What a command does is loaded when it is called, so that each starts quickly.

/** Builds the command line. */
export function buildProgram(carry: Carry): Command {
  const program = new Command("holdfast")
    .description("Runs work that must not be lost.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show what there is")
    .helpCommand("help [command]", "show what a command does")
    .showHelpAfterError(false)
    .addHelpText(
      "after",
      "\nExit codes: 0 done or succeeded, 1 failed, 2 usage or invalid definition,\n            130 interrupted.",
    );
  addProjectCommands(program, carry);
  addServerCommands(program, carry);
  addRunCommands(program, carry);
  addIntentCommands(program, carry);
  addExternalCommands(program, carry, asking);
  addQueueCommands(program, carry, asking);
  addScheduleCommands(program, carry, asking);
  addStateCommands(program, carry, asking);
  addAssetCommands(program, carry, asking);
  addCompletionCommands(program, carry);
  return program;
}

function addProjectCommands(program: Command, carry: Carry): void {
  common(program.command("init [folder]"))
    .description("write a config, one task and one test into a folder")
    .action((folder, flags) => carry(async (t) => (await import("./init.ts")).init(t, folder), flags));
  asking(listening(program.command("run <file|id>")))
    .description("apply, start and follow a task or workflow")
    .option("--input <json>", "its input as JSON, or @FILE, or @- for standard input")
    .option("--key <key>", "a name for the run: the same key follows the same run")
    .option("--id <id>", "which definition, when the file has several")
    .option("--no-wait", "start only, and print the run's id")
    .option("-q, --quiet", "do not show what tasks write")
    .addOption(patienceOption())
    .option("--resume", "go on with its unfinished run, if there is one")
    .option("--serve", "serve HTTP meanwhile, and after the end until Ctrl-C")
    .action((target, flags) => carry(async (t) => (await import("./run.ts")).run(t, target, flags), flags));
  stored(program.command("validate [paths...]"))
    .description("compile definitions and say every mistake")
    .action((paths, flags) => carry(async (t) => (await import("./definitions.ts")).validate(t, paths, flags), flags));
  asking(program.command("apply [paths...]"))
    .description("compile definitions and make them the current ones")
    .option("--prune", "of the whole project: also remove schedules of definitions that no file has any more")
    .action((paths, flags) => carry(async (t) => (await import("./definitions.ts")).apply(t, paths, flags), flags));
  stored(program.command("manifest [file|id]"))
    .description("print the canonical manifest of a definition")
    .option("--id <id>", "which definition, when the file has several")
    .option("--schema", "print the JSON Schema of YAML workflows instead, for editors")
    .action((target, flags) =>
      carry(async (t) => (await import("./definitions.ts")).printManifest(t, target, flags), flags),
    );
}

function addServerCommands(program: Command, carry: Carry): void {
  listening(stored(program.command("dev")))
    .description("serve this project and recompile when its files change")
    .option("-q, --quiet", "do not show what tasks write")
    .action((flags) => carry(async (t) => (await import("./dev.ts")).dev(t, flags), flags));
  listening(stored(program.command("server")))
    .description("serve the configured store: a node and the HTTP interface")
    .option("--allowed-host <name>", "a name that callers may use (repeatable)", collect)
    .option("--apply", "compile the project's definitions and apply them first")
    .option("--migrate", "create or update the schema of a PostgreSQL store first")
    .addOption(tokenOption())
    .action((flags) => carry(async (t) => (await import("./serve.ts")).server(t, flags), flags));
  stored(program.command("migrate"))
    .description("create the store's schema, or bring it up to this version")
    .option("--grant-enqueue-to <role>", "let this PostgreSQL role make intents, and nothing else")
    .action((flags) => carry(async (t) => (await import("./migrate.ts")).migrate(t, flags), flags));
  asking(program.command("doctor"))
    .description("look at what Holdfast stands on")
    .action((flags) => carry(async (t) => (await import("./doctor.ts")).doctor(t, flags), flags));
  common(program.command("bench"))
    .description("measure this machine in about ten seconds")
    .option("--store <address>", "measure this store instead of a new SQLite file")
    .action((flags) => carry(async (t) => (await import("./bench.ts")).bench(t, flags), flags));
}

function addCompletionCommands(program: Command, carry: Carry): void {
  program
    .command("completion <shell>")
    .description("print the completion for bash, zsh or fish")
    .action((shell) => carry(async (t) => (await import("./completion.ts")).completion(t, shell), {}));
  program
    .command("complete [words...]", { hidden: true })
    .description("what may stand next on a command line; shells ask this")
    .action((words) => carry(async () => (await import("./completion.ts")).complete(program, words), {}));
}

function addRunCommands(program: Command, carry: Carry): void {
  const runs = program
    .command("runs")
    .description("see and control runs")
    .helpCommand(false)
    .action((_flags, command: Command) => command.help({ error: true }));
  asking(runs.command("list"))
    .description("list runs, newest first")
    .option("--status <status>", "only of this status (repeatable)", collect)
    .option("--definition <id>", "only of this definition")
    .option("--parent <run>", "only the children of this run")
    .option("--key <key>", "only what this key names")
    .option("--since <moment>", "only runs created since then, or so long ago (2h)")
    .option("--all", "also runs inside of workflows")
    .option("--limit <count>", "at most so many (default 20)")
    .option("--cursor <cursor>", "go on where a list ended")
    .action((flags) => carry(async (t) => (await import("./runs.ts")).list(t, flags), flags));
  asking(runs.command("show <run>"))
    .description("show a run and, as a tree, what is below it")
    .option("--all", "also every item of a map")
    .action((id, flags) => carry(async (t) => (await import("./runs-show.ts")).show(t, id, flags), flags));
  asking(program.command("why <run|definition>"))
    .description("say what keeps a run from going on, or what a definition waits for that events start")
    .action((id, flags) => carry(async (t) => (await import("./why.ts")).why(t, id, flags), flags));
  addRunControl(runs, carry, asking);
  asking(runs.command("logs <run>"))
    .description("print what a run and those below it wrote")
    .option("-f, --follow", "go on until the run has ended; with --json a line each")
    .addOption(patienceOption())
    .action((id, flags) => carry(async (t) => (await import("./runs-history.ts")).logs(t, id, flags), flags));
  asking(runs.command("events <run>"))
    .description("print what happened to a run")
    .option("--after <number>", "only events after this number")
    .option("-f, --follow", "go on until the run has ended; with --json a line each")
    .addOption(patienceOption())
    .action((id, flags) => carry(async (t) => (await import("./runs-history.ts")).events(t, id, flags), flags));
}

function addIntentCommands(program: Command, carry: Carry): void {
  const intents = program
    .command("intents")
    .description("see what your own transactions promised in SQL and could not be carried out")
    .helpCommand(false)
    .action((_flags, command: Command) => command.help({ error: true }));
  asking(intents.command("list"))
    .description("list rejected intents, oldest first")
    .option("--open", "those that no node has carried out yet instead")
    .option("--limit <count>", "at most so many (default 20)")
    .option("--cursor <cursor>", "go on where a list ended")
    .action((flags) => carry(async (t) => (await import("./intents.ts")).listIntents(t, flags), flags));
  asking(intents.command("retry [intents...]"))
    .description("try rejected intents again")
    .option("--all", "every rejected one")
    .action((ids, flags) => carry(async (t) => (await import("./intents.ts")).retryIntents(t, ids, flags), flags));
  asking(intents.command("drop <intents...>"))
    .description("forget rejected intents: what they promised will not be")
    .action((ids, flags) => carry(async (t) => (await import("./intents.ts")).dropIntents(t, ids, flags), flags));
}

function common(command: Command): Command {
  return command
    .option("--json", "answer in JSON, errors too")
    .addOption(new Option("-C, --project <folder>", "as if called in this folder"));
}

/** Commands that concern the project's store. */
function stored(command: Command): Command {
  return common(command)
    .option("--store <address>", "sqlite:FILE, file:FOLDER, postgres://… or memory: (default as configured)")
    .option("--namespace <name>", "default as configured, else default");
}

/** Commands that a server answers as well. */
function asking(command: Command): Command {
  return stored(command)
    .option("--server <url>", "ask this server (default: the running dev, else the store itself)")
    .addOption(tokenOption());
}

function listening(command: Command): Command {
  return command
    .option("--port <number>", "where to listen; 0 takes a free one (default 4400)")
    .option("--host <address>", "default 127.0.0.1; others need a token")
    .option("--concurrency <count>", "tasks at once (default: one for each processor)");
}

function tokenOption(): Option {
  return new Option("--token <token>", "the server's token; better in HOLDFAST_TOKEN, which others cannot see");
}

function patienceOption(): Option {
  return new Option(
    "--patience <duration>",
    "how long a server or store may be away before this gives up (default 10m)",
  );
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
