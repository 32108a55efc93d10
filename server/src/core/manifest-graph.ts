import {
  AppError,
  type Binding,
  limits,
  type Manifest,
  nameHint,
  type WorkflowNode,
  type WorkflowSpec,
} from "@holdfast/protocol";

// What the zod shape of a manifest cannot say: its definitions are there and use each other without a circle, its nodes wait
// for each other without one, and what they read is there before them. The compilers make no other manifests; whoever sends
// one that they did not make is told here, and not by a run that waits for ever.

/** An expression of a manifest, and what it may read. */
export interface PlacedExpression {
  readonly text: string;
  /** Begins the messages about it. */
  readonly place: string;
  readonly sight: Sight;
}

/** What a binding may read. */
export interface Sight {
  /** The nodes whose output is there; undefined: of every node of the workflow. */
  readonly upstream: ReadonlySet<string> | undefined;
  readonly item: boolean;
  readonly nodes: ReadonlySet<string>;
}

/** Throws `invalid_definition` for the first mistake. Answers the expressions, which only their parser can look into. */
export function checkManifestGraph(manifest: Manifest): PlacedExpression[] {
  const { definitions, assets } = manifest;
  for (const [name, { id }] of Object.entries(definitions)) checkName("definition", name, id);
  for (const [name, { id }] of Object.entries(assets)) checkName("asset", name, id);
  const expressions: PlacedExpression[] = [];
  for (const spec of Object.values(definitions)) {
    if (spec.kind === "workflow") checkWorkflow(spec, manifest, expressions);
    const sight = { upstream: new Set<string>(), item: false, nodes: new Set<string>() };
    const ofInput = new BindingReader(`${spec.kind} "${spec.id}"`, sight, expressions);
    if (spec.concurrencyKey !== undefined) ofInput.read(spec.concurrencyKey, '"concurrencyKey"');
    if (spec.rate?.key !== undefined) ofInput.read(spec.rate.key, "the key of its rate");
    if (spec.fair !== undefined) ofInput.read(spec.fair, '"fair"');
  }
  checkNesting(manifest);
  return expressions;
}

/** Throws `invalid_definition` when an expression reads what is not there for it. */
export function checkExpressionUses(
  { place, sight }: PlacedExpression,
  uses: { readonly tasks: readonly string[]; readonly usesItem: boolean },
): void {
  for (const name of uses.tasks) checkOutputRead(name, place, sight);
  if (uses.usesItem) checkItemRead(place, sight);
}

/** Refuses a manifest. */
export function refuseManifest(message: string, hint: string): never {
  throw new AppError("invalid_definition", message, { hint });
}

function checkName(kind: string, name: string, id: string): void {
  if (name === id) return;
  refuseManifest(`The ${kind} under the name "${name}" has the id "${id}".`, `Each ${kind} stands under its own id.`);
}

function checkWorkflow(spec: WorkflowSpec, manifest: Manifest, expressions: PlacedExpression[]): void {
  const nodes = new Map<string, WorkflowNode>();
  for (const node of spec.nodes) {
    if (nodes.has(node.name)) {
      refuseManifest(
        `workflow "${spec.id}": the node name "${node.name}" is used twice.`,
        "Give each node a name of its own.",
      );
    }
    nodes.set(node.name, node);
  }
  const names: ReadonlySet<string> = new Set(nodes.keys());
  for (const node of spec.nodes) {
    const what = `node "${node.name}" of workflow "${spec.id}"`;
    if (!Object.hasOwn(manifest.definitions, node.definition)) {
      const message = `${what} calls the definition "${node.definition}", which the manifest does not contain.`;
      refuseManifest(message, nameHint(node.definition, Object.keys(manifest.definitions)));
    }
    const upstream = checkUpstream(node, what, names);
    const reader = new BindingReader(what, { upstream, item: false, nodes: names }, expressions);
    if (node.when !== undefined) reader.read(node.when, '"when"');
    if (node.kind === "call") reader.read(node.args, "its input");
    else {
      reader.read(node.list, "the list");
      const ofItem = new BindingReader(what, { upstream, item: true, nodes: names }, expressions);
      ofItem.read(node.itemKey, '"key"');
      ofItem.read(node.with, "its input");
    }
  }
  checkCircles(spec, nodes);
  const sight = { upstream: undefined, item: false, nodes: names };
  new BindingReader(`workflow "${spec.id}"`, sight, expressions).read(spec.output, "its output");
}

