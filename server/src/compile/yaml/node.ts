import type { Binding, WorkflowNode } from "@holdfast/protocol";
import {
  type InspectExpression,
  isStepDefect,
  kindsOf,
  type Shape,
  stepInto,
  unknownShape,
} from "@holdfast/sdk/definitions";
import { type BindingPlace, type Bound, type Known, readReference, type Scope, taskDefect } from "./bindings.ts";
import type { Callee } from "./callee.ts";
import type { Place, YamlEntry } from "./document.ts";
import { readFields } from "./fields.ts";
import { foreachForm } from "./form.ts";
import { readInputs } from "./inputs.ts";
import { parseReference } from "./reference.ts";
import { readRetry, type TaskReading, type YamlTask } from "./task.ts";
import { typeText } from "./type-expression.ts";

// A task's node in the graph: its arguments, condition and map, each reference followed and each type compared.

export interface NodeReading extends TaskReading {
  readonly scope: Scope;
  readonly callee: Callee;
  readonly inspectExpression: InspectExpression;
  readonly mayBeNull: (task: string) => boolean;
}

export interface CompiledNode {
  readonly node: WorkflowNode;
  readonly output: Known;
}

/** Compiles a task's node. Mistakes are told; what comes of them is only good for finding more. */
export function compileNode(task: YamlTask, reading: NodeReading): CompiledNode {
  const { callee, scope, mayBeNull } = reading;
  const dependsOn = new Set(task.dependencies.map(({ name }) => name));
  const place: BindingPlace = { what: task.what, task: { name: task.name, dependsOn }, mayBeNull };
  const foreach = readForeach(task, place, reading);
  const args = readInputs(task, foreach === undefined ? place : { ...place, item: foreach.item }, { scope, callee });
  const when = readWhen(task, place, reading);
  const retry = callee.isOwn ? undefined : nodeRetry(task, reading);
  const fields = {
    name: task.name,
    definition: callee.spec?.id ?? task.name,
    upstream: [...dependsOn].sort(),
    rule: task.values.trigger_rule ?? ("all_success" as const),
    ...(when === undefined ? {} : { when }),
    ...(retry === undefined ? {} : { retry }),
  };
  const { type, shape } = callee.output;
  if (foreach === undefined) return { node: { kind: "call", ...fields, args }, output: { type, shape } };
  if (callee.spec?.kind === "workflow") {
    scope.problems.add(task.at, `${task.what}: "foreach" is given for the workflow "${callee.spec.id}"`, "Map a task.");
  }
  const node = { kind: "map" as const, ...fields, list: foreach.list, itemKey: foreach.key, with: args };
  return { node, output: { type: type && { kind: "list", item: type }, shape: { kind: "list", item: shape } } };
}

function nodeRetry(task: YamlTask, reading: NodeReading): ReturnType<typeof readRetry> {
  const spec = reading.callee.spec;
  const own = task.entries.get("retry") ?? task.entries.get("retries");
  if (own === undefined) return undefined;
  const retry = readRetry(task, reading);
  if (spec?.kind !== "workflow") return retry;
  reading.problems.add(own.at, `${task.what}: a workflow is not tried again`, "Give the retries to its tasks.");
  return undefined;
}

interface Foreach {
  readonly list: Binding;
  readonly key: Binding;
  readonly item: Known & { readonly name: string };
}

function readForeach(task: YamlTask, place: BindingPlace, reading: NodeReading): Foreach | undefined {
  const entry = task.entries.get("foreach");
  if (entry === undefined) return undefined;
  const { scope } = reading;
  const what = `${task.what}: "foreach"`;
  const fields = readFields(entry.node, { form: foreachForm, what, problems: scope.problems });
  const name = fields?.values.as ?? "item";
  if (name === "tasks" || name === "params") {
    scope.problems.add(
      fields?.entries.get("as")?.node ?? entry.node,
      `${what}: "as" is "${name}"`,
      "References call other things so.",
    );
  }
  const { ref } = fields?.values ?? {};
  const refAt = fields?.entries.get("ref")?.node ?? entry.node;
  const bound =
    ref === undefined ? undefined : readReference(ref, refAt, { place: { ...place, what: `${what}: "ref"` }, scope });
  const item = { name, ...itemOf(bound, what, reading) };
  const key = readKey(
    { entry: fields?.entries.get("key"), text: fields?.values.key, at: entry.node, what, place, item },
    reading,
  );
  return { list: bound?.binding ?? { const: [] }, key, item };
}

