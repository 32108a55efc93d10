import type { Command } from "commander";
import type { Terminal } from "./terminal.ts";

// Commands by which people control what runs.

/** Carries out a command and remembers its exit code. */
export type Carry = (
  act: (terminal: Terminal) => Promise<number> | number,
  flags: { json?: boolean; project?: string },
) => Promise<void>;

/** Adds a command's flags for whom it asks. */
export type Asking = (command: Command) => Command;

/** Below `holdfast runs`. */
export function addRunControl(runs: Command, carry: Carry, asking: Asking): void {
  asking(runs.command("cancel <run>"))
    .description("end a run and everything below it")
    .option("--reason <text>", "why, for those who look at it later")
    .action((id, flags) => carry(async (t) => (await import("./runs.ts")).cancel(t, id, flags), flags));
  addPauses(runs, "run", carry, asking);
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
  asking(parent.command(`pause <${kind}>`))
    .description(`start nothing of ${paused[kind]} until it is resumed`)
    .option("--reason <text>", "why, for those who look at it later")
    .action((name, flags) => carry(async (t) => (await import("./pauses.ts")).pause(t, { kind, name }, flags), flags));
  asking(parent.command(`resume <${kind}>`))
    .description(`let ${paused[kind]} go on`)
    .action((name, flags) => carry(async (t) => (await import("./pauses.ts")).resume(t, { kind, name }, flags), flags));
}
