import { isEnded, type RunView } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { changeLine, Screen, treeLines } from "./run-screen.ts";
import { RunTree, type TreeNode } from "./run-tree.ts";
import type { Terminal } from "./terminal.ts";

const waitMs = 25_000;
const drawMs = 100;
const progressMs = 500;
/** Runs whose progress is asked for at a time. */
const watchedRuns = 6;

/**
 * Shows a run's progress until it has ended: a tree that is drawn again on a terminal, else a line a change. Answers the
 * ended run, or undefined when the signal fired before.
 */
export async function followRun(
  terminal: Terminal,
  plane: ControlPlane,
  { run, signal }: { run: RunView; signal: AbortSignal },
): Promise<RunView | undefined> {
  const over = new AbortController();
  const both = AbortSignal.any([signal, over.signal]);
  const tree = new RunTree(run);
  const view = terminal.live ? new LiveView(terminal, tree) : new LineView(terminal, tree);
  const { last } = await plane.listTopic({ after: "last", waitMs: 0 });
  await loadTree(plane, tree);
  view.loaded();
  const watching = [watchEvents({ plane, tree, view, after: last, signal: both })];
  if (terminal.live) watching.push(watchProgress({ plane, tree, view, signal: both }));
  try {
    const ended = await untilEnded(plane, run.id, signal);
    over.abort();
    await Promise.all(watching);
    if (ended !== undefined) await showTheRest(plane, tree, view);
    return ended;
  } finally {
    over.abort();
    await Promise.allSettled(watching);
    view.close();
  }
}

/** The run once it has ended; undefined when the signal fires before. */
async function untilEnded(plane: ControlPlane, id: string, signal: AbortSignal): Promise<RunView | undefined> {
  while (!signal.aborted) {
    const run = await unlessAborted(plane.awaitRun(id, waitMs, signal), signal);
    if (run !== undefined && isEnded(run.status)) return run;
  }
  return undefined;
}

interface View {
  changed(node: TreeNode, at: number): void;
  /** The tree is there as it stands; nothing of it is news. */
  loaded(): void;
  close(): void;
}

/** The tree as the control plane lists it. */
async function loadTree(plane: ControlPlane, tree: RunTree): Promise<void> {
  let after: string | undefined;
  do {
    const { runs, cursor } = await plane.listTree(tree.root.id, after);
    tree.load(runs);
    after = cursor ?? undefined;
  } while (after !== undefined);
}

/** The log of all runs comes after the commits: what of this tree it has not told yet. */
async function showTheRest(plane: ControlPlane, tree: RunTree, view: View): Promise<void> {
  const before = new Map(tree.tasks().map((node) => [node.id, node.status]));
  await loadTree(plane, tree);
  for (const node of tree.tasks()) {
    if (isEnded(node.status) && before.get(node.id) !== node.status) view.changed(node, node.endedAt ?? Date.now());
  }
}

interface Watching {
  readonly plane: ControlPlane;
  readonly tree: RunTree;
  readonly view: View;
  readonly signal: AbortSignal;
}

async function watchEvents({ plane, tree, view, signal, after }: Watching & { after: number }): Promise<void> {
  let position = after;
  while (!signal.aborted) {
    const page = await unlessAborted(plane.listTopic({ after: position, waitMs }, signal), signal);
    if (page === undefined) return;
    position = page.last;
    for (const event of page.events) {
      if (event.rootId !== tree.root.id) continue;
      const node = tree.apply(event);
      if (node !== undefined) view.changed(node, event.at);
    }
  }
}

/** What bodies report lies in their logs; only the tasks that are shown are asked for. */
async function watchProgress({ plane, tree, view, signal }: Watching): Promise<void> {
  const cursors = new Map<string, string>();
  while (!signal.aborted) {
    for (const node of tree.running().slice(0, watchedRuns)) {
      const cursor = cursors.get(node.id);
      const query = { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) };
      const page = await unlessAborted(plane.listLogs(node.id, query), signal);
      if (page === undefined) return;
      if (page.cursor !== null) cursors.set(node.id, page.cursor);
      const last = page.lines.findLast((line) => line.stream === "progress");
      if (last === undefined) continue;
      node.progress = last.text;
      view.changed(node, last.at);
    }
    await pause(progressMs, signal);
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

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** Undefined instead of the failure when the signal ended the call. */
async function unlessAborted<T>(call: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}
