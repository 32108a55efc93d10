import type { RunStatus } from "@holdfast/protocol";
import type { TreeNode } from "./run-tree.ts";
import { paintStatus, statusSign } from "./statuses.ts";
import { cut, oneLine, type Terminal, visibleLength } from "./terminal.ts";
import { clockText, lengthText } from "./times.ts";

const barCells = 16;
const shownItems = 4;
const indent = "  ";

/** The tree as lines, none wider than the terminal, at most as many as fit on it. */
export function treeLines(terminal: Terminal, root: TreeNode, now: number): string[] {
  const lines = nodeLines(terminal, root, { depth: 0, now });
  const room = Math.max(4, terminal.rows - 2);
  if (lines.length <= room) return lines;
  const hidden = lines.length - room + 1;
  return [...lines.slice(0, room - 1), terminal.colors.dim(`${indent}… ${hidden} more lines`)];
}

interface Place {
  readonly depth: number;
  readonly now: number;
}

function nodeLines(terminal: Terminal, node: TreeNode, { depth, now }: Place): string[] {
  const own = nodeLine(terminal, node, { depth, now });
  const inner = { depth: depth + 1, now };
  if (node.kind === "map") {
    const wanted = node.children.filter(({ status }) => status === "failed" || status === "running");
    const shown = wanted.toSorted((a, b) => Number(b.status === "failed") - Number(a.status === "failed"));
    return [own, ...shown.slice(0, shownItems).flatMap((child) => nodeLines(terminal, child, inner))];
  }
  // A nested workflow that went well is one line.
  if (depth > 0 && node.status === "succeeded") return [own];
  return [own, ...node.children.flatMap((child) => nodeLines(terminal, child, inner))];
}

function nodeLine(terminal: Terminal, node: TreeNode, { depth, now }: Place): string {
  const start = `${indent.repeat(depth)}${statusSign(terminal, node.status)} `;
  const name = oneLine(node.name);
  const rest = detail(node, now);
  const room = terminal.columns - visibleLength(start) - 1;
  const shortName = cut(name, room);
  const left = room - visibleLength(shortName) - 2;
  const shortRest = rest === "" || left < 6 ? "" : `  ${cut(rest, left)}`;
  const { colors } = terminal;
  const paintedName = depth === 0 ? colors.bold(shortName) : shortName;
  const paintedRest = node.status === "failed" ? paintStatus(terminal, "failed", shortRest) : colors.dim(shortRest);
  return `${start}${paintedName}${paintedRest}`;
}

function detail(node: TreeNode, now: number): string {
  const parts = [countText(node), ownText(node, now), durationText(node, now)].filter((part) => part !== "");
  return parts.join("  ");
}

function countText({ kind, children }: TreeNode): string {
  if (kind !== "map" || children.length === 0) return "";
  const done = children.filter((child) => child.endedAt !== undefined).length;
  const filled = Math.floor((done / children.length) * barCells);
  return `${"█".repeat(filled)}${"░".repeat(barCells - filled)} ${done}/${children.length}`;
}

function ownText(node: TreeNode, now: number): string {
  if (node.retryAt !== undefined) {
    const wait = lengthText(Math.max(0, node.retryAt - now));
    return `try ${node.attempt} in ${wait}: ${oneLine(node.message ?? "")}`;
  }
  if (node.status === "failed" || node.status === "cancelled" || node.status === "skipped") {
    return oneLine(node.message ?? node.status);
  }
  const attempt = node.attempt > 1 && node.status === "running" ? `try ${node.attempt}` : "";
  return [attempt, node.status === "running" ? oneLine(node.progress ?? "") : ""]
    .filter((part) => part !== "")
    .join(" ");
}

function durationText({ startedAt, endedAt, status }: TreeNode, now: number): string {
  if (startedAt === undefined || status === "skipped") return "";
  return lengthText(Math.max(0, (endedAt ?? now) - startedAt));
}

const saidOf: Readonly<Partial<Record<RunStatus, string>>> = {
  running: "started",
  waiting: "waits",
  cancelling: "is being cancelled",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  skipped: "skipped",
};

/** What is said of a change where lines cannot be drawn again; undefined for what nobody waits to hear. */
export function changeLine(terminal: Terminal, node: TreeNode, at: number): string | undefined {
  const { colors } = terminal;
  const time = colors.dim(clockText(at));
  if (node.retryAt !== undefined) {
    const wait = lengthText(Math.max(0, node.retryAt - at));
    return `${time} ${oneLine(node.name)} failed, try ${node.attempt} in ${wait}: ${oneLine(node.message ?? "")}`;
  }
  if (node.status === "ready" && node.message !== undefined && node.startedAt !== undefined) {
    return `${time} ${oneLine(node.name)} starts again: ${oneLine(node.message)}`;
  }
  const said = saidOf[node.status];
  const isAtWork = node.status === "running" || node.status === "waiting";
  if (said === undefined || (node.kind !== "task" && isAtWork)) return undefined;
  const length =
    node.endedAt === undefined || node.startedAt === undefined || node.status === "skipped"
      ? ""
      : ` in ${lengthText(node.endedAt - node.startedAt)}`;
  const why = node.status === "succeeded" || isAtWork || node.message === undefined ? "" : `: ${oneLine(node.message)}`;
  return `${time} ${oneLine(node.name)} ${paintStatus(terminal, node.status, said)}${length}${why}`;
}

/** Draws lines over those that it drew before. */
export class Screen {
  readonly #terminal: Terminal;
  #lines: readonly string[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  draw(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\u001b[K\n`).join("");
    this.#terminal.write(`${this.#up()}\r${text}\u001b[J`);
    this.#lines = lines;
  }

  /** Puts a text that stays above what is drawn. */
  above(text: string): void {
    const below = this.#lines.map((line) => `${line}\u001b[K\n`).join("");
    this.#terminal.write(`${this.#up()}\r\u001b[J${text}\n${below}`);
  }

  #up(): string {
    return this.#lines.length === 0 ? "" : `\u001b[${this.#lines.length}A`;
  }
}
