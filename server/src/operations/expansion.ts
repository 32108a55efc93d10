import { createHash } from "node:crypto";
import {
  AppError,
  type Binding,
  type DefinitionSpec,
  defaultQueue,
  defaultRetry,
  type Json,
  limits,
  type Manifest,
  type RetryPolicy,
  type RunError,
  utf8Bytes,
  type WorkflowNode,
  type WorkflowSpec,
} from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import { childId, childIdentity, type Edge, type Limit, type NewRun, type RunRow } from "../core/index.ts";
import type { ScopeResult, Store } from "../store/store.ts";
import { noObserver, type Observer } from "../telemetry/observer.ts";
import { asItems, boundInput, checkDistinct, isConstant, judgeCondition, type Scope } from "./bindings.ts";
import { type Completion, type HeldActivation, statusOf } from "./completion.ts";
import type { Concurrency } from "./concurrency.ts";
import { type Definitions, inputSchema } from "./definitions.ts";
import { tooMuchMapped } from "./evaluation/programs.ts";
import type { Keyed } from "./limit-keys.ts";
import { persist } from "./persistence.ts";

// A workflow or a map is dispatched like a task: its first activation puts its children in place and lets it wait, its last
// one, once they have all ended, says its output. Neither runs user code, so the node carries them out itself.

const pageRows = 1_000;

/** What a body has asked a map for (operations/body-waits.ts has checked it). */
interface CalledMap {
  readonly items: readonly { readonly key: string; readonly input: Json }[];
  readonly concurrency?: number;
  readonly timeoutMs?: number;
}

/** What constant arguments see. */
const emptyScope: Scope = { params: {}, outputs: new Map() };

/** What a node of a workflow is to do when its turn has come. `line`: its input asks it to stand in line for these first. */
export type Turn =
  | { readonly run: true; readonly input: Json }
  | { readonly run: false; readonly error: RunError }
  | { readonly run: "line"; readonly limits: readonly Limit[] };

export interface ExpansionOptions {
  readonly store: Store;
  readonly definitions: Definitions;
  readonly completion: Completion;
  readonly concurrency: Concurrency;
  readonly clock: Clock;
  readonly observer?: Observer;
}

export class Expander {
  readonly #store: Store;
  readonly #definitions: Definitions;
  readonly #completion: Completion;
  readonly #concurrency: Concurrency;
  readonly #clock: Clock;
  readonly #observer: Observer;

  constructor({ store, definitions, completion, concurrency, clock, observer = noObserver }: ExpansionOptions) {
    this.#observer = observer;
    this.#concurrency = concurrency;
    this.#store = store;
    this.#definitions = definitions;
    this.#completion = completion;
    this.#clock = clock;
  }

  /** Whether a claimed run may go on, and with which input: its `when` is judged and its arguments are bound here. */
  async turn(run: RunRow): Promise<Turn> {
    if (run.input !== undefined || run.parentId === null) return { run: true, input: run.input ?? {} };
    const { node, scope } = await this.#place(run, run.parentId);
    const { evaluator } = this.#definitions;
    const whenPlace = `"${node.name}"'s when`;
    const error =
      node.when === undefined
        ? undefined
        : judgeCondition(await evaluator.bind(node.when, scope, whenPlace), whenPlace);
    if (error !== undefined) return { run: false, error };
    if (node.kind === "map") return { run: true, input: null };
    const spec = await this.#definitions.spec(run.manifestHash, run.definition);
    const place = `"${node.name}"'s input`;
    const bound = boundInput(await evaluator.bind(node.args, scope, place), place);
    const input = await this.#definitions.fitInput(spec, bound);
    const limited = await this.#concurrency.lineFor(run, spec, input);
    return limited === undefined ? { run: true, input } : { run: "line", limits: limited };
  }

