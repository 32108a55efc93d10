import type { Command } from "commander";
import type { Asking, Carry } from "./program-control.ts";

/** `holdfast schedules …`. */
export function addScheduleCommands(program: Command, carry: Carry, asking: Asking): void {
  const load = () => import("./schedules.ts");
  const schedules = program
    .command("schedules")
    .description("see and control what starts by itself")
    .helpCommand(false)
    .action((_flags, command: Command) => command.help({ error: true }));
  asking(schedules.command("list"))
    .description("list schedules, and when each starts next")
    .option("--definition <id>", "only of this definition")
    .option("--limit <count>", "at most so many (default 100)")
    .option("--cursor <cursor>", "go on where a list ended")
    .action((flags) => carry(async (t) => (await load()).listSchedules(t, flags), flags));
  asking(schedules.command("show <schedule>"))
    .description("show a schedule, its next ticks, and those that started no run")
    .action((id, flags) => carry(async (t) => (await load()).showSchedule(t, id, flags), flags));
  asking(schedules.command("next <schedule>"))
    .description("print its next ticks, a line each")
    .option("--count <count>", "so many (default 10)")
    .action((id, flags) => carry(async (t) => (await load()).nextTicks(t, id, flags), flags));
  asking(schedules.command("pause <schedule>"))
    .description("let no tick start a run until it is resumed")
    .option("--reason <text>", "why, for whoever looks")
    .action((id, flags) => carry(async (t) => (await load()).pauseSchedule(t, id, { ...flags, paused: true }), flags));
  asking(schedules.command("resume <schedule>"))
    .description("let its ticks start runs again")
    .action((id, flags) => carry(async (t) => (await load()).pauseSchedule(t, id, { ...flags, paused: false }), flags));
  asking(schedules.command("remove <schedule>"))
    .description("end a schedule whose definition is gone, or until it is applied anew")
    .action((id, flags) => carry(async (t) => (await load()).removeSchedule(t, id, flags), flags));
  asking(schedules.command("start <schedule>"))
    .description("start a run now, with what the schedule says")
    .action((id, flags) => carry(async (t) => (await load()).startSchedule(t, id, flags), flags));
}
