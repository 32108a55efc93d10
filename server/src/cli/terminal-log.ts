import { type Logger, openLog } from "../log.ts";
import { oneLine, type Terminal } from "./terminal.ts";
import { clockText } from "./times.ts";

const levelNames: Readonly<Record<number, "warn" | "error">> = { 40: "warn", 50: "error", 60: "error" };

/**
 * The control plane's log for people: a line each, from `level` on. Where HOLDFAST_LOG names a level, or under --json, it is
 * the log for programs instead, JSON lines on stderr.
 */
export function openTerminalLog(terminal: Terminal, level: "warn" | "silent"): Logger {
  const named = process.env.HOLDFAST_LOG;
  if (named !== undefined && named !== "") return openLog(named);
  if (terminal.json) return openLog(level);
  return openLog(level, { write: (line) => terminal.relay(lineText(terminal, line)) });
}

function lineText({ colors }: Terminal, line: string): string {
  const { level, time, msg, err } = JSON.parse(line) as {
    readonly level: number;
    readonly time: string;
    readonly msg?: string;
    readonly err?: { readonly message?: string };
  };
  const name = levelNames[level] ?? "info";
  const paint = name === "error" ? colors.red : colors.yellow;
  const why = err?.message === undefined ? "" : ` ${err.message}`;
  return `${colors.dim(clockText(Date.parse(time)))} ${paint(name)} ${oneLine(`${msg ?? ""}${why}`)}`;
}
