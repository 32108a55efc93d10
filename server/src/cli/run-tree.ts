import { isEnded, type Json, type RunEventView, type RunKind, type RunStatus, type RunView } from "@holdfast/protocol";

/** A run as the progress shows it. */
export interface TreeNode {
  readonly id: string;
  readonly name: string;
  readonly kind: RunKind;
  readonly children: TreeNode[];
  status: RunStatus;
  attempt: number;
  startedAt: number | undefined;
  endedAt: number | undefined;
  /** Why it ended so, or why its last attempt failed. */
  message: string | undefined;
  /** When a failed attempt is tried again. */
  retryAt: number | undefined;
  /** What its body last reported. */
  progress: string | undefined;
}

const statusAfter: Readonly<Partial<Record<RunEventView["type"], RunStatus>>> = {
  "run.enqueued": "ready",
  "run.ready": "ready",
  "run.started": "running",
  "run.waiting": "waiting",
  "run.woken": "ready",
  "run.retry_scheduled": "ready",
  "run.lost": "ready",
  "run.given_back": "ready",
  "run.cancel_requested": "cancelling",
  "run.clean_up_due": "cancelling",
  "run.restarted": "ready",
  "run.reset": "pending",
  "run.reopened": "waiting",
  "run.succeeded": "succeeded",
  "run.failed": "failed",
  "run.cancelled": "cancelled",
  "run.skipped": "skipped",
};

/** What also befalls a run that has ended. */
const startsAgain: ReadonlySet<RunEventView["type"]> = new Set(["run.restarted", "run.reset", "run.reopened"]);

/** A tree of runs, first as the control plane lists it, then changed by its events. */
export class RunTree {
  readonly #nodes = new Map<string, TreeNode>();
  readonly #generations = new Map<string, number>();
  readonly root: TreeNode;

  constructor(root: RunView) {
    this.root = this.#add(root);
  }

  /** Takes in runs as they stand now; parents before their children. What is not below the root is left out. */
  load(runs: readonly RunView[]): void {
    for (const run of runs) {
      const node = this.#nodes.get(run.id);
      const isPresent = this.#generations.get(run.parentId ?? "") === run.parentGeneration;
      if (node === undefined && isPresent) this.#add(run);
      else if (node !== undefined) Object.assign(node, stateOf(run));
    }
  }

  /** The run of this id, if it is shown. */
  find(id: string): TreeNode | undefined {
    return this.#nodes.get(id);
  }

  /** Takes in what happened. Answers the node, or undefined where the event says nothing new. */
  apply(event: RunEventView): TreeNode | undefined {
    const node = this.#nodes.get(event.runId) ?? this.#fromEvent(event);
    const status = statusAfter[event.type];
    if (node === undefined || status === undefined) return undefined;
    const { attempt, generation, error, delayMs } = readData(event.data);
    const at = Date.parse(event.at);
    if (startsAgain.has(event.type)) return this.#restart(node, { status, attempt, generation });
    if (isEnded(node.status)) return undefined;
    // What an event says may be in the list already, from which all of this began.
    node.status = event.type === "run.enqueued" && node.status !== "ready" ? node.status : status;
    node.attempt = attempt ?? node.attempt;
    // What befell the last try is no news once the next one runs.
    node.message = event.type === "run.started" ? undefined : (error ?? node.message);
    node.retryAt = event.type === "run.retry_scheduled" ? at + (delayMs ?? 0) : undefined;
    if (event.type === "run.started") node.startedAt ??= at;
    if (isEnded(status)) node.endedAt = at;
    return node;
  }

  /** What is below it in an earlier generation is shown no more. */
  #restart(
    node: TreeNode,
    next: { status: RunStatus; attempt: number | undefined; generation: number | undefined },
  ): TreeNode {
    const { status, attempt = node.attempt, generation } = next;
    if (generation !== undefined && generation > (this.#generations.get(node.id) ?? 1)) {
      node.children.length = 0;
      this.#generations.set(node.id, generation);
    }
    return Object.assign(node, { status, attempt, endedAt: undefined, message: undefined, retryAt: undefined });
  }

  /** What a run's body last said of how far it is. */
  reported(id: string, text: string): void {
    const node = this.#nodes.get(id);
    if (node !== undefined) node.progress = text;
  }

  /** Tasks under way. */
  running(): TreeNode[] {
    return [...this.#nodes.values()].filter((node) => node.status === "running" && node.kind === "task");
  }

  tasks(): TreeNode[] {
    return [...this.#nodes.values()].filter((node) => node.kind === "task");
  }

  #add(run: RunView): TreeNode {
    const node: TreeNode = {
      id: run.id,
      name: run.name,
      kind: run.kind,
      children: [],
      progress: undefined,
      ...stateOf(run),
    };
    this.#nodes.set(run.id, node);
    this.#generations.set(run.id, run.generation);
    if (run.parentId !== null) this.#nodes.get(run.parentId)?.children.push(node);
    return node;
  }

  #fromEvent(event: RunEventView): TreeNode | undefined {
    const { kind, parentId } = readData(event.data);
    const parent = parentId === undefined ? undefined : this.#nodes.get(parentId);
    if (event.type !== "run.enqueued" || parent === undefined) return undefined;
    const node: TreeNode = {
      id: event.runId,
      name: event.name,
      kind: kind ?? "task",
      children: [],
      status: "pending",
      attempt: 1,
      startedAt: undefined,
      endedAt: undefined,
      message: undefined,
      retryAt: undefined,
      progress: undefined,
    };
    this.#nodes.set(node.id, node);
    this.#generations.set(node.id, 1);
    parent.children.push(node);
    return node;
  }
}

function stateOf(run: RunView): Omit<TreeNode, "id" | "name" | "kind" | "children" | "progress"> {
  return {
    status: run.status,
    attempt: run.attempt,
    startedAt: run.startedAt === null ? undefined : Date.parse(run.startedAt),
    endedAt: run.endedAt === null ? undefined : Date.parse(run.endedAt),
    message: run.error?.message,
    retryAt: run.error !== null && run.notBefore !== null ? Date.parse(run.notBefore) : undefined,
  };
}

interface EventData {
  readonly attempt?: number;
  readonly generation?: number;
  readonly delayMs?: number;
  readonly error?: string;
  readonly kind?: RunKind;
  readonly parentId?: string;
}

/** What is shown of an event's data. */
function readData(data: Json): EventData {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return {};
  const { attempt, generation, delayMs, error, kind, parentId } = data as { readonly [key: string]: Json };
  const message =
    typeof error === "object" && error !== null && "message" in error && typeof error.message === "string"
      ? error.message
      : undefined;
  return {
    ...(typeof attempt === "number" ? { attempt } : {}),
    ...(typeof generation === "number" ? { generation } : {}),
    ...(typeof delayMs === "number" ? { delayMs } : {}),
    ...(message === undefined ? {} : { error: message }),
    ...(kind === "task" || kind === "workflow" || kind === "map" ? { kind } : {}),
    ...(typeof parentId === "string" ? { parentId } : {}),
  };
}