function checkUpstream({ name, upstream }: WorkflowNode, what: string, names: ReadonlySet<string>): Set<string> {
  const seen = new Set<string>();
  for (const other of upstream) {
    if (other === name) refuseManifest(`${what} depends on itself.`, "Remove it from its upstream.");
    if (seen.has(other)) refuseManifest(`${what}: its upstream names "${other}" twice.`, "Remove one.");
    if (!names.has(other)) {
      const message = `${what}: its upstream names "${other}", which is no node of this workflow.`;
      refuseManifest(message, nameHint(other, [...names]));
    }
    seen.add(other);
  }
  return seen;
}

function checkCircles({ id, nodes }: WorkflowSpec, byName: ReadonlyMap<string, WorkflowNode>): void {
  const circle = findCircle(
    nodes.map(({ name }) => name),
    (name) => byName.get(name)?.upstream ?? [],
  );
  if (circle === undefined) return;
  const path = circle.join(" → ");
  refuseManifest(`workflow "${id}": nodes wait for each other in a circle: ${path}.`, "Remove one dependency.");
}

/** No definition contains itself, and none is nested deeper than runs may be. */
function checkNesting({ definitions }: Manifest): void {
  const calls = (id: string): string[] => {
    const spec = definitions[id];
    return spec?.kind === "workflow" ? [...new Set(spec.nodes.map(({ definition }) => definition))] : [];
  };
  const levels = new Map<string, number>();
  const circle = findCircle(Object.keys(definitions), calls, (id) => {
    const spec = definitions[id];
    const below = spec?.kind === "workflow" ? spec.nodes : [];
    // A map is a level of its own, between its workflow and its items.
    const deepest = below.reduce(
      (most, node) => Math.max(most, (levels.get(node.definition) ?? 0) + (node.kind === "map" ? 1 : 0)),
      0,
    );
    levels.set(id, deepest + 1);
    if (deepest <= limits.treeDepth) return;
    refuseManifest(`workflow "${id}" nests ${deepest} deep.`, `At most ${limits.treeDepth} levels are allowed.`);
  });
  if (circle === undefined) return;
  const [first] = circle;
  const hint = "A graph has no circles: map over a list instead.";
  refuseManifest(`workflow "${first}" calls itself: ${circle.join(" → ")}.`, hint);
}

/**
 * A way from a name back to itself, or undefined. `left`: called for each name when everything that it leads to has been
 * left. A chain may be as long as a manifest is large, so it is walked without recursion.
 */
function findCircle(
  names: readonly string[],
  next: (name: string) => readonly string[],
  left: (name: string) => void = () => undefined,
): string[] | undefined {
  const states = new Map<string, "open" | "left">();
  for (const start of names) {
    if (states.has(start)) continue;
    const stack = [{ name: start, next: next(start), at: 0 }];
    states.set(start, "open");
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const name = top.next[top.at++];
      if (name === undefined) {
        states.set(top.name, "left");
        left(top.name);
        stack.pop();
      } else if (states.get(name) === "open") {
        const path = stack.map((step) => step.name);
        return [...path.slice(path.indexOf(name)), name];
      } else if (!states.has(name)) {
        states.set(name, "open");
        stack.push({ name, next: next(name), at: 0 });
      }
    }
  }
  return undefined;
}

/** Checks what a binding refers to, and collects its expressions. */
class BindingReader {
  readonly #what: string;
  readonly #sight: Sight;
  readonly #expressions: PlacedExpression[];

  constructor(what: string, sight: Sight, expressions: PlacedExpression[]) {
    this.#what = what;
    this.#sight = sight;
    this.#expressions = expressions;
  }

  read(binding: Binding, text: string): void {
    const place = `${this.#what}: ${text}`;
    if ("const" in binding) return;
    if ("cel" in binding) {
      this.#expressions.push({ text: binding.cel, place, sight: this.#sight });
    } else if ("ref" in binding) {
      if (binding.ref.from === "output") checkOutputRead(binding.ref.node, place, this.#sight);
      if (binding.ref.from === "item") checkItemRead(place, this.#sight);
    } else if ("list" in binding) {
      for (const [i, item] of binding.list.entries()) this.read(item, `${text}[${i}]`);
    } else {
      for (const [name, item] of Object.entries(binding.object)) this.read(item, `${text}.${name}`);
    }
  }
}

function checkOutputRead(name: string, place: string, { upstream, nodes }: Sight): void {
  if (!nodes.has(name)) {
    refuseManifest(`${place} reads the node "${name}", which is not there.`, nameHint(name, [...nodes]));
  }
  if (upstream === undefined || upstream.has(name)) return;
  refuseManifest(`${place} reads the node "${name}", which is not upstream of it.`, `Add "${name}" to its upstream.`);
}

function checkItemRead(place: string, { item }: Sight): void {
  if (item) return;
  refuseManifest(`${place} uses the item outside of a map.`, 'An item exists only in "key" and "with" of its own map.');
}
