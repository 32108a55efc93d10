import type { Binding, JsonObject } from "@holdfast/protocol";
import { limits, nameHint } from "@holdfast/protocol";
import { isStepDefect, type Shape, schemaShape, stepInto, unknownShape } from "@holdfast/sdk/definitions";
import { jsonOf, type Place, type YamlNode } from "./document.ts";
import { type FileProblems, readFields, shown } from "./fields.ts";
import { bindingForm } from "./form.ts";
import { isDefect, type Target, targetOf } from "./reference.ts";
import { type Type, typeText } from "./type-expression.ts";

/** What is known of a value that exists only when the workflow runs. */
export interface Known {
  /** As the file declares it. */
  readonly type?: Type | undefined;
  readonly shape: Shape;
}

/** A value that is bound, and what is known of it. */
export interface Bound extends Known {
  readonly binding: Binding;
  readonly at: Place;
  /** The constant's own node. */
  readonly constant?: YamlNode;
  /** The reference as it is written. */
  readonly text?: string;
}

/** Where a binding stands, and so what it may refer to. */
export interface BindingPlace {
  /** Begins every message: `task "load": "inputs.day"`. */
  readonly what: string;
  /** The task that it belongs to; undefined for the workflow's output, which sees every task. */
  readonly task?: { readonly name: string; readonly dependsOn: ReadonlySet<string> };
  readonly item?: Known & { readonly name: string };
  /** Whether the value may be null because the task behind it was skipped or failed. */
  readonly mayBeNull?: (task: string) => boolean;
}

export interface Scope {
  readonly problems: FileProblems;
  readonly params: ReadonlyMap<string, Type | undefined>;
  readonly paramsSchema: JsonObject | undefined;
  /** Every task of the file. */
  readonly tasks: ReadonlySet<string>;
  /** What the tasks return, as far as they are compiled. */
  readonly outputs: ReadonlyMap<string, Known>;
}

/** Reads {const | ref | param}. Undefined for a mistake, which is then told. */
export function readBinding(node: YamlNode, place: BindingPlace, scope: Scope): Bound | undefined {
  const { problems } = scope;
  if (node.kind !== "map") {
    problems.add(
      node,
      `${place.what} is ${shown(node)}`,
      `Say where it comes from: { const: ${constHint(node)} }, { ref: … } or { param: … }.`,
    );
    return undefined;
  }
  const fields = readFields(node, { form: bindingForm, what: place.what, problems, elsewhere: ["const"] });
  if (fields === undefined) return undefined;
  if (node.entries.size !== 1) {
    const keys = [...node.entries.keys()].map((key) => `"${key}"`).join(" and ");
    problems.add(
      node,
      `${place.what} has ${keys === "" ? "nothing" : keys}`,
      'It needs exactly one of "const", "ref" and "param".',
    );
    return undefined;
  }
  const constant = fields.entries.get("const");
  if (constant !== undefined) return bindConstant(constant.node, place, problems);
  const { ref, param } = fields.values;
  const entry = fields.entries.get(ref === undefined ? "param" : "ref");
  const text = ref ?? (param === undefined ? undefined : `params.${param}`);
  if (text === undefined || entry === undefined) return undefined;
  return readReference(text, entry.node, { place: { ...place, what: `${place.what}: the reference` }, scope });
}

function constHint(node: YamlNode): string {
  return node.kind === "scalar" && node.value !== null ? shown(node) : "…";
}

function bindConstant(node: YamlNode, { what }: BindingPlace, problems: FileProblems): Bound | undefined {
  const value = jsonOf(node);
  if (Buffer.byteLength(JSON.stringify(value)) > limits.inputBytes) {
    problems.add(
      node,
      `${what} is larger than ${limits.inputBytes} bytes`,
      "Keep large values in a file, and pass its name.",
    );
    return undefined;
  }
  return { binding: { const: value }, at: node, constant: node, shape: { kind: "const", value } };
}

