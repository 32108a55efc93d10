import type { Command } from "commander";
import type { Asking, Carry } from "./program-control.ts";

/** `holdfast external-jobs …`. */
export function addExternalCommands(program: Command, carry: Carry, asking: Asking): void {
  const jobs = program
    .command("external-jobs")
    .description("see jobs in other systems, and decide about those that nobody can ask for")
    .helpCommand(false)
    .action((_flags, command: Command) => command.help({ error: true }));
  asking(jobs.command("list"))
    .description("list external jobs, newest first")
    .option("--run <run>", "those of this run")
    .option("--service <service>", "those of this service")
    .option("--status <status>", "those of this status (repeatable)", (value, before: string[] = []) => [
      ...before,
      value,
    ])
    .option("--limit <count>", "at most so many (default 20)")
    .option("--cursor <cursor>", "go on where a list ended")
    .action((flags) => carry(async (t) => (await import("./external-jobs.ts")).listJobs(t, flags), flags));
  asking(jobs.command("show <job>"))
    .description("show one external job, with its result")
    .action((id, flags) => carry(async (t) => (await import("./external-jobs.ts")).showJob(t, id, flags), flags));
  asking(jobs.command("resolve <job>"))
    .description("say what became of a job that nobody can ask for")
    .option("--as <what>", "succeeded, failed, lost (given up), running (it is there), resubmit (it never began)")
    .option("--result <json>", "with --as succeeded: what it returned; JSON, or @file")
    .option("--ref <json>", "with --as running: how it is called there; JSON, or @file")
    .option("--message <text>", "with --as failed or lost: why")
    .action((id, flags) => carry(async (t) => (await import("./external-jobs.ts")).resolveJob(t, id, flags), flags));
  asking(jobs.command("sweep"))
    .description("list jobs that are open though their run has ended")
    .option("--yes", "give them up: nobody tries to end them any more")
    .action((flags) => carry(async (t) => (await import("./external-jobs.ts")).sweepJobs(t, flags), flags));
}
