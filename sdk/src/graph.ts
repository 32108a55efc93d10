import type { JsonObject } from "@holdfast/protocol";
import {
  type Binding,
  limits,
  nameHint,
  type RetryPolicy,
  type TriggerRule,
  triggerRules,
  type WorkflowNode,
} from "@holdfast/protocol";
import { type BindingPlace, type BoundValue, bindValue, type InspectExpression, ignoresItem } from "./binding.ts";
import { BindingCheck } from "./binding-check.ts";
import { type DefinitionData, definitionData } from "./definition.ts";
import { OptionReader, show } from "./options.ts";
import { ProblemList } from "./problem-list.ts";
import {
  makeReference,
  type Ref,
  type ReferenceData,
  ReferenceMisuse,
  type ReferenceOwner,
  referenceData,
} from "./reference.ts";
import { isDefect, kindsOf, type Shape, schemaShape, stepInto, unknownShape } from "./shape.ts";
import { callerPosition, type Position } from "./source-position.ts";

// What `w` is while a builder runs: it collects nodes, and every mistake with the place in the user's file.

/** What is known of a definition that a node calls. */
export interface Callee {
  readonly input: JsonObject | undefined;
  readonly output: Shape;
}

export interface GraphOptions {
  readonly inspectExpression: InspectExpression;
  readonly workflow: DefinitionData;
  readonly params: JsonObject | undefined;
  /** Looks a called definition up; reports by itself when it cannot be called. */
  readonly calleeOf: (definition: DefinitionData, at: Position | undefined, problems: ProblemList) => Callee;
}

interface NodeDraft {
  readonly name: string;
  readonly at: Position | undefined;
  readonly what: string;
  readonly reader: OptionReader;
  readonly upstream: Set<string>;
}

const callOptions = ["as", "after", "when", "rule", "retry"];
const mapOptions = ["key", "with", "concurrency", ...callOptions];
const laterOptions = ["onFailure", "onSuccess", "concurrencyKey", "timeout", "queue", "priority", "schedule"];

/** The graph under construction. */
export class Graph {
  readonly problems = new ProblemList();
  readonly nodes: WorkflowNode[] = [];
  readonly used = new Set<DefinitionData>();
  readonly #options: GraphOptions;
  readonly #outputs = new Map<string, Shape>();
  readonly #positions = new Map<string, Position | undefined>();
  readonly #handles = new WeakMap<object, { readonly name: string; readonly result: "output" | "outputs" }>();
  readonly #place: BindingPlace;
  #itemShape: Shape = unknownShape;

