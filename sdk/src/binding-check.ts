import type { Binding, Json, JsonObject } from "@holdfast/protocol";
import { nameHint } from "@holdfast/protocol";
import { asObject, branches, isClosed, type JsonKind, kindsOf, type Shape, type StepDefect } from "./shape.ts";

/** Compares what is bound with the JSON Schema of what is wanted, as far as both are known. */
export class BindingCheck {
  readonly defects: StepDefect[] = [];
  readonly #root: JsonObject;
  readonly #shapeOf: (binding: Binding) => Shape;

  constructor(root: JsonObject, shapeOf: (binding: Binding) => Shape) {
    this.#root = root;
    this.#shapeOf = shapeOf;
  }

  check(binding: Binding, schema: Json, text: string): void {
    const wanted = kindsOf({ kind: "schema", root: this.#root, schema });
    const given = kindsOf(this.#shapeOf(binding));
    if (wanted !== undefined && given !== undefined && !overlaps(wanted, given)) {
      this.#add(`${text} is ${listed(given)}, but ${listed(wanted)} is wanted`, "Bind a value of that type.");
      return;
    }
    const alternatives = branches(this.#root, schema);
    const [only] = alternatives;
    if (only === undefined || only === "any" || alternatives.length > 1) return;
    const fields = fieldsOf(binding);
    if (fields !== undefined) this.#checkFields(fields, only, text);
    const items = itemsOf(binding);
    const itemSchema = only.items;
    if (items !== undefined && itemSchema !== undefined && only.prefixItems === undefined) {
      for (const [i, item] of items.entries()) this.check(item, itemSchema, `${text}[${i}]`);
    }
    if ("const" in binding) this.#checkConst(binding.const, only, text);
  }

  #checkFields(fields: ReadonlyMap<string, Binding>, schema: JsonObject, text: string): void {
    const properties = asObject(schema.properties) ?? {};
    const required = Array.isArray(schema.required) ? (schema.required as readonly Json[]).map(String) : [];
    for (const name of required) {
      if (!fields.has(name)) this.#add(`${text} lacks "${name}"`, `Bind it: { ${name}: … }.`);
    }
    for (const [name, binding] of fields) {
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (property !== undefined) this.check(binding, property, `${text}.${name}`);
      else if (schema.properties !== undefined && isClosed(schema)) {
        this.#add(`${text} has an unknown field "${name}"`, nameHint(name, Object.keys(properties)));
      }
    }
  }

  #checkConst(value: Json, schema: JsonObject, text: string): void {
    const allowed = "const" in schema ? [schema.const ?? null] : schema.enum;
    if (!Array.isArray(allowed) || typeof value === "object" || allowed.includes(value)) return;
    const known = allowed.map((item: Json) => (typeof item === "string" ? item : JSON.stringify(item)));
    this.#add(`${text} is ${JSON.stringify(value)}`, nameHint(String(value), known));
  }

  #add(message: string, hint: string): void {
    this.defects.push({ message, hint });
  }
}

function overlaps(wanted: ReadonlySet<JsonKind>, given: ReadonlySet<JsonKind>): boolean {
  for (const kind of given) if (wanted.has(kind)) return true;
  return false;
}

function listed(kinds: ReadonlySet<JsonKind>): string {
  return [...kinds]
    .map((kind) => (kind === "null" ? "null" : kind === "object" ? "an object" : `a ${kind}`))
    .join(" or ");
}

function fieldsOf(binding: Binding): ReadonlyMap<string, Binding> | undefined {
  if ("object" in binding) return new Map(Object.entries(binding.object));
  const object = "const" in binding ? asObject(binding.const) : undefined;
  return object && new Map(Object.entries(object).map(([name, value]) => [name, { const: value }]));
}

function itemsOf(binding: Binding): readonly Binding[] | undefined {
  if ("list" in binding) return binding.list;
  if (!("const" in binding) || !Array.isArray(binding.const)) return undefined;
  return (binding.const as readonly Json[]).map((value) => ({ const: value }));
}