  /** The input of a run that is cleaned up: its body had it, so that it fits and its turn had come. */
  async inputOf(run: RunRow): Promise<Json> {
    if (run.input !== undefined || run.parentId === null) return run.input ?? {};
    const { node, scope } = await this.#place(run, run.parentId);
    if (node.kind === "map") return {};
    const place = `"${node.name}"'s input`;
    const bound = boundInput(await this.#definitions.evaluator.bind(node.args, scope, place), place);
    return this.#definitions.fitInput(await this.#definitions.spec(run.manifestHash, run.definition), bound);
  }

  /** The retry policy of a run: its node's, else its definition's. Workflows and maps are tried once. */
  async retryPolicy(run: RunRow): Promise<RetryPolicy> {
    const manifest = await this.#definitions.manifest(run.manifestHash);
    const spec = specOf(manifest, run.definition);
    if (run.kind !== "task" || spec.kind !== "task") return defaultRetry;
    return (run.workflow === null ? undefined : nodeOf(run, manifest).retry) ?? spec.retry;
  }

  /** One activation of a workflow's or map's run: the first expands, the later ones conclude. */
  async carryOut(held: HeldActivation, input: Json): Promise<void> {
    const { run } = held;
    const counted = run.children.succeeded + run.children.failed + run.children.skipped;
    if (counted > 0) return this.#conclude(held, input);
    const manifest = await this.#definitions.manifest(run.manifestHash);
    const { children, edges } =
      run.kind === "map" ? await this.#mapChildren(run, manifest, input) : await this.#workflowChildren(run, manifest);
    if (children.length === 0) return this.#conclude(held, input);
    const row = { runId: run.id, epoch: run.epoch, ranMs: held.ranMs, input, children, edges };
    const [result] = await persist(this.#clock, held.revoked, () => this.#store.expandRuns({ rows: [row] }));
    const status = statusOf(held, result);
    const outcome = status === "waiting" ? "suspended" : "cancelled";
    const { ranMs } = row;
    this.#observer.activationEnded({ run, outcome, status, error: null, ranMs, at: this.#clock.now() });
  }

  async #mapChildren(run: RunRow, manifest: Manifest, input: Json): Promise<{ children: NewRun[]; edges: Edge[] }> {
    if (run.parentId === null) throw new Error(`the map ${run.id} belongs to no workflow`);
    if (run.workflow === null) return this.#calledItems(run, manifest, input);
    const { node, scope } = await this.#place(run, run.parentId);
    if (node.kind !== "map") throw new Error(`"${node.name}" is not a map`);
    const list = asItems(
      await this.#definitions.evaluator.bind(node.list, scope, `"${node.name}"'s list`),
      `"${node.name}"`,
    );
    if (list.length > limits.itemsPerMap) {
      throw new AppError(
        "limit_exceeded",
        `"${node.name}" maps over ${list.length} items; ${limits.itemsPerMap} are allowed.`,
      );
    }
    const spec = specOf(manifest, node.definition);
    const limitsOf = await this.#concurrency.limitsOfItems(spec, { run, concurrency: node.concurrency });
    const { evaluator } = this.#definitions;
    const keys = await evaluator.keys({ itemKey: node.itemKey, scope, list, name: node.name });
    checkDistinct(keys, `"${node.name}"`);
    const definition = { ...keyedOf(spec), ...inputSchema(spec) };
    const inputs = await evaluator.inputs({ with: node.with, scope, list, keys, name: node.name, definition });
    let characters = 0;
    const children = inputs.map(({ input, characters: own, limitKeys }, itemIndex): NewRun => {
      const item = keys[itemIndex] ?? "";
      characters += own;
      // Each of the threads that they came from has seen its part only.
      if (characters > limits.itemInputsPerMapCharacters) throw tooMuchMapped(node.name, keys.length, item);
      const { ageing } = this.#concurrency;
      const child = { ...childOf(run, spec, `${node.name}[${item}]`), ...ageing, limits: limitsOf(limitKeys) };
      return { ...child, item, itemIndex, input };
    });
    return { children, edges: [] };
  }

  /** The items of a map that a body has called: its input says them. */
  async #calledItems(run: RunRow, manifest: Manifest, input: Json): Promise<{ children: NewRun[]; edges: Edge[] }> {
    const { items, concurrency, timeoutMs } = input as unknown as CalledMap;
    const spec = specOf(manifest, run.definition);
    const limitsOf = await this.#concurrency.limitsOfItems(spec, { run, concurrency });
    const inputs = await this.#definitions.evaluator.inputs({
      with: { ref: { from: "item", path: [] } },
      scope: emptyScope,
      list: items.map((item) => item.input),
      keys: items.map(({ key }) => key),
      name: run.name,
      definition: { ...keyedOf(spec), ...inputSchema(spec) },
    });
    const children = inputs.map(({ input: own, limitKeys }, itemIndex): NewRun => {
      const item = items[itemIndex]?.key ?? "";
      const child = childOf(run, spec, `${run.name}[${item}]`);
      const expiresAfterMs = sooner(child.expiresAfterMs, timeoutMs);
      const { ageing } = this.#concurrency;
      return { ...child, ...ageing, expiresAfterMs, limits: limitsOf(limitKeys), item, itemIndex, input: own };
    });
    return { children, edges: [] };
  }

  async #workflowChildren(run: RunRow, manifest: Manifest): Promise<{ children: NewRun[]; edges: Edge[] }> {
    const { children, edges } = workflowChildren(run, manifest);
    const limited = children.map(async (child) => {
      // A map is subject to nothing itself: its items are.
      if (child.kind === "map") return child;
      return { ...child, limits: await this.#concurrency.limitsOf(specOf(manifest, child.definition)) };
    });
    const { ageing } = this.#concurrency;
    return { children: (await Promise.all(limited)).map((child) => ({ ...child, ...ageing })), edges };
  }

  async #conclude(held: HeldActivation, input: Json): Promise<void> {
    const { run } = held;
    if (run.children.failed > 0) {
      const error = await this.#childFailure(run);
      await this.#completion.fail(held, { outcome: "failed", error, fatal: true });
      return;
    }
    const output = run.kind === "map" ? await this.#collect(run) : await this.#workflowOutput(run, input);
    await this.#completion.succeed(held, output);
  }

  /** Names one of the children that failed of themselves: where to look first. */
  async #childFailure({ id, namespace, kind, children: { failed } }: RunRow): Promise<RunError> {
    const statuses = ["failed", "cancelled"] as const;
    const query = { namespace, parentId: id, statuses, rootsOnly: false, limitRows: 2 };
    const { runs } = await this.#store.listRuns(query);
    const [child, other] = runs;
    const what = kind === "map" ? "item" : "task";
    // What is skipped because of the one that failed is counted with it, and is no second cause.
    const isOnly = child !== undefined && other === undefined && failed > 1;
    const skipped = failed === 2 ? "one was" : `${failed - 1} were`;
    const many = isOnly ? `One ${what} did not succeed, and ${skipped} skipped because of it` : undefined;
    const count = many ?? `${failed === 1 ? `One ${what}` : `${failed} ${what}s`} did not succeed`;
    if (child === undefined) return { code: "child_failed", message: `${count}.` };
    const reason = (child.error?.message ?? "").slice(0, 500).toWellFormed();
    const message = `${count}. "${child.name}" ${child.status}: ${reason}`;
    const hint = child.error?.hint === undefined ? {} : { hint: child.error.hint.slice(0, 500).toWellFormed() };
    return { code: "child_failed", message, ...hint, details: { runId: child.id } };
  }

  async #workflowOutput(run: RunRow, input: Json): Promise<Json> {
    const spec = await this.#definitions.spec(run.manifestHash, run.definition);
    if (spec.kind !== "workflow") throw new Error(`"${run.definition}" is not a workflow`);
    const scope = { ...(await this.#scope(run.id, nodesIn(spec.output, spec))), params: input };
    return this.#definitions.evaluator.bind(spec.output, scope, `"${spec.id}"'s output`);
  }

  async #collect(run: RunRow): Promise<Json[]> {
    const { succeeded, failed, skipped } = run.children;
    const outputs: Json[] = [];
    let bytes = 0;
    while (outputs.length < succeeded + failed + skipped) {
      const afterIndex = outputs.length - 1;
      const page = await this.#store.listChildOutputs({ parentId: run.id, afterIndex, limitRows: pageRows });
      if (page.length === 0) break;
      for (const { output = null } of page) outputs.push(output);
      // A page may be as large as all may be together: what is too much is not read to its end.
      bytes += utf8Bytes(JSON.stringify(page.map(({ output = null }) => output)));
      if (bytes > limits.collectedOutputBytes + pageRows) throw collectedTooMuch(run.name, outputs.length);
    }
    return outputs;
  }

  /** The node that a run carries out, and the values its bindings see. */
  async #place(run: RunRow, parentId: string): Promise<{ node: WorkflowNode; scope: Scope }> {
    const node = nodeOf(run, await this.#definitions.manifest(run.manifestHash));
    if (node.kind === "call" && node.when === undefined && isConstant(node.args)) return { node, scope: emptyScope };
    return { node, scope: await this.#scope(parentId, node.upstream) };
  }

  async #readScope(parentId: string, names: readonly string[]): Promise<Exclude<ScopeResult, { outcome: "later" }>> {
    for (;;) {
      const [found] = await this.#store.findScopes({ rows: [{ parentId, names }] });
      if (found === undefined) return { outcome: "read", outputs: [] };
      if (found.outcome !== "later") return found;
    }
  }

  async #scope(workflowRunId: string, names: readonly string[]): Promise<Scope> {
    const found = await this.#readScope(workflowRunId, names);
    if (found.outcome === "too_large") throw scopeTooLarge(names, found.bytes);
    const succeeded = found.outputs.map(({ name, output = null }) => [name, output] as const);
    const outputs = new Map<string, Json>(names.map((name) => [name, null]));
    for (const [name, output] of succeeded) outputs.set(name, output);
    return { params: found.input ?? {}, outputs };
  }
}