  constructor(options: GraphOptions) {
    this.#options = options;
    this.#place = {
      graph: this,
      inspectExpression: options.inspectExpression,
      hasNode: (name) => this.#outputs.has(name),
      handleOf: (value) => this.#handles.get(value),
    };
  }

  /** The object that is given to the user's builder. Names that it does not have are refused with the nearest. */
  surface(): object {
    const w = {
      params: this.#reference({ from: "params", path: [] }, "w.params"),
      call: (definition: unknown, args?: unknown, options?: unknown) => this.#call(definition, args, options),
      map: (list: unknown, task: unknown, options?: unknown) => this.#map(list, task, options),
    };
    const known = Object.keys(w);
    return new Proxy(w, {
      get: (target, name, receiver) => {
        if (typeof name === "symbol" || name in target) return Reflect.get(target, name, receiver) as unknown;
        throw new ReferenceMisuse(`The builder has no w.${name}.`, nameHint(name, known));
      },
    });
  }

  /** Binds what the builder returned. */
  output(value: unknown): Binding {
    const at = this.#options.workflow.position;
    const bound = bindValue(value, "its output", this.#place);
    this.#report(bound, at, `workflow "${this.#options.workflow.id}"`);
    return bound.binding;
  }

  /** What is known of a bound value's shape. */
  shapeOf(binding: Binding): Shape {
    if ("const" in binding) return { kind: "const", value: binding.const };
    if ("list" in binding) return { kind: "tuple", items: binding.list.map((item) => this.shapeOf(item)) };
    if ("object" in binding) {
      return {
        kind: "fields",
        fields: new Map(Object.entries(binding.object).map(([name, item]) => [name, this.shapeOf(item)])),
      };
    }
    if ("cel" in binding) return unknownShape;
    let shape = this.#rootShape(binding.ref);
    for (const step of binding.ref.path) {
      const next = stepInto(shape, step, "");
      if (isDefect(next)) return unknownShape;
      shape = next;
    }
    return shape;
  }

  #call(definition: unknown, args: unknown, options: unknown): object {
    const at = callerPosition();
    const callee = this.#callee(definition, "w.call", at);
    const draft = this.#draft("w.call", callee?.data, options, at);
    draft.reader.onlyKnown(callOptions, [...laterOptions, "concurrency"]);
    const given = args === undefined && callee?.known.input !== undefined ? {} : args;
    const bound = this.#bind(given, "its input", draft);
    if (bound.defects.length === 0) this.#checkArguments(bound.binding, callee?.known.input, "its input", draft);
    const node = { kind: "call" as const, ...this.#fields(draft, callee?.data), args: bound.binding };
    return this.#add(draft, node, "output", callee?.known.output ?? unknownShape);
  }

  #map(list: unknown, task: unknown, options: unknown): object {
    const at = callerPosition();
    const callee = this.#callee(task, "w.map", at);
    const draft = this.#draft("w.map", callee?.data, options, at);
    draft.reader.onlyKnown(mapOptions, laterOptions);
    const bound = this.#bind(list, "the list", draft);
    this.#itemShape = this.#itemOf(bound, draft);
    const itemKey = this.#itemKey(draft);
    const withBinding = this.#itemBinding("with", draft) ?? { ref: { from: "item" as const, path: [] } };
    this.#checkArguments(withBinding, callee?.known.input, "its input", draft);
    const fields = this.#fields(draft, callee?.data);
    this.#itemShape = unknownShape;
    const concurrency = draft.reader.concurrency();
    const node = {
      kind: "map" as const,
      ...fields,
      list: bound.binding,
      itemKey,
      with: withBinding,
      ...(concurrency === undefined ? {} : { concurrency }),
    };
    return this.#add(draft, node, "outputs", { kind: "list", item: callee?.known.output ?? unknownShape });
  }

  #callee(value: unknown, call: string, at: Position | undefined): { data: DefinitionData; known: Callee } | undefined {
    const data = definitionData(value);
    const wants = call === "w.map" ? "a task" : "a task or a workflow";
    if (data === undefined || data.kind === "asset" || (call === "w.map" && data.kind === "workflow")) {
      const is = data === undefined ? (referenceData(value)?.text ?? show(value)) : `the ${data.kind} "${data.id}"`;
      const hint =
        data?.kind === "workflow"
          ? "Map a task; a workflow is called with w.call."
          : "Import what task(…) or workflow(…) returned. Undefined is often an import that goes round in a circle.";
      this.problems.add(at, `${call} needs ${wants}, but was given ${is}.`, hint);
      return undefined;
    }
    this.used.add(data);
    return { data, known: this.#options.calleeOf(data, at, this.problems) };
  }

  #draft(call: string, callee: DefinitionData | undefined, options: unknown, at: Position | undefined): NodeDraft {
    const reader = new OptionReader(options ?? {}, `${call} of ${show(callee?.id ?? "?")}`, at);
    const as = reader.id("as");
    const name = as ?? this.#freeName(callee?.id ?? "node");
    const what = `node "${name}" of workflow "${this.#options.workflow.id}"`;
    if (this.#positions.has(name)) {
      const first = this.#positions.get(name);
      const where = first === undefined ? "" : ` (the first is on line ${first.line})`;
      reader.add(
        `the node name "${name}" is used twice${where}`,
        'Give each node a name of its own with { as: "name" }.',
      );
    } else this.#positions.set(name, at);
    return { name, at, what, reader, upstream: new Set() };
  }

  #freeName(id: string): string {
    if (!this.#positions.has(id)) return id;
    for (let n = 2; ; n++) if (!this.#positions.has(`${id}#${n}`)) return `${id}#${n}`;
  }

  #fields(draft: NodeDraft, callee: DefinitionData | undefined): NodeFields {
    this.#readAfter(draft);
    const when = this.#readWhen(draft);
    const retry = draft.reader.retry();
    if (retry !== undefined && callee?.kind === "workflow") {
      draft.reader.add(
        '"retry" is given for a workflow',
        "Give it to the tasks inside; a workflow itself is not tried again.",
      );
    }
    const rule: TriggerRule = draft.reader.oneOf("rule", triggerRules) ?? "all_success";
    return {
      name: draft.name,
      definition: callee?.id ?? "unknown",
      upstream: [...draft.upstream].sort(),
      rule,
      ...(when === undefined ? {} : { when }),
      ...(retry === undefined ? {} : { retry }),
    };
  }

  #readAfter(draft: NodeDraft): void {
    const after = draft.reader.value("after");
    for (const item of after === undefined ? [] : [after].flat()) {
      const handle = typeof item === "object" && item !== null ? this.#handles.get(item) : undefined;
      if (handle !== undefined) draft.upstream.add(handle.name);
      else {
        const is = referenceData(item)?.text ?? show(item);
        const hint = "Pass what w.call or w.map of this same workflow returned: { after: [first] }.";
        draft.reader.add(`"after" names ${is}, which is no node of this workflow`, hint);
      }
    }
  }

  #readWhen(draft: NodeDraft): Binding | undefined {
    const when = draft.reader.value("when");
    if (when === undefined) return undefined;
    const value = typeof when === "function" && referenceData(when) === undefined ? (when as () => unknown)() : when;
    const { binding } = this.#bind(value, '"when"', draft);
    const kinds = kindsOf(this.shapeOf(binding));
    const isNone = "cel" in binding && this.#options.inspectExpression(binding.cel).isNoCondition === true;
    if (isNone || (kinds !== undefined && !kinds.has("boolean"))) {
      draft.reader.add(
        '"when" is not true or false',
        "Return a reference to a boolean, or a comparison in a cel template.",
      );
    }
    return binding;
  }

  #itemKey(draft: NodeDraft): Binding {
    const binding = this.#itemBinding("key", draft);
    if (binding === undefined) {
      draft.reader.add('"key" is missing', "Say what identifies an item: { key: (item) => item.id }.");
      return { const: null };
    }
    const kinds = kindsOf(this.shapeOf(binding));
    if (kinds !== undefined && ["string", "number", "boolean"].every((kind) => !kinds.has(kind as "string"))) {
      draft.reader.add('"key" is no string, number or boolean', "Step into the field that identifies the item.");
    } else if (ignoresItem(binding)) {
      draft.reader.add('"key" is the same for every item', "It must come from the item: { key: (item) => item.id }.");
    }
    return binding;
  }

  #itemBinding(name: "key" | "with", draft: NodeDraft): Binding | undefined {
    const given = draft.reader.value(name);
    if (given === undefined) return undefined;
    if (typeof given !== "function" || referenceData(given) !== undefined) {
      draft.reader.add(
        `"${name}" is ${referenceData(given)?.text ?? show(given)}`,
        `Write a function of the item: { ${name}: (item) => … }.`,
      );
      return undefined;
    }
    const item = this.#reference({ from: "item", path: [] }, "item", draft.name);
    return this.#bind((given as (item: unknown) => unknown)(item), `"${name}"`, draft, draft.name).binding;
  }

  #itemOf(list: BoundValue, draft: NodeDraft): Shape {
    const shape = this.shapeOf(list.binding);
    const kinds = kindsOf(shape);
    if (kinds !== undefined && !kinds.has("list")) {
      const text = list.references[0]?.text ?? "the value";
      draft.reader.add(
        `w.map needs a list, but ${text} is ${[...kinds].join(" or ")}`,
        "Map over a list, or call the task with w.call.",
      );
    }
    if (shape.kind === "const" && Array.isArray(shape.value) && shape.value.length > limits.itemsPerMap) {
      draft.reader.add(`the list has ${shape.value.length} items`, `At most ${limits.itemsPerMap} are allowed.`);
    }
    if (shape.kind === "list") return shape.item;
    if (shape.kind !== "schema") return unknownShape;
    const item = stepInto(shape, 0, "");
    return isDefect(item) ? unknownShape : item;
  }

  #checkArguments(binding: Binding, schema: JsonObject | undefined, text: string, draft: NodeDraft): void {
    if (schema === undefined) return;
    const check = new BindingCheck(schema, (item) => this.shapeOf(item));
    check.check(binding, schema, text);
    for (const defect of check.defects) draft.reader.add(defect.message, defect.hint);
  }

  #bind(value: unknown, text: string, draft: NodeDraft, map?: string): BoundValue {
    const bound = bindValue(value, text, map === undefined ? this.#place : { ...this.#place, map });
    for (const name of bound.upstream) draft.upstream.add(name);
    this.#report(bound, draft.at, draft.what);
    return bound;
  }

  #report(bound: BoundValue, at: Position | undefined, what: string): void {
    for (const defect of bound.defects) this.problems.add(at, `${what}: ${defect.message}.`, defect.hint);
    for (const data of bound.references) this.#checkPath(data, at, what);
  }

  #checkPath({ reference, owner, text }: ReferenceData, at: Position | undefined, what: string): void {
    if (owner.graph !== this) return;
    let shape = this.#rootShape(reference);
    let place = text.slice(0, text.length - pathLength(reference.path));
    for (const step of reference.path) {
      const next = stepInto(shape, step, place);
      if (isDefect(next)) {
        this.problems.add(at, `${what}: ${next.message}.`, next.hint);
        return;
      }
      shape = next;
      place += stepText(step);
    }
  }

  #rootShape(reference: ReferenceData["reference"]): Shape {
    if (reference.from === "params") return schemaShape(this.#options.params);
    if (reference.from === "item") return this.#itemShape;
    return this.#outputs.get(reference.node) ?? unknownShape;
  }

  #reference(reference: ReferenceData["reference"], text: string, map?: string): Ref<unknown> {
    const owner: ReferenceOwner = {
      workflow: this.#options.workflow.id,
      graph: this,
      ...(map === undefined ? {} : { map }),
    };
    return makeReference({ reference, owner, text });
  }

  #add(draft: NodeDraft, node: WorkflowNode, result: "output" | "outputs", shape: Shape): object {
    this.problems.found.push(...draft.reader.problems.found);
    this.nodes.push(node);
    if (this.nodes.length === limits.nodesPerWorkflow + 1) {
      const message = `workflow "${this.#options.workflow.id}" has more than ${limits.nodesPerWorkflow} nodes.`;
      this.problems.add(draft.at, message, "Use w.map for many of the same, or nested workflows.");
    }
    if (!this.#outputs.has(draft.name)) this.#outputs.set(draft.name, shape);
    const output = this.#reference({ from: "output", node: draft.name, path: [] }, `${draft.name}.${result}`);
    const handle = new Proxy({ name: draft.name, [result]: output }, new HandleTraps(draft.name, result));
    this.#handles.set(handle, { name: draft.name, result });
    return handle;
  }
}

type NodeFields = {
  readonly name: string;
  readonly definition: string;
  readonly upstream: string[];
  readonly rule: TriggerRule;
  readonly when?: Binding;
  readonly retry?: RetryPolicy;
};

/** A handle has its name and its result, and says so when something else is asked of it. */
class HandleTraps implements ProxyHandler<object> {
  readonly #name: string;
  readonly #result: string;

  constructor(name: string, result: string) {
    this.#name = name;
    this.#result = result;
  }

  get(target: object, property: string | symbol): unknown {
    if (typeof property === "symbol" || property in target) return Reflect.get(target, property) as unknown;
    if (property === "constructor" || property === "toJSON") return undefined;
    const hint =
      property === "then" ? "The builder is not asynchronous: no await." : `What it returns is .${this.#result}.`;
    throw new ReferenceMisuse(`The node "${this.#name}" has no .${property}.`, hint);
  }
}

function stepText(step: string | number): string {
  if (typeof step === "number") return `[${step}]`;
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}

function pathLength(path: readonly (string | number)[]): number {
  return path.reduce<number>((sum, step) => sum + stepText(step).length, 0);
}
