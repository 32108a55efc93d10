import { isEnded, type LogLine, type RunView } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { asTyped } from "./command-name.ts";
import { LogTail } from "./log-tail.ts";
import { logText } from "./log-text.ts";
import { Patience } from "./patience.ts";
import { changeLine, Screen, treeLines } from "./run-screen.ts";
import { RunTree, type TreeNode } from "./run-tree.ts";
import type { Terminal } from "./terminal.ts";

const waitMs = 25_000;
const drawMs = 100;
/** Runs whose lines are shown; a map of thousands would bury its own progress. */
const shownRuns = 500;

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
 * lines, else a line a change. Answers the ended run, or undefined when the signal fired before. Throws `store_unavailable`
 * when nobody has answered for longer than `patienceMs`.
 */
export async function followRun(
  terminal: Terminal,
  plane: ControlPlane,
  followed: Followed,
): Promise<RunView | undefined> {
  const { run, signal, isQuiet } = followed;
  const over = new AbortController();
  const tree = new RunTree(run);
  const view = terminal.live ? new LiveView(terminal, tree) : new LineView(terminal, tree);
  const patience = new Patience({ limitMs: followed.patienceMs, say: (text) => view.say(text) });
  const tail = new LogTail({
    plane,
    patience,
    signal,
    limitRuns: shownRuns,
    onLine: (line, { id, name }) => {
      if (line.stream === "progress") view.progressed(id, line);
      else if (!isQuiet) view.wrote(line, name);
    },
  });
  const watching: Watching = { plane, tree, view, patience, tail, signal: AbortSignal.any([signal, over.signal]) };
  try {
    const begin = await patience.ask(() => plane.listTopic({ after: "last", waitMs: 0 }), signal);
    if (begin === undefined || !(await loadTree({ ...watching, signal }))) return undefined;
    view.loaded();
    for (const node of tree.tasks()) {
      if (node.status === "running") tail.open(node);
      else if (!followed.existing && isEnded(node.status)) await tail.settle(node);
    }
    const loops = Promise.all([watchEvents(watching, begin.last), tail.follow(watching.signal)]);
    loops.catch(() => undefined);
    const ended = await Promise.race([untilEnded({ ...watching, signal }, run.id), loops.then(() => undefined)]);
    over.abort();
    await loops;
    if (ended !== undefined) await showTheRest({ ...watching, signal });
    if (tail.isFull && !isQuiet) view.say(`More was written than is shown: holdfast runs logs ${run.id}`);
    return ended;
  } finally {
    over.abort();
    view.close();
  }
}

interface Watching {
  readonly plane: ControlPlane;
  readonly tree: RunTree;
  readonly view: View;
  readonly patience: Patience;
  readonly tail: LogTail;
  readonly signal: AbortSignal;
}

/** The run once it has ended; undefined when the signal fires before. */
async function untilEnded({ plane, patience, signal }: Watching, id: string): Promise<RunView | undefined> {
  while (!signal.aborted) {
    const run = await patience.ask(() => plane.awaitRun(id, waitMs, signal), signal);
    if (run !== undefined && isEnded(run.status)) return run;
  }
  return undefined;
}

interface View {
  changed(node: TreeNode, at: number): void;
  /** The tree is there as it stands; nothing of it is news. */
  loaded(): void;
  /** A body of the run of this name wrote a line. */
  wrote(line: LogLine, name: string): void;
  /** The body of the run with this id said how far it is. */
  progressed(id: string, line: LogLine): void;
  say(text: string): void;
  close(): void;
}

/** The tree as the control plane lists it. False when the signal fired before. */
async function loadTree({ plane, patience, tree, signal }: Watching): Promise<boolean> {
  let after: string | undefined;
  do {
    const page = await patience.ask(() => plane.listTree(tree.root.id, after), signal);
    if (page === undefined) return false;
    tree.load(page.runs);
    after = page.cursor ?? undefined;
  } while (after !== undefined);
  return true;
}

/** The log of all runs comes after the commits: what of this tree it has not told yet. */
async function showTheRest(watching: Watching): Promise<void> {
  const { tree, view, tail } = watching;
  const before = new Map(tree.tasks().map((node) => [node.id, node.status]));
  await loadTree(watching);
  for (const node of tree.tasks()) {
    if (!isEnded(node.status) || before.get(node.id) === node.status) continue;
    await tail.settle(node);
    view.changed(node, node.endedAt ?? Date.now());
  }
}

async function watchEvents({ plane, tree, view, patience, tail, signal }: Watching, after: number): Promise<void> {
  let position = after;
  while (!signal.aborted) {
    const page = await patience.ask(() => plane.listTopic({ after: position, waitMs }, signal), signal);
    if (page === undefined) return;
    position = page.last;
    for (const event of page.events) {
      if (event.rootId !== tree.root.id) continue;
      const node = tree.apply(event);
      if (node === undefined) continue;
      // What a body wrote is shown before what became of it.
      if (node.kind === "task" && node.status === "running") tail.open(node);
      else if (node.kind === "task" && node.startedAt !== undefined) await tail.settle(node);
      view.changed(node, event.at);
    }
  }
}

class LineView implements View {
  readonly #terminal: Terminal;
  readonly #tree: RunTree;
  /** What was said last of each run: the log may tell again what stood in the list. */
  readonly #said = new Map<string, string>();

  constructor(terminal: Terminal, tree: RunTree) {
    this.#terminal = terminal;
    this.#tree = tree;
  }

  changed(node: TreeNode, at: number): void {
    const said = `${node.status} ${node.attempt} ${node.message ?? ""}`;
    if (this.#said.get(node.id) === said) return;
    this.#said.set(node.id, said);
    const line = changeLine(this.#terminal, node, at);
    if (line !== undefined) this.#terminal.note(line);
  }

  loaded(): void {
    // What has ended before is not told again; what is under way is.
    for (const node of this.#tree.running()) this.changed(node, node.startedAt ?? Date.now());
  }

  wrote(line: LogLine, name: string): void {
    this.#terminal.relay(logText(this.#terminal, line, name));
  }

  progressed(): void {
    // A line for each report would bury the rest.
  }

  say(text: string): void {
    this.#terminal.note(text);
  }

  close(): void {
    // Nothing is held.
  }
}

class LiveView implements View {
  readonly #screen: Screen;
  readonly #terminal: Terminal;
  readonly #tree: RunTree;
  readonly #timer: NodeJS.Timeout;
  #stale = true;
  #drawnAt = 0;

  constructor(terminal: Terminal, tree: RunTree) {
    this.#terminal = terminal;
    this.#tree = tree;
    this.#screen = new Screen(terminal);
    this.#timer = setInterval(() => this.#tick(), drawMs);
  }

  changed(): void {
    this.#stale = true;
  }

  loaded(): void {
    this.#draw();
  }

  wrote(line: LogLine, name: string): void {
    this.#screen.above(logText(this.#terminal, line, name));
    this.#stale = true;
  }

  progressed(id: string, { text }: LogLine): void {
    this.#tree.reported(id, text);
    this.#stale = true;
  }

  say(text: string): void {
    this.#screen.above(this.#terminal.colors.yellow(asTyped(text)));
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
