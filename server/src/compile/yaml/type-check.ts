import { nameHint } from "@holdfast/protocol";
import type { MapNode, YamlNode } from "./document.ts";
import { type Reading, shown } from "./fields.ts";
import { type BuiltinName, builtins, type Type, typeText } from "./type-expression.ts";

/** Where a type does not fit the wanted one: the fields on the way, and both types there. */
export interface Misfit {
  readonly path: string;
  readonly wanted: string;
  readonly given: string;
}

/**
 * Whether values of one type may go where another is wanted: the same type, or UTC times for times with an offset, or
 * something for what may also be null. Nothing else is converted. Undefined when they may.
 */
export function misfit(wanted: Type, given: Type, path = ""): Misfit | undefined {
  const differ = { path, wanted: typeText(wanted), given: typeText(given) };
  if (wanted.kind === "optional") return misfit(wanted.type, given.kind === "optional" ? given.type : given, path);
  if (wanted.kind !== given.kind) return differ;
  if (wanted.kind === "builtin" && given.kind === "builtin") {
    if (wanted.name === given.name || (wanted.name === "datetime_tz" && given.name === "datetime_utc"))
      return undefined;
    return differ;
  }
  if (wanted.kind === "list" && given.kind === "list") return misfit(wanted.item, given.item, `${path}[]`);
  if (wanted.kind !== "object" || given.kind !== "object") return differ;
  for (const [name, field] of wanted.fields) {
    const other = given.fields.get(name);
    if (other === undefined) return { path: `${path}.${name}`, wanted: typeText(field), given: "missing" };
    const inner = misfit(field, other, `${path}.${name}`);
    if (inner !== undefined) return inner;
  }
  for (const [name, field] of given.fields) {
    if (!wanted.fields.has(name)) return { path: `${path}.${name}`, wanted: "missing", given: typeText(field) };
  }
  return undefined;
}

/** Reports where a constant is not of a type. */
export function checkConstant(node: YamlNode, type: Type, reading: Reading): void {
  const { what, problems } = reading;
  const isNull = node.kind === "scalar" && node.value === null;
  if (type.kind === "optional") {
    if (!isNull) checkConstant(node, type.type, reading);
  } else if (type.kind === "list" && node.kind === "list") {
    for (const [i, item] of node.items.entries()) checkConstant(item, type.item, { what: `${what}[${i}]`, problems });
  } else if (type.kind === "object" && node.kind === "map") {
    checkFields(node, type, reading);
  } else if (type.kind !== "builtin" || node.kind !== "scalar" || !isOf(type.name, node.value)) {
    problems.add(node, `${what} is ${shown(node)}`, `It must be ${looksOf(type)} (${typeText(type)}).`);
  }
}

function isOf(name: BuiltinName, value: unknown): boolean {
  return builtins[name].schema.safeParse(value).success;
}

function checkFields(node: MapNode, { fields }: Type & { readonly kind: "object" }, { what, problems }: Reading): void {
  for (const [name, field] of fields) {
    const entry = node.entries.get(name);
    if (entry === undefined) problems.add(node, `${what} lacks "${name}"`, `Add it: its type is ${typeText(field)}.`);
    else checkConstant(entry.node, field, { what: `${what}.${name}`, problems });
  }
  for (const [name, { at }] of node.entries) {
    if (fields.has(name)) continue;
    problems.add(at, `${what} has an unknown field "${name}"`, nameHint(name, [...fields.keys()]));
  }
}

function looksOf(type: Type): string {
  if (type.kind === "builtin") return builtins[type.name].looks;
  return type.kind === "list" ? "a list" : "a mapping with these fields";
}
