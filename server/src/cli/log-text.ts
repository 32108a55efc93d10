import type { LogLineView } from "@holdfast/protocol";
import { oneLine, type Terminal } from "./terminal.ts";
import { clockText } from "./times.ts";

/** A line that a body wrote, with its time, the run's name where several are shown, and its level where it is not `info`. */
export function logText({ colors }: Terminal, line: LogLineView, name: string | undefined): string {
  const from = name === undefined ? "" : `${colors.cyan(oneLine(name))} ${colors.dim("|")} `;
  const paint = { error: colors.red, warn: colors.yellow, info: (text: string) => text, debug: colors.dim }[line.level];
  const text = line.text.split("\n").map(indentedLine).join("\n    ");
  const level = line.level === "info" ? "" : `${line.level} `;
  const said = JSON.stringify(line.fields ?? {});
  // A JSON line without a message is its own text.
  const isPlain = said === "{}" || line.stream === "progress" || isSame(line.text, said);
  const fields = isPlain ? "" : ` ${colors.dim(said)}`;
  return `${colors.dim(clockText(Date.parse(line.at)))} ${from}${paint(`${level}${text}`)}${fields}`;
}

/** What a stack says by its indentation is kept. */
function indentedLine(text: string, index: number): string {
  const indent = index === 0 ? "" : (/^[ \t]*/.exec(text)?.[0] ?? "").replaceAll("\t", "  ");
  return `${indent}${oneLine(text)}`;
}

function isSame(text: string, fields: string): boolean {
  if (!text.startsWith("{")) return false;
  try {
    return JSON.stringify(JSON.parse(text)) === fields;
  } catch {
    return false;
  }
}
