import type { Command } from "commander";
import type { Asking, Carry } from "./program-control.ts";

/** `holdfast state …` and `holdfast gc`. */
export function addStateCommands(program: Command, carry: Carry, asking: Asking): void {
  const state = program
    .command("state")
    .description("see and change values that runs, tasks and assets keep; <of>: a run, task:ID or asset:ID")
    .helpCommand(false)
    .action((_flags, command: Command) => command.help({ error: true }));
  asking(state.command("get <of> <key>"))
    .description("print one value as JSON")
    .action((of, key, flags) => carry(async (t) => (await import("./state.ts")).getState(t, of, key, flags), flags));
  asking(state.command("set <of> <key> <json>"))
    .description("set one value: JSON, or @file")
    .option("--if-version <version>", "only while it has this version; 0: only while there is none")
    .option("--retention <duration>", "how long it is kept: 7d, or never (default as its kind says)")
    .action((of, key, json, flags) =>
      carry(async (t) => (await import("./state.ts")).setState(t, of, { key, json }, flags), flags),
    );
  asking(state.command("list <of>"))
    .description("list values with their versions, in the order of their keys")
    .option("--prefix <prefix>", "those whose keys begin so")
    .option("--limit <count>", "at most so many (default 20)")
    .option("--after <key>", "go on where a list ended")
    .action((of, flags) => carry(async (t) => (await import("./state.ts")).listState(t, of, flags), flags));
  asking(state.command("delete <of> <key>"))
    .description("delete one value")
    .option("--if-version <version>", "only while it has this version")
    .action((of, key, flags) => carry(async (t) => (await import("./state.ts")).deleteState(t, of, key, flags), flags));
  asking(state.command("clear <of>"))
    .description("delete all values")
    .option("--prefix <prefix>", "those whose keys begin so")
    .action((of, flags) => carry(async (t) => (await import("./state.ts")).clearState(t, of, flags), flags));
  asking(program.command("gc"))
    .description("delete values of state whose time is over, which nodes do by themselves")
    .option("--dry-run", "show them only")
    .action((flags) => carry(async (t) => (await import("./state.ts")).gc(t, flags), flags));
}
