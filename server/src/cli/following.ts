import type { LogLineView, RunView } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { logText } from "./log-text.ts";
import { changeLine, Screen, treeLines } from "./run-screen.ts";
import { RunTree, type TreeNode } from "./run-tree.ts";
import { type Viewer, watchRun } from "./run-watch.ts";
import type { Terminal } from "./terminal.ts";

const drawMs = 100;
/** A start is told when so much has passed: one that is skipped since its condition does not hold has not started. */
const heldMs = 300;

export interface Followed {
  readonly run: RunView;
  /** True: it was started before; what has ended in it already is no news. */
  readonly existing: boolean;
  /** True: what its bodies write is not shown. */
  readonly isQuiet: boolean;
  /** How long nobody may answer. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/**
 * Shows a run's progress and what its bodies write until it has ended: on a terminal a tree that is drawn again below the
 * lines, else a line a change. Answers as `watchRun` does.
 */
export async function followRun(
  terminal: Terminal,
  plane: ControlPlane,
  { run, existing, isQuiet, patienceMs, signal }: Followed,
): Promise<RunView | undefined> {
  const tree = new RunTree(run);
  const viewer = terminal.live ? new LiveView(terminal, tree, isQuiet) : new LineView(terminal, tree, isQuiet);
  try {
    return await watchRun(run, { plane, tree, viewer, fromStart: !existing, follow: true, patienceMs, signal });
  } finally {
    viewer.close();
  }
}

interface ClosableViewer extends Viewer {
  close(): void;
}

/** Tells each change in a line of its own. */
export class LineView implements ClosableViewer {
  readonly #terminal: Terminal;
  readonly #tree: RunTree;
  readonly #isQuiet: boolean;
  /** What was said last of each run: the log may tell again what stood in the list. */
  readonly #said = new Map<string, string>();
  /** Starts that have not been told yet, in order. */
  readonly #starts = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal, tree: RunTree, isQuiet: boolean) {
    this.#terminal = terminal;
    this.#tree = tree;
    this.#isQuiet = isQuiet;
  }

  changed(node: TreeNode, at: number): void {
    const said = `${node.status} ${node.attempt} ${node.message ?? ""}`;
    if (this.#said.get(node.id) === said) return;
    this.#said.set(node.id, said);
    if (node.status === "skipped") this.#starts.delete(node.id);
    const line = changeLine(this.#terminal, node, at);
    if (line === undefined) return;
    if (node.status !== "running") this.#tell(line);
    else {
      this.#starts.set(node.id, line);
      this.#timer ??= setTimeout(() => this.#tellStarts(), heldMs);
    }
  }

  /** Starts that came before are told before. */
  #tell(line: string): void {
    this.#tellStarts();
    this.#terminal.relay(line);
  }

  #tellStarts(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const line of this.#starts.values()) this.#terminal.relay(line);
    this.#starts.clear();
  }

  loaded(): void {
    // What has ended before is not told again; what is under way is.
    for (const node of this.#tree.running()) this.changed(node, node.startedAt ?? Date.now());
  }

  wrote(line: LogLineView, name: string): void {
    // A line for each report of progress would bury the rest.
    if (this.#isQuiet || line.stream === "progress") return;
    // What is under way is told before what it writes, also where both were there before anybody looked.
    const node = this.#tree.find(line.runId);
    if (node?.status === "running") this.changed(node, node.startedAt ?? Date.parse(line.at));
    this.#tell(logText(this.#terminal, line, name));
  }

  say(text: string): void {
    this.#tellStarts();
    this.#terminal.note(text);
  }

  close(): void {
    this.#tellStarts();
  }
}

class LiveView implements ClosableViewer {
  readonly #screen: Screen;
  readonly #terminal: Terminal;
  readonly #tree: RunTree;
  readonly #isQuiet: boolean;
  readonly #timer: NodeJS.Timeout;
  #stale = true;
  #drawnAt = 0;

  constructor(terminal: Terminal, tree: RunTree, isQuiet: boolean) {
    this.#terminal = terminal;
    this.#tree = tree;
    this.#isQuiet = isQuiet;
    this.#screen = new Screen(terminal);
    this.#timer = setInterval(() => this.#tick(), drawMs);
  }

  changed(): void {
    this.#stale = true;
  }

  loaded(): void {
    this.#draw();
  }

  wrote(line: LogLineView, name: string): void {
    if (line.stream === "progress") this.#tree.reported(line.runId, line.text);
    else if (!this.#isQuiet) this.#screen.above(logText(this.#terminal, line, name));
    this.#stale = true;
  }

  say(text: string): void {
    this.#screen.above(this.#terminal.colors.yellow(this.#terminal.typed(text)));
    this.#draw();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#draw();
  }

  #tick(): void {
    // Lengths of time go on although nothing happens.
    if (this.#stale || Date.now() - this.#drawnAt >= 1_000) this.#draw();
  }

  #draw(): void {
    this.#stale = false;
    this.#drawnAt = Date.now();
    this.#screen.draw(treeLines(this.#terminal, this.#tree.root, this.#drawnAt));
  }
}
