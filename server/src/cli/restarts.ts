import type { Restarted } from "@holdfast/protocol";
import { connected } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes, UsageError } from "./failures.ts";
import type { CommonFlags } from "./project.ts";
import type { Terminal } from "./terminal.ts";

interface RestartFlags extends CommonFlags {
  readonly reason?: string;
}

/** `holdfast runs retry RUN`. */
export function retry(
  terminal: Terminal,
  id: string,
  { fromFailed, reason, ...flags }: RestartFlags & { readonly fromFailed?: boolean },
): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const { attempt } = await plane.getRun(id);
    const failed = fromFailed === true ? { fromFailed } : { attempt };
    return tell(terminal, await plane.retryRun(id, { ...failed, ...(reason === undefined ? {} : { reason }) }));
  });
}

/** `holdfast runs clear RUN`. */
export function clear(
  terminal: Terminal,
  id: string,
  { fresh, resume, reason, ...flags }: RestartFlags & { readonly fresh?: boolean; readonly resume?: boolean },
): Promise<number> {
  if (fresh === true && resume === true) {
    throw new UsageError("--fresh and --resume exclude each other.", "Without either it is --fresh.");
  }
  return connected(terminal, flags, async ({ plane }) => {
    const { attempt } = await plane.getRun(id);
    const mode = resume === true ? "resume" : "fresh";
    return tell(terminal, await plane.clearRun(id, { mode, attempt, ...(reason === undefined ? {} : { reason }) }));
  });
}

function tell(terminal: Terminal, done: Restarted): number {
  terminal.answer(done);
  const { run, ids, restarted, reset, reopened, unchanged, refused } = done;
  if (restarted === 1) terminal.note(`Run ${ids[0] ?? run.id} starts again${ids[0] === run.id ? tryText(run) : ""}.`);
  else if (restarted > 1) terminal.note(`${counted(restarted, "run")} in ${run.id} start again.`);
  if (reset > 0)
    terminal.note(`${counted(reset, "run")} that ${reset === 1 ? "depends on it waits" : "depend on it wait"} again.`);
  if (reopened > 0) terminal.note(`${counted(reopened, "run")} above ${reopened === 1 ? "is" : "are"} open again.`);
  if (restarted === 0 && unchanged > 0)
    terminal.note(`Nothing is to be done: run ${run.id} is ${run.status} in try ${run.attempt} already.`);
  tellOfHeld(terminal, done);
  for (const { message } of refused) terminal.note(`Not started again: ${message}`);
  return refused.length > 0 ? exitCodes.failed : exitCodes.done;
}

/** What is kept, what is not, and what it still waits for. */
function tellOfHeld(terminal: Terminal, { kept, dropped }: Pick<Restarted, "kept" | "dropped">): void {
  const [goesOn, leaves] = [heldText(kept), heldText(dropped)];
  if (goesOn !== "") terminal.note(`Kept: ${goesOn}.`);
  if (leaves !== "") terminal.note(`Left behind: ${leaves}.`);
  const { jobs } = dropped;
  const few = `${jobs.slice(0, 3).join(", ")}${jobs.length > 3 ? " …" : ""}`;
  if (jobs.length > 0) terminal.note(`It starts once the end of ${few} is acknowledged.`);
}

function heldText({ steps, values, jobs }: Restarted["kept"]): string {
  const parts = [
    [steps, "recorded step"],
    [values, "value"],
    [jobs.length, "external job"],
  ] as const;
  return parts.flatMap(([count, what]) => (count === 0 ? [] : counted(count, what))).join(", ");
}

function tryText({ attempt, generation }: Restarted["run"]): string {
  return ` (try ${attempt}${generation > 1 ? `, generation ${generation}` : ""})`;
}