function itemOf(list: Bound | undefined, what: string, { scope }: NodeReading): Known {
  if (list === undefined) return { shape: unknownShape };
  const kinds = kindsOf(list.shape);
  const isNoList = list.type === undefined ? kinds !== undefined && !kinds.has("list") : list.type.kind !== "list";
  if (isNoList) {
    const is = list.type === undefined ? [...(kinds ?? [])].join(" or ") : typeText(list.type);
    scope.problems.add(
      list.at,
      `${what} needs a list, but ${list.text} is ${is}`,
      "Step to the field that is the list.",
    );
    return { shape: unknownShape };
  }
  const shape = list.shape.kind === "list" ? list.shape.item : stepInto(list.shape, 0, "");
  return {
    type: list.type?.kind === "list" ? list.type.item : undefined,
    shape: isStepDefect(shape) ? unknownShape : shape,
  };
}

interface KeyReading {
  readonly entry: YamlEntry | undefined;
  readonly text: string | undefined;
  readonly at: Place;
  readonly what: string;
  readonly place: BindingPlace;
  readonly item: Known & { readonly name: string };
}

const keyKinds = ["string", "number", "boolean"] as const;

function readKey({ entry, text, at, what, place, item }: KeyReading, reading: NodeReading): Binding {
  const { scope, inspectExpression } = reading;
  const whole: Binding = { ref: { from: "item", path: [] } };
  const identifies = (shape: Shape): boolean => {
    const kinds = kindsOf(shape);
    return kinds === undefined || keyKinds.some((kind) => kinds.has(kind));
  };
  if (text === undefined) {
    if (entry === undefined && (kindsOf(item.shape) === undefined || !identifies(item.shape))) {
      scope.problems.add(at, `${what} has no "key"`, `Say what identifies an item: key: ${item.name}.id`);
    }
    return whole;
  }
  const keyAt = entry?.node ?? at;
  if (parseReference(text)?.root === item.name) {
    const bound = readReference(text, keyAt, { place: { ...place, what: `${what}: "key"`, item }, scope });
    if (bound !== undefined && !identifies(bound.shape)) {
      scope.problems.add(
        keyAt,
        `${what}: "key" is no text, number or boolean`,
        "Step to the field that identifies the item.",
      );
    }
    return bound?.binding ?? whole;
  }
  const found = inspectExpression(text);
  if (found.defect !== undefined) {
    scope.problems.add(
      keyAt,
      `${what}: "key" is an expression with a mistake: ${found.defect.message}`,
      found.defect.hint,
    );
  } else if (!found.usesItem) {
    const hint = `Write ${item.name}.field; in an expression the item is called item.`;
    scope.problems.add(keyAt, `${what}: "key" does not use the item`, hint);
  }
  checkExpressionTasks(found.tasks, { at: keyAt, place: { ...place, what: `${what}: "key"` }, scope });
  return { cel: text };
}

function readWhen(task: YamlTask, place: BindingPlace, { scope, inspectExpression }: NodeReading): Binding | undefined {
  const text = task.values.when;
  if (text === undefined) return undefined;
  const at = task.entries.get("when")?.node ?? task.at;
  const what = `${task.what}: "when"`;
  const refuse = (kind: string): void =>
    scope.problems.add(at, `${what} is ${kind}, not true or false`, "Name a bool, or compare: params.limit > 3.");
  const root = parseReference(text)?.root;
  if (root === "tasks" || root === "params") {
    const bound = readReference(text, at, { place: { ...place, what }, scope });
    const kinds = bound && kindsOf(bound.shape);
    if (kinds !== undefined && !kinds.has("boolean"))
      refuse(bound?.type === undefined ? [...kinds].join(" or ") : typeText(bound.type));
    return bound?.binding;
  }
  const found = inspectExpression(text);
  if (found.defect !== undefined) {
    scope.problems.add(at, `${what} is an expression with a mistake: ${found.defect.message}`, found.defect.hint);
  } else if (found.usesItem) {
    scope.problems.add(
      at,
      `${what} uses the item`,
      "It is asked once, before the items are known: leave items out of the list instead.",
    );
  } else if (found.isNoCondition === true) refuse("an expression of another kind");
  checkExpressionTasks(found.tasks, { at, place: { ...place, what }, scope });
  return { cel: text };
}

function checkExpressionTasks(
  tasks: readonly string[],
  { at, place, scope }: { readonly at: Place; readonly place: BindingPlace; readonly scope: Scope },
): void {
  for (const name of tasks) {
    const defect = taskDefect(name, place, scope);
    if (defect !== undefined)
      scope.problems.add(at, `${place.what}: tasks.${name}.output ${defect.message}`, defect.hint);
  }
}
