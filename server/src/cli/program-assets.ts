import type { Command } from "commander";
import type { Asking, Carry } from "./program-control.ts";

/** `holdfast assets …`. */
export function addAssetCommands(program: Command, carry: Carry, asking: Asking): void {
  const assets = program
    .command("assets")
    .description("see and change what tasks read and write; <asset>: its id or URI")
    .helpCommand(false)
    .action((_flags, command: Command) => command.help({ error: true }));
  asking(assets.command("list"))
    .description("list assets that definitions declare")
    .option("--all", "also those that nothing declares any more")
    .option("--limit <count>", "at most so many (default 100)")
    .option("--after <asset>", "go on where a list ended")
    .action((flags) => carry(async (t) => (await import("./assets.ts")).listAssets(t, flags), flags));
  asking(assets.command("show <asset>"))
    .description("show its watermarks, what writes and reads it, and what its events start")
    .action((name, flags) => carry(async (t) => (await import("./assets.ts")).showAsset(t, name, flags), flags));
  asking(assets.command("events <asset>"))
    .description("list its events, oldest first")
    .option("--after <number>", "only events behind this number")
    .option("--limit <count>", "at most so many (default 20)")
    .action((name, flags) => carry(async (t) => (await import("./assets.ts")).listAssetEvents(t, name, flags), flags));
  asking(assets.command("emit <asset> <json>"))
    .description("tell an event: JSON, or @file")
    .option("--key <key>", "while an event with this key is kept, another one of it is none")
    .action((name, json, flags) =>
      carry(async (t) => (await import("./assets.ts")).emitEvent(t, name, json, flags), flags),
    );
  asking(assets.command("advance <asset> <mark> <json>"))
    .description("move a watermark up to a number, a text, or a list of these")
    .option("--event <json>", "tell this in the same commit, if it moves; JSON, or @file")
    .option("--key <key>", "the event's key")
    .option("--backwards", "also to less than what is there")
    .action((name, mark, json, flags) =>
      carry(async (t) => (await import("./assets.ts")).advanceWatermark(t, name, { mark, json }, flags), flags),
    );
  asking(assets.command("delete <asset>"))
    .description("delete one that nothing declares any more, with all that is kept of it")
    .action((name, flags) => carry(async (t) => (await import("./assets.ts")).deleteAsset(t, name, flags), flags));
}
