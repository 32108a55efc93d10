import type { RunStatus } from "@holdfast/protocol";
import type { Terminal } from "./terminal.ts";

type Color = "green" | "red" | "yellow" | "cyan" | "dim";

const looks: Readonly<Record<RunStatus, { readonly sign: string; readonly color: Color }>> = {
  pending: { sign: "·", color: "dim" },
  ready: { sign: "·", color: "dim" },
  running: { sign: "▸", color: "cyan" },
  waiting: { sign: "▸", color: "cyan" },
  cancelling: { sign: "■", color: "yellow" },
  succeeded: { sign: "✓", color: "green" },
  failed: { sign: "✗", color: "red" },
  cancelled: { sign: "■", color: "yellow" },
  skipped: { sign: "○", color: "dim" },
};

export function statusSign({ colors }: Terminal, status: RunStatus): string {
  const { sign, color } = looks[status];
  return colors[color](sign);
}

export function paintStatus({ colors }: Terminal, status: RunStatus, text: string): string {
  return colors[looks[status].color](text);
}

/** With its sign, without colour. */
export function statusText(status: RunStatus): string {
  return `${looks[status].sign} ${status}`;
}
