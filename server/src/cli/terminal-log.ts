import { type Logger, openLog } from "../log.ts";
import { oneLine, type Terminal } from "./terminal.ts";
import { clockText } from "./times.ts";

/**
 * The control plane's log for people: a line each, from `level` on. Where HOLDFAST_LOG names a level, or under --json, it is
 * the log for programs instead, JSON lines on stderr.
 */
export function openTerminalLog(terminal: Terminal, level: "info" | "warn" | "silent"): Logger {
  const named = process.env.HOLDFAST_LOG;
  if (named !== undefined && named !== "") return openLog(named);
  if (terminal.json) return openLog(level);
  return openLog(level, { write: (line) => terminal.relay(lineText(terminal, line)) });
}

function lineText({ colors }: Terminal, line: string): string {
  const { level, time, msg, err } = JSON.parse(line) as {
    readonly level: string;
    readonly time: string;
    readonly msg?: string;
    readonly err?: { readonly message?: string };
  };
  const name = level === "fatal" ? "error" : level;
  const paint = { error: colors.red, warn: colors.yellow }[name] ?? colors.dim;
  const why = err?.message === undefined ? "" : ` ${err.message}`;
  return `${colors.dim(clockText(Date.parse(time)))} ${paint(name)} ${oneLine(`${msg ?? ""}${why}`)}`;
}
