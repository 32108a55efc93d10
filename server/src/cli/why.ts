import { type ConsumerView, isAppError, type Reason, type RunBrief } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { connected } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes } from "./failures.ts";
import type { CommonFlags } from "./project.ts";
import { paintStatus, statusSign } from "./statuses.ts";
import { oneLine, type Terminal, wrapped } from "./terminal.ts";

/** `holdfast why RUN`: what keeps it, and what keeps those that it waits for; of a definition that events start, what it waits for. */
export function why(terminal: Terminal, id: string, flags: CommonFlags): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const explained = await plane.explainRun(id).catch((error: unknown) => {
      if (isAppError(error, "not_found")) return error;
      throw error;
    });
    if (isAppError(explained)) return tellConsumer(terminal, await consumerOr(explained, plane, id));
    const { run, reasons, causes, more } = explained;
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

/** The definition of this id that events start; where there is none, what was said of the run counts. */
async function consumerOr(unknownRun: Error, plane: ControlPlane, id: string): Promise<ConsumerView> {
  try {
    return await plane.assets.consumer(id);
  } catch (error) {
    if (!isAppError(error, "not_found")) throw error;
    const isDefinition = (await plane.listDefinitions()).some((definition) => definition.id === id);
    throw isDefinition ? error : unknownRun;
  }
}

function tellConsumer(terminal: Terminal, consumer: ConsumerView): number {
  terminal.answer({ consumer });
  const { definition, waitsFor, assets, lastRun } = consumer;
  terminal.print(wrapped(`${oneLine(definition)} waits for ${terminal.typed(oneLine(waitsFor))}.`, terminal.columns));
  for (const { asset, position, lastEvent } of assets) {
    terminal.print(`  ${asset}: it has had ${position} of ${counted(lastEvent, "event")}`);
  }
  if (lastRun !== null) terminal.print(`  its last run is ${lastRun}`);
  return exitCodes.done;
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