/** Binds a reference: it must lead somewhere, as far as types tell. */
export function readReference(
  text: string,
  at: Place,
  { place, scope }: { readonly place: BindingPlace; readonly scope: Scope },
): Bound | undefined {
  const refuse = (message: string, hint: string): undefined =>
    scope.problems.add(at, `${place.what} ${message}`, hint) as undefined;
  const target = targetOf(text, place.item?.name);
  if (isDefect(target)) return refuse(target.message, target.hint);
  const root = rootOf(target, place, scope);
  if ("message" in root) return refuse(root.message, root.hint);
  const found = follow(root.known, target.path, root.text);
  if ("message" in found) return refuse(found.message, found.hint);
  const isNullable = target.kind === "task" && place.mayBeNull?.(target.task) === true;
  const type: Type | undefined =
    found.type === undefined || !isNullable || found.type.kind === "optional"
      ? found.type
      : { kind: "optional", type: found.type };
  return { binding: { ref: root.reference }, at, text, type, shape: isNullable ? unknownShape : found.shape };
}

interface Root {
  readonly known: Known;
  readonly text: string;
  readonly reference: Extract<Binding, { ref: unknown }>["ref"];
}
interface Defect {
  readonly message: string;
  readonly hint: string;
}

function rootOf(target: Target, place: BindingPlace, scope: Scope): Root | Defect {
  const path = [...target.path];
  if (target.kind === "item") {
    const item = place.item ?? { name: "item", shape: unknownShape };
    return { known: item, text: item.name, reference: { from: "item", path } };
  }
  if (target.kind === "param") {
    const { name } = target;
    if (!scope.params.has(name)) {
      const known = [...scope.params.keys()];
      const hint = known.length === 0 ? 'Declare it at the top: "params:".' : nameHint(name, known);
      return { message: `names the parameter "${name}", which "params" does not declare`, hint };
    }
    const shape = stepInto(schemaShape(scope.paramsSchema), name, "params");
    const known = { type: scope.params.get(name), shape: isStepDefect(shape) ? unknownShape : shape };
    return { known, text: `params.${name}`, reference: { from: "params", path: [name, ...path] } };
  }
  const defect = taskDefect(target.task, place, scope);
  if (defect !== undefined) return defect;
  const known = scope.outputs.get(target.task) ?? { shape: unknownShape };
  return { known, text: `tasks.${target.task}.output`, reference: { from: "output", node: target.task, path } };
}

/** Why a task's output may not be used here. */
export function taskDefect(task: string, { task: user }: BindingPlace, { tasks }: Scope): Defect | undefined {
  if (!tasks.has(task))
    return { message: `names the task "${task}", which is not there`, hint: nameHint(task, [...tasks]) };
  if (user === undefined) return undefined;
  if (user.name === task) return { message: "is the task's own output", hint: "A task cannot see what it returns." };
  if (user.dependsOn.has(task)) return undefined;
  // One that is not there is told of by itself.
  const list = [...[...user.dependsOn].filter((name) => tasks.has(name)), task].join(", ");
  return { message: `is of the task "${task}", which is not in "depends_on"`, hint: `Write depends_on: [${list}]` };
}

function follow(known: Known, path: readonly (string | number)[], text: string): Known | Defect {
  let { type, shape } = known;
  let place = text;
  for (const step of path) {
    if (type !== undefined) {
      const next = stepType(type, step, place);
      if ("message" in next) return next;
      type = next;
    }
    const next = stepInto(shape, step, place);
    if (isStepDefect(next)) return next;
    shape = next;
    place += typeof step === "number" ? `[${step}]` : `.${step}`;
  }
  return { type, shape };
}

/** What a step into a value of this type leads to, or why it leads nowhere. */
export function stepType(type: Type, step: string | number, text: string): Type | Defect {
  if (type.kind === "optional") {
    const inner = stepType(type.type, step, text);
    return "message" in inner || inner.kind === "optional" ? inner : { kind: "optional", type: inner };
  }
  if (type.kind === "list" && typeof step === "number") return type.item;
  if (type.kind === "object" && typeof step === "string") {
    const field = type.fields.get(step);
    return (
      field ?? {
        message: `names "${step}", which ${text} does not have`,
        hint: nameHint(step, [...type.fields.keys()]),
      }
    );
  }
  const message = `names ${JSON.stringify(step)} of ${text}, which is ${typeText(type)}`;
  if (type.kind === "list")
    return { message, hint: `A list has positions, ${text}[0]; for each of its items use "foreach".` };
  return {
    message,
    hint: type.kind === "object" ? nameHint(String(step), [...type.fields.keys()]) : "Use it as it is.",
  };
}