/** A binding sees all that the nodes before its own have said, each of which may be large. */
function scopeTooLarge(names: readonly string[], bytes: number): AppError {
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  const others = names.length > shown.length ? ` and ${names.length - shown.length} more` : "";
  const message = `The outputs of ${shown.join(", ")}${others}, which it reads, have ${bytes} bytes together; ${limits.scopeBytes} are allowed.`;
  return new AppError("too_large", message, {
    hint: "Let tasks keep large values in a file or an object store and return their name.",
  });
}

function collectedTooMuch(name: string, items: number): AppError {
  const message = `The outputs of "${name}" have more than ${limits.collectedOutputBytes} bytes, at item ${items} already.`;
  return new AppError("too_large", message, {
    hint: "Let items keep large values in a file or an object store and return their name.",
  });
}

/** What of a definition says which keys its runs have. */
function keyedOf({ id, concurrencyKey, rate, fair }: DefinitionSpec): Keyed {
  return {
    id,
    ...(concurrencyKey === undefined ? {} : { concurrencyKey }),
    ...(rate === undefined ? {} : { rate }),
    ...(fair === undefined ? {} : { fair }),
  };
}

function nodeOf(run: RunRow, manifest: Manifest): WorkflowNode {
  const spec = specOf(manifest, run.workflow ?? run.definition);
  if (spec.kind !== "workflow") throw new Error(`"${spec.id}" is not a workflow`);
  const name = run.item === null ? run.name : run.name.slice(0, -run.item.length - 2);
  const node = spec.nodes.find((candidate) => candidate.name === name);
  if (node === undefined) throw new Error(`"${spec.id}" has no node "${name}"`);
  return node;
}

