import type { Binding, JsonObject } from "@holdfast/protocol";
import { BindingCheck, type Shape, unknownShape } from "@holdfast/sdk/definitions";
import { type BindingPlace, type Bound, readBinding, type Scope } from "./bindings.ts";
import type { Callee } from "./callee.ts";
import type { Place, YamlEntry, YamlNode } from "./document.ts";
import { readMap } from "./fields.ts";
import type { YamlTask } from "./task.ts";
import { checkConstant, misfit } from "./type-check.ts";
import { type Type, typeText } from "./type-expression.ts";

// The `inputs` of a task: which value each argument has, compared with what the task takes.

export interface InputsReading {
  readonly scope: Scope;
  readonly callee: Callee;
}

/** The arguments, as one binding of an object. */
export function readInputs(task: YamlTask, place: BindingPlace, reading: InputsReading): Binding {
  const { scope, callee } = reading;
  const entry = task.entries.get("inputs");
  const map =
    entry &&
    readMap(entry.node, { what: `${task.what}: "inputs"`, problems: scope.problems }, "a mapping of the arguments");
  const bound = new Map<string, Bound>();
  for (const [name, { node }] of map?.entries ?? []) {
    const input = readBinding(node, { ...place, what: `${task.what}: inputs.${name}` }, scope);
    if (input !== undefined) bound.set(name, input);
  }
  const given = map?.entries ?? new Map<string, YamlEntry>();
  if (callee.isOwn) checkDeclared(task, { given, bound }, reading);
  else if (callee.input.schema !== undefined && bound.size === given.size)
    checkSchema(task, { given, bound, schema: callee.input.schema }, reading);
  return joined(bound);
}

interface Inputs {
  readonly given: ReadonlyMap<string, YamlEntry>;
  readonly bound: ReadonlyMap<string, Bound>;
}

/** The names of `inputs` are those of `input_type`, and each value has its type. */
function checkDeclared(task: YamlTask, { given, bound }: Inputs, { scope: { problems }, callee }: InputsReading): void {
  const { type } = callee.input;
  const at = task.entries.get("inputs")?.at ?? task.at;
  if (type?.kind !== "object") {
    if (type === undefined && given.size > 0 && !task.entries.has("input_type")) {
      problems.add(
        at,
        `${task.what} has "inputs", but no "input_type"`,
        "Say the type of each argument: input_type: { day: date }.",
      );
    }
    return;
  }
  for (const [name, field] of type.fields) {
    if (!given.has(name))
      problems.add(at, `${task.what}: "inputs" lacks "${name}"`, `Bind it; its type is ${typeText(field)}.`);
  }
  for (const [name, entry] of given) {
    const field = type.fields.get(name);
    const input = bound.get(name);
    if (field === undefined) {
      problems.add(
        entry.at,
        `${task.what}: inputs.${name} is not in "input_type"`,
        `Remove it, or declare it. ${knownFields(type)}`,
      );
    } else if (input !== undefined) checkInput(input, field, { task, name, problems, callee });
  }
}

function knownFields(type: Type): string {
  const names = type.kind === "object" ? [...type.fields.keys()] : [];
  return names.length === 0 ? '"input_type" has no arguments.' : `"input_type" has ${names.join(", ")}.`;
}

interface InputCheck {
  readonly task: YamlTask;
  readonly name: string;
  readonly problems: Scope["problems"];
  readonly callee: Callee;
}

function checkInput(input: Bound, wanted: Type, { task, name, problems, callee }: InputCheck): void {
  const what = `${task.what}: inputs.${name}`;
  if (input.constant !== undefined) checkConstant(input.constant, wanted, { what, problems });
  else if (input.type !== undefined) {
    const found = misfit(wanted, input.type);
    if (found === undefined) return;
    const isNull =
      input.type.kind === "optional" && wanted.kind !== "optional" && misfit(wanted, input.type.type) === undefined;
    const hint = isNull
      ? `${input.text} is null when its task was skipped or failed: write ${typeText(wanted)}? in input_type.`
      : "Both types must be the same; only datetime_utc may go where datetime_tz is wanted.";
    problems.add(input.at, `${what}${found.path} is ${found.given}, but ${found.wanted} is wanted`, hint);
  } else {
    const schema = callee.input.schema ?? {};
    const check = new BindingCheck(schema, () => input.shape);
    const properties = schema.properties as JsonObject | undefined;
    check.check(input.binding, properties?.[name] ?? {}, what);
    for (const { message, hint } of check.defects) problems.add(input.at, message, hint);
  }
}

/** Compares all arguments with what a task of TypeScript takes. */
function checkSchema(
  task: YamlTask,
  { given, bound, schema }: Inputs & { readonly schema: JsonObject },
  { scope }: InputsReading,
): void {
  const shapes = new Map<Binding, Shape>([...bound.values()].map(({ binding, shape }) => [binding, shape]));
  const whole = joined(bound);
  const shapeOf = (binding: Binding): Shape => {
    if ("const" in binding) return { kind: "const", value: binding.const };
    if ("object" in binding)
      return {
        kind: "fields",
        fields: new Map(Object.entries(binding.object).map(([name, item]) => [name, shapeOf(item)])),
      };
    return shapes.get(binding) ?? unknownShape;
  };
  const check = new BindingCheck(schema, shapeOf);
  check.check(whole, schema, "inputs");
  for (const { message, hint } of check.defects) {
    const name = /^inputs\.(\w+)/.exec(message)?.[1] ?? /unknown field "(.*)"$/.exec(message)?.[1];
    const at: YamlNode | Place =
      (name === undefined ? undefined : given.get(name)?.at) ?? task.entries.get("inputs")?.at ?? task.at;
    scope.problems.add(at, `${task.what}: ${message}`, hint);
  }
}

function joined(bound: ReadonlyMap<string, Bound>): Binding {
  const entries = [...bound].map(([name, { binding }]) => [name, binding] as const);
  if (!entries.every(([, binding]) => "const" in binding)) return { object: Object.fromEntries(entries) };
  return {
    const: Object.fromEntries(entries.map(([name, binding]) => [name, "const" in binding ? binding.const : null])),
  };
}
