import type { Reason, RunBrief } from "@holdfast/protocol";
import { connected } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes } from "./failures.ts";
import type { CommonFlags } from "./project.ts";
import { paintStatus, statusSign } from "./statuses.ts";
import { oneLine, type Terminal, wrapped } from "./terminal.ts";

/** `holdfast why RUN`: what keeps it, and what keeps those that it waits for. */
export function why(terminal: Terminal, id: string, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const { run, reasons, causes, more } = await plane.explainRun(id);
    terminal.answer({ run, reasons, causes, more });
    tell(terminal, run, reasons);
    if (causes.length > 0) terminal.print(`\n${terminal.colors.dim("What it waits for:")}`);
    for (const cause of causes) {
      terminal.print("");
      tell(terminal, cause.run, cause.reasons);
    }
    if (more) terminal.print(`\nIt waits for more than these ${counted(causes.length, "run")}.`);
    return exitCodes.done;
  });
}

function tell(terminal: Terminal, run: RunBrief, reasons: readonly Reason[]): void {
  const { colors } = terminal;
  const status = paintStatus(terminal, run.status, run.status);
  terminal.print(`${statusSign(terminal, run.status)} ${oneLine(run.name)} ${colors.dim(run.id)} ${status}`);
  for (const { message, remedy, runs } of reasons) {
    terminal.print(wrapped(`  ${terminal.typed(oneLine(message))}`, terminal.columns));
    for (const { id, name, status: theirs } of runs) {
      terminal.print(`    ${statusSign(terminal, theirs)} ${oneLine(name)} ${colors.dim(id)}`);
    }
    if (remedy !== null) terminal.print(wrapped(`  ${colors.dim("→")} ${terminal.typed(remedy)}`, terminal.columns));
  }
}
