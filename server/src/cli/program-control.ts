import type { Bulk } from "@holdfast/protocol";
import type { Command } from "commander";
import type { BulkFlags } from "./bulk.ts";
import type { Terminal } from "./terminal.ts";

// Commands by which people control what runs.

/** Carries out a command and remembers its exit code. */
export type Carry = (
  act: (terminal: Terminal) => Promise<number> | number,
  flags: { json?: boolean; project?: string },
) => Promise<void>;

/** Adds a command's flags for whom it asks. */
export type Asking = (command: Command) => Command;

/** Below `holdfast runs`. Where a run may be left out, a filter says which runs are meant. */
export function addRunControl(runs: Command, carry: Carry, asking: Asking): void {
  many(asking(runs.command("cancel [run]")))
    .description("end a run and everything below it, or the runs of a filter")
    .option("--force", "do not wait for what is running: its node ends it when it can")
    .option("--reason <text>", "why, for those who look at it later")
    .action((id, flags) =>
      carry(
        (t) =>
          oneOrMany(t, { action: "cancel", id, flags }, async (run) =>
            (await import("./runs.ts")).cancel(t, run, flags),
          ),
        flags,
      ),
    );
  many(asking(runs.command("retry [run]")))
    .description("try again what did not succeed, keeping what is recorded")
    .option("--from-failed", "everything below it that failed, also where the rest goes on")
    .option("--reason <text>", "why, for those who look at it later")
    .action((id, flags) =>
      carry(
        (t) =>
          oneOrMany(t, { action: "retry", id, flags }, async (run) =>
            (await import("./restarts.ts")).retry(t, run, flags),
          ),
        flags,
      ),
    );
  many(asking(runs.command("clear [run]")))
    .description("start a run again, with everything that depends on it; what it has under way is ended first")
    .option("--fresh", "from the beginning: no recorded step answers (default)")
    .option("--resume", "keep recorded steps, state, open external jobs and what has succeeded below it")
    .option("--reason <text>", "why, for those who look at it later")
    .action((id, flags) =>
      carry(
        (t) =>
          oneOrMany(t, { action: "clear", id, flags }, async (run) =>
            (await import("./restarts.ts")).clear(t, run, flags),
          ),
        flags,
      ),
    );
  asking(runs.command("signal <run> <name>"))
    .description("send a signal to a run whose body waits for it, or will")
    .option("--payload <json>", "what it brings: JSON, or @file")
    .action((id, name, flags) => carry(async (t) => (await import("./signals.ts")).signal(t, id, name, flags), flags));
  asking(runs.command("mark <run> <status>"))
    .description("say that a run has succeeded or failed; what depends on it follows")
    .option("--output <json>", "what it is to have returned")
    .option("--reason <text>", "why, for those who look at it later")
    .action((id, status, flags) => carry(async (t) => (await import("./marks.ts")).mark(t, id, status, flags), flags));
  asking(runs.command("skip <run>"))
    .description("end a run as skipped; what depends on it follows")
    .option("--reason <text>", "why, for those who look at it later")
    .action((id, flags) => carry(async (t) => (await import("./marks.ts")).mark(t, id, "skipped", flags), flags));
  addPauses(runs, "run", carry, asking);
}

/** Where a run may be left out: what is done for the one that is named, else for those of a filter. */
async function oneOrMany(
  terminal: Terminal,
  { action, id, flags }: { action: Bulk["action"]; id: string | undefined; flags: BulkFlags },
  act: (id: string) => Promise<number>,
): Promise<number> {
  const { actOnOne, bulk } = await import("./bulk.ts");
  return id === undefined ? bulk(terminal, action, flags) : actOnOne(terminal, { action, id, flags }, () => act(id));
}

function many(command: Command): Command {
  return command
    .option("--status <status>", "without a run: those of this status (repeatable)", (value, before: string[] = []) => [
      ...before,
      value,
    ])
    .option("--definition <id>", "without a run: those of this definition")
    .option("--since <moment>", "without a run: those created since then, or so long ago (2h)")
    .option("--all", "without a run: also runs inside of workflows")
    .option("--preview", "list what is meant and do nothing")
    .option("--yes", "do it without asking");
}

/** `holdfast queues …` and `holdfast definitions …`. */
export function addQueueCommands(program: Command, carry: Carry, asking: Asking): void {
  const queues = asking(program.command("queues"))
    .description("show the limits of queues and definitions, and who holds what")
    .helpCommand(false)
    .action((flags) => carry(async (t) => (await import("./queues.ts")).queues(t, flags), flags));
  addPauses(queues, "queue", carry, asking);
  const definitions = program
    .command("definitions")
    .description("see, pause and resume definitions")
    .helpCommand(false)
    .action((_flags, command: Command) => command.help({ error: true }));
  asking(definitions.command("list"))
    .description("list the current definitions, and which are paused")
    .action((flags) => carry(async (t) => (await import("./definitions-list.ts")).listDefinitions(t, flags), flags));
  addPauses(definitions, "definition", carry, asking);
}

const paused = {
  run: "a run and everything below it",
  definition: "the runs of a definition and everything below them",
  queue: "a queue",
} as const;

function addPauses(parent: Command, kind: keyof typeof paused, carry: Carry, asking: Asking): void {
  const name = kind === "run" ? "[run]" : `<${kind}>`;
  const add = (text: string) => (kind === "run" ? many(asking(parent.command(text))) : asking(parent.command(text)));
  add(`pause ${name}`)
    .description(`start nothing of ${paused[kind]} until it is resumed`)
    .option("--reason <text>", "why, for those who look at it later")
    .action((given, flags) =>
      carry(async (t) => {
        const act = async (name: string) => (await import("./pauses.ts")).pause(t, { kind, name }, flags);
        return kind === "run" ? oneOrMany(t, { action: "pause", id: given, flags }, act) : act(given);
      }, flags),
    );
  add(`resume ${name}`)
    .description(`let ${paused[kind]} go on`)
    .action((given, flags) =>
      carry(async (t) => {
        const act = async (name: string) => (await import("./pauses.ts")).resume(t, { kind, name }, flags);
        return kind === "run" ? oneOrMany(t, { action: "resume", id: given, flags }, act) : act(given);
      }, flags),
    );
}