function workflowChildren(run: RunRow, manifest: Manifest): { children: NewRun[]; edges: Edge[] } {
  const spec = specOf(manifest, run.definition);
  if (spec.kind !== "workflow") throw new Error(`"${run.definition}" is not a workflow`);
  const ids = new Map(spec.nodes.map((node) => [node.name, idOf(run, node.name)]));
  const edges: Edge[] = [];
  const children = spec.nodes.map((node) => {
    const id = ids.get(node.name) ?? "";
    for (const upstream of node.upstream) edges.push({ upstream: ids.get(upstream) ?? "", downstream: id });
    const definition = specOf(manifest, node.definition);
    const kind = node.kind === "map" ? ("map" as const) : definition.kind;
    const child = { ...childOf(run, definition, node.name), kind, rule: node.rule, blockedBy: node.upstream.length };
    // A map is not its task: the time that an item may take begins with the item.
    if (kind === "map") return { ...child, queue: defaultQueue, expiresAfterMs: null, cleansUp: false };
    return kind === "task" ? child : { ...child, queue: defaultQueue };
  });
  return { children, edges };
}

/** The shorter of two spans of time, where there is one. */
export function sooner(one: number | null, other: number | undefined): number | null {
  if (other === undefined) return one;
  return one === null ? other : Math.min(one, other);
}

/** A run below another one, by its definition's manifest of the other one's. */
export function childOf(run: RunRow, spec: DefinitionSpec, name: string): NewRun {
  if (run.depth + 1 > limits.treeDepth) {
    throw new AppError("limit_exceeded", `Workflows are nested deeper than ${limits.treeDepth} levels.`);
  }
  return {
    id: idOf(run, name),
    rootId: run.rootId,
    parentId: run.id,
    namespace: run.namespace,
    kind: spec.kind,
    definition: spec.id,
    workflow: run.kind === "workflow" ? run.definition : run.workflow,
    manifestHash: run.manifestHash,
    name,
    item: null,
    itemIndex: null,
    key: null,
    trace: run.trace,
    depth: run.depth + 1,
    queue: spec.kind === "task" ? spec.queue : defaultQueue,
    priority: Math.max(run.priority, spec.priority),
    rule: "all_success",
    limits: [],
    startAfter: null,
    expiresAfterMs: spec.expiresAfterMs ?? null,
    blockedBy: 0,
    ...cleansUp(spec),
  };
}

/** Whether its runs are cleaned up when they are cut off. */
export function cleansUp(spec: DefinitionSpec): { readonly cleansUp?: true } {
  return spec.kind === "task" && spec.onCancel !== undefined ? { cleansUp: true } : {};
}

function idOf(run: RunRow, name: string): string {
  const hash = createHash("sha256")
    .update(childIdentity(run.id, run.generation, name))
    .digest();
  return childId(run.id, hash);
}

function specOf(manifest: Manifest, id: string): DefinitionSpec {
  const spec = manifest.definitions[id];
  if (spec === undefined) throw new AppError("not_found", `The manifest has no definition "${id}".`);
  return spec;
}

/** The nodes that a workflow's output reads. An expression may read any. */
function nodesIn(binding: Binding, spec: WorkflowSpec): string[] {
  if ("const" in binding) return [];
  if ("ref" in binding) return binding.ref.from === "output" ? [binding.ref.node] : [];
  if ("cel" in binding) return spec.nodes.map(({ name }) => name);
  const parts = "list" in binding ? binding.list : Object.values(binding.object);
  return [...new Set(parts.flatMap((part) => nodesIn(part, spec)))];
}
