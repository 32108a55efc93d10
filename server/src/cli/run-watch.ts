import { isEnded, type LogLineView, type RunView } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { LogTail } from "./log-tail.ts";
import { Patience } from "./patience.ts";
import type { RunTree, TreeNode } from "./run-tree.ts";

const waitMs = 25_000;
/** Runs whose lines are read; a map of thousands would bury its own progress. */
const readRuns = 500;

/** Who hears of a run and of those below it. */
export interface Viewer {
  /** The tree is there as it stands, and what was written so far has been told; nothing of it is news. */
  loaded(): void;
  changed(node: TreeNode, at: number): void;
  /** A body of the run of this name wrote a line. */
  wrote(line: LogLineView, name: string): void;
  say(text: string): void;
}

export interface WatchOptions {
  readonly plane: ControlPlane;
  readonly tree: RunTree;
  readonly viewer: Viewer;
  /** Whether what bodies wrote in runs that have ended already is told. */
  readonly fromStart: boolean;
  /** False: tells how things stand and returns. */
  readonly follow: boolean;
  /** How long nobody may answer. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/**
 * Tells of a run until it has ended. Answers the ended run; undefined when the signal fired before, or where nothing was to be
 * followed. Throws `store_unavailable` when nobody has answered for longer than `patienceMs`.
 */
export async function watchRun(root: RunView, options: WatchOptions): Promise<RunView | undefined> {
  const { plane, viewer, signal } = options;
  const over = new AbortController();
  const patience = new Patience({ limitMs: options.patienceMs, say: (text) => viewer.say(text) });
  const onLine = (line: LogLineView, { name }: { readonly name: string }): void => viewer.wrote(line, name);
  const tail = new LogTail({ plane, patience, signal, limitRuns: readRuns, onLine });
  const until: Watching = { ...options, patience, tail, rootId: root.rootId };
  const watching: Watching = { ...until, signal: AbortSignal.any([signal, over.signal]) };
  try {
    const begin = await patience.ask(() => plane.listTopic({ after: "last", waitMs: 0 }), signal);
    if (begin === undefined || !(await loadTree(until))) return undefined;
    await catchUp(until);
    viewer.loaded();
    let ended: RunView | undefined;
    if (options.follow) {
      const loops = Promise.all([watchEvents(watching, begin.last), tail.follow(watching.signal)]);
      loops.catch(() => undefined);
      ended = await Promise.race([untilEnded(until), loops.then(() => undefined)]);
      over.abort();
      await loops;
      if (ended !== undefined) await tellTheRest(until);
    }
    if (tail.isFull) viewer.say(`Of ${readRuns} tasks it is shown what they wrote; of another: holdfast runs logs RUN`);
    return ended;
  } finally {
    over.abort();
    patience.end();
  }
}

interface Watching extends WatchOptions {
  readonly rootId: string;
  readonly patience: Patience;
  readonly tail: LogTail;
}

/** What has been written so far. */
async function catchUp({ tree, tail, fromStart }: Watching): Promise<void> {
  for (const node of tree.tasks()) {
    if (node.startedAt === undefined || (!fromStart && node.status !== "running")) continue;
    await tail.settle(node);
    if (node.status === "running") tail.open(node);
  }
}

/** The run once it has ended; undefined when the signal fires before. */
async function untilEnded({ plane, patience, tree, signal }: Watching): Promise<RunView | undefined> {
  while (!signal.aborted) {
    const run = await patience.ask(() => plane.awaitRun(tree.root.id, waitMs, signal), signal);
    // Nobody waits for it any more.
    if (run === undefined) return undefined;
    if (isEnded(run.status)) return run;
  }
  return undefined;
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
async function tellTheRest(watching: Watching): Promise<void> {
  const { tree, viewer, tail } = watching;
  const before = new Map(tree.tasks().map((node) => [node.id, node.status]));
  await loadTree(watching);
  for (const node of tree.tasks()) {
    if (!isEnded(node.status) || before.get(node.id) === node.status) continue;
    await tail.settle(node);
    viewer.changed(node, node.endedAt ?? Date.now());
  }
}

async function watchEvents(watching: Watching, after: number): Promise<void> {
  const { plane, tree, viewer, patience, tail, signal, rootId } = watching;
  let position = after;
  while (!signal.aborted) {
    const page = await patience.ask(() => plane.listTopic({ after: position, waitMs }, signal), signal);
    if (page === undefined) return;
    position = page.last;
    for (const event of page.events) {
      if (event.rootId !== rootId) continue;
      const node = tree.apply(event);
      if (node === undefined) continue;
      // What a body wrote is shown before what became of it.
      if (node.kind === "task" && node.status === "running") tail.open(node);
      else if (node.kind === "task" && node.startedAt !== undefined) await tail.settle(node);
      viewer.changed(node, Date.parse(event.at));
    }
  }
}
