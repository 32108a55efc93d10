import type { Json, RunError, RunView, Why } from "@holdfast/protocol";
import type { Terminal } from "./terminal.ts";
import { lengthText } from "./times.ts";

const shownStackLines = 12;

/** How a run ended: its output, or why it has none and, as far as `why` knows it, what to do. */
export function outcomeText(terminal: Terminal, run: RunView, why: Why | undefined): void {
  const { colors } = terminal;
  const took =
    run.endedAt === null
      ? ""
      : ` in ${lengthText(Date.parse(run.endedAt) - Date.parse(run.startedAt ?? run.createdAt))}`;
  if (run.status === "succeeded") {
    terminal.note(`${colors.green("Succeeded")}${took}.`);
    terminal.print(valueText(run.output));
    return;
  }
  const how = run.status === "failed" ? colors.red("Failed") : colors.yellow(`Ended ${run.status}`);
  terminal.note(`${how}${took}.`);
  const remedy = why?.reasons.find(({ code }) => code === "ended")?.remedy;
  if (run.error !== null) terminal.relay(errorText(terminal, { ...run.error, hint: remedy ?? run.error.hint }));
}

/** An error with its hint and the part of its stack that is user code. */
export function errorText({ colors, typed }: Terminal, error: ErrorShown): string {
  const stack = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const more = stack.length > shownStackLines ? [`    … ${stack.length - shownStackLines} more`] : [];
  return [
    `  ${error.message} ${colors.dim(`(${error.code})`)}`,
    ...[...stack.slice(0, shownStackLines), ...more].map((line) => colors.dim(line)),
    ...(error.hint === undefined ? [] : [`  ${typed(error.hint)}`]),
  ].join("\n");
}

type ErrorShown = Omit<RunError, "hint"> & { readonly hint?: string | undefined };

/** As much of an id as names the run to other commands: the runs of one second share their first seven characters. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** A value as people read it: text as it is, the rest as indented JSON. */
export function valueText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
