import type { Json, JsonObject } from "@holdfast/protocol";
import { nameHint } from "@holdfast/protocol";

// What is known at compile time about a value that exists only later. Unknown is always possible, and never a mistake.

export type Shape =
  | { readonly kind: "unknown" }
  | { readonly kind: "schema"; readonly root: JsonObject; readonly schema: Json }
  | { readonly kind: "const"; readonly value: Json }
  | { readonly kind: "fields"; readonly fields: ReadonlyMap<string, Shape> }
  | { readonly kind: "tuple"; readonly items: readonly Shape[] }
  | { readonly kind: "list"; readonly item: Shape };

export type JsonKind = "null" | "boolean" | "number" | "string" | "list" | "object";

export const unknownShape: Shape = { kind: "unknown" };

export function schemaShape(schema: JsonObject | undefined): Shape {
  return schema === undefined ? unknownShape : { kind: "schema", root: schema, schema };
}

/** Why a step leads nowhere. */
export interface StepDefect {
  readonly message: string;
  readonly hint: string;
}

export function isDefect(value: Shape | StepDefect): value is StepDefect {
  return "message" in value;
}

/** The shape behind one step, or why there is none. `text` names the place before the step. */
export function stepInto(shape: Shape, step: string | number, text: string): Shape | StepDefect {
  const kinds = kindsOf(shape);
  const wanted: JsonKind = typeof step === "number" ? "list" : "object";
  if (kinds !== undefined && !kinds.has(wanted) && !(typeof step === "number" && kinds.has("object"))) {
    return wrongStep(step, text, kinds);
  }
  switch (shape.kind) {
    case "unknown":
      return unknownShape;
    case "list":
      return shape.item;
    case "tuple":
      return (
        shape.items[Number(step)] ?? {
          message: `${text} has ${shape.items.length} items`,
          hint: "Positions count from 0.",
        }
      );
    case "fields":
      return shape.fields.get(String(step)) ?? missing(step, text, [...shape.fields.keys()]);
    case "const":
      return stepConst(shape.value, step, text);
    case "schema":
      return stepSchema(shape.root, shape.schema, step, text);
  }
}

function wrongStep(step: string | number, text: string, kinds: ReadonlySet<JsonKind>): StepDefect {
  const is = [...kinds].filter((kind) => kind !== "null").join(" or ");
  const message = `${text} is a ${is}, so it has no ${typeof step === "number" ? `position ${step}` : `"${step}"`}`;
  if (kinds.has("list")) {
    return {
      message,
      hint: `Step into its items (${text}[0]), map over it with w.map, or write size(…) in a cel template.`,
    };
  }
  return { message, hint: "Use the value as it is, or an expression in a cel template." };
}

function missing(step: string | number, text: string, known: readonly string[]): StepDefect {
  return { message: `${text} has no "${step}"`, hint: nameHint(String(step), known) };
}

function stepConst(value: Json, step: string | number, text: string): Shape | StepDefect {
  if (typeof value !== "object" || value === null) return unknownShape;
  const inner = (value as Readonly<Record<string, Json>>)[String(step)];
  return inner === undefined ? missing(step, text, Object.keys(value)) : { kind: "const", value: inner };
}

function stepSchema(root: JsonObject, schema: Json, step: string | number, text: string): Shape | StepDefect {
  const names: string[] = [];
  for (const branch of branches(root, schema)) {
    if (branch === "any") return unknownShape;
    const found = typeof step === "number" ? itemSchema(branch, step) : undefined;
    if (found !== undefined) return { kind: "schema", root, schema: found };
    const properties = asObject(branch.properties) ?? {};
    const property = Object.hasOwn(properties, String(step)) ? properties[String(step)] : undefined;
    if (property !== undefined) return { kind: "schema", root, schema: property };
    if (!isClosed(branch)) return unknownShape;
    names.push(...Object.keys(properties));
  }
  return missing(step, text, names);
}

function itemSchema(branch: JsonObject, step: number): Json | undefined {
  if (branch.type !== "array") return undefined;
  const prefix = branch.prefixItems;
  const item = Array.isArray(prefix) ? (prefix as readonly Json[])[step] : undefined;
  return item ?? branch.items ?? true;
}

/** True when only the listed fields can be meant. A schema that is silent strips others or should not be read past. */
export function isClosed(schema: JsonObject): boolean {
  const { type, properties, additionalProperties, patternProperties } = schema;
  if (typeof type === "string" && type !== "object") return true;
  if (properties === undefined) return additionalProperties === false;
  return (additionalProperties === undefined || additionalProperties === false) && patternProperties === undefined;
}

/** The alternatives of a schema, references followed. "any" where nothing is known. */
export function branches(root: JsonObject, schema: Json, depth = 0): readonly (JsonObject | "any")[] {
  const object = asObject(schema);
  if (object === undefined || depth > 20) return ["any"];
  const reference = object.$ref;
  if (typeof reference === "string") {
    const target = followPointer(root, reference);
    return target === undefined ? ["any"] : branches(root, target, depth + 1);
  }
  const alternatives = object.anyOf ?? object.oneOf;
  if (Array.isArray(alternatives)) return alternatives.flatMap((item: Json) => branches(root, item, depth + 1));
  if (object.allOf !== undefined || object.not !== undefined) return ["any"];
  const known = ["type", "properties", "const", "enum", "items"].some((name) => name in object);
  return known ? [object] : ["any"];
}

function followPointer(root: JsonObject, reference: string): Json | undefined {
  if (!reference.startsWith("#")) return undefined;
  let at: Json | undefined = root;
  for (const part of reference.slice(1).split("/").slice(1)) {
    const name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    at = asObject(at)?.[name];
  }
  return at;
}

export function asObject(value: Json | undefined): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** The kinds of JSON value that it can be, or undefined when nothing is known. */
export function kindsOf(shape: Shape): ReadonlySet<JsonKind> | undefined {
  switch (shape.kind) {
    case "unknown":
      return undefined;
    case "list":
    case "tuple":
      return new Set(["list"]);
    case "fields":
      return new Set(["object"]);
    case "const":
      return new Set([kindOfValue(shape.value)]);
    case "schema":
      return kindsOfSchema(shape.root, shape.schema);
  }
}

function kindsOfSchema(root: JsonObject, schema: Json): ReadonlySet<JsonKind> | undefined {
  const kinds = new Set<JsonKind>();
  for (const branch of branches(root, schema)) {
    if (branch === "any") return undefined;
    if ("const" in branch) kinds.add(kindOfValue(branch.const ?? null));
    else if (Array.isArray(branch.enum)) for (const value of branch.enum) kinds.add(kindOfValue(value));
    else if (branch.type === undefined) return undefined;
    else for (const type of [branch.type].flat()) kinds.add(kindOfType(String(type)));
  }
  return kinds;
}

function kindOfType(type: string): JsonKind {
  if (type === "array") return "list";
  if (type === "integer") return "number";
  return type as JsonKind;
}

function kindOfValue(value: Json): JsonKind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  return typeof value as "boolean" | "number" | "string" | "object";
}
