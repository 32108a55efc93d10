import { nameHint } from "@holdfast/protocol";
import { z } from "zod";
import type { MapNode, Place, YamlNode } from "./document.ts";
import { type FileProblems, type Reading, shown } from "./fields.ts";

// Types of workflow files: builtin names, `types.ALIAS`, lists, objects; a name with `?` may be null.

/** Each builtin name as the schema that stands for it in the manifest, and what its values look like. */
export const builtins = {
  str: { schema: z.string(), looks: "a text" },
  int: { schema: z.int(), looks: "a whole number" },
  float: { schema: z.number(), looks: "a number" },
  bool: { schema: z.boolean(), looks: "true or false" },
  date: { schema: z.iso.date(), looks: "a date as 2024-01-31" },
  datetime_notz: {
    schema: z
      .string()
      .regex(/^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?$/),
    looks: "a time as 2024-01-31T12:00:00, without an offset",
  },
  datetime_tz: {
    schema: z.iso.datetime({ offset: true }),
    looks: "a time with an offset, as 2024-01-31T12:00:00+02:00",
  },
  datetime_utc: { schema: z.iso.datetime(), looks: "a time in UTC, as 2024-01-31T12:00:00Z" },
} as const;
export type BuiltinName = keyof typeof builtins;

export type Type =
  | { readonly kind: "builtin"; readonly name: BuiltinName }
  | { readonly kind: "list"; readonly item: Type }
  | { readonly kind: "object"; readonly fields: ReadonlyMap<string, Type> }
  /** Null, or that. */
  | { readonly kind: "optional"; readonly type: Type };

/** Names that other systems and older files use, and what is meant by them. */
const legacy: Readonly<Record<string, string>> = {
  string: "str", text: "str", integer: "int", number: "float", double: "float", boolean: "bool",
  datetime: "datetime_utc, datetime_tz or datetime_notz", timestamp: "datetime_utc", timestamp_s: "datetime_utc, or int for seconds",
  timestamp_ms: "datetime_utc, or int for milliseconds", time: "str", duration: "float for seconds, or str",
}; // biome-ignore format: one table

/** Types that are written out would grow without end where aliases use each other twice. */
const mostParts = 5_000;
const mostLevels = 100;
const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Reads types, and the aliases that they use. */
export class TypeReader {
  readonly #problems: FileProblems;
  readonly #aliases: MapNode | undefined;
  readonly #read = new Map<string, Type | undefined>();
  readonly #open: string[] = [];
  readonly #extents = new WeakMap<Type, Extent>();

  /** `aliases`: the file's `types`. All of them are read, used or not. */
  constructor(aliases: MapNode | undefined, problems: FileProblems) {
    this.#problems = problems;
    this.#aliases = aliases;
    for (const [name, { at }] of aliases?.entries ?? []) {
      const what = `types.${name}`;
      if (Object.hasOwn(builtins, name))
        problems.add(at, `${what}: "${name}" is a builtin type`, "Choose another name.");
      else checkIdentifier(name, at, { what, problems });
      this.#alias(name);
    }
  }

  /** The type, or undefined when there is a mistake in it, which is then told. */
  read(node: YamlNode, what: string): Type | undefined {
    const type = this.#expression(node, what);
    if (type === undefined) return undefined;
    const { parts, levels } = this.#extentOf(type);
    if (parts <= mostParts && levels <= mostLevels) return type;
    const much = parts > mostParts ? `has more than ${mostParts} parts` : `is nested more than ${mostLevels} deep`;
    this.#problems.add(node, `${what} ${much} when its aliases are written out`, "Make it simpler.");
    return undefined;
  }

  #expression(node: YamlNode, what: string): Type | undefined {
    if (node.kind === "map") return this.#object(node, what);
    if (node.kind === "list") {
      const [item] = node.items;
      if (item !== undefined && node.items.length === 1) {
        const type = this.read(item, `${what}[]`);
        return type && { kind: "list", item: type };
      }
      this.#problems.add(
        node,
        `${what} is a list of ${node.items.length} types`,
        "A list has one type for all of its items: [str].",
      );
      return undefined;
    }
    if (typeof node.value !== "string") {
      this.#problems.add(node, `${what} is ${shown(node)}`, "A type is a name, [T] or {field: T}.");
      return undefined;
    }
    if (!node.value.endsWith("?")) return this.#name(node.value, node, what);
    const type = this.#name(node.value.slice(0, -1), node, what);
    return type && (type.kind === "optional" ? type : { kind: "optional", type });
  }

  #object(node: MapNode, what: string): Type | undefined {
    const fields = new Map<string, Type>();
    let isSound = true;
    for (const [name, { at, node: inner }] of node.entries) {
      checkIdentifier(name, at, { what: `${what}.${name}`, problems: this.#problems });
      const type = this.read(inner, `${what}.${name}`);
      if (type === undefined) isSound = false;
      else fields.set(name, type);
    }
    return isSound ? { kind: "object", fields } : undefined;
  }

  #name(name: string, at: Place, what: string): Type | undefined {
    if (Object.hasOwn(builtins, name)) return { kind: "builtin", name: name as BuiltinName };
    const aliases = [...(this.#aliases?.entries.keys() ?? [])];
    if (name.startsWith("types.")) {
      const alias = name.slice("types.".length);
      if (this.#aliases?.entries.has(alias) === true) return this.#aliasAt(alias, at, what);
      const hint = aliases.length === 0 ? 'Declare it at the top: "types:".' : nameHint(alias, aliases);
      this.#problems.add(at, `${what} is "${name}", which "types" does not declare`, hint);
      return undefined;
    }
    const meant = Object.hasOwn(legacy, name) ? legacy[name] : undefined;
    const hint =
      meant !== undefined
        ? `Write ${meant}.`
        : aliases.includes(name)
          ? `Write types.${name}.`
          : nameHint(name, [...Object.keys(builtins), ...aliases.map((alias) => `types.${alias}`)]);
    this.#problems.add(at, `${what} is "${name}", which is no type`, hint);
    return undefined;
  }

  #aliasAt(alias: string, at: Place, what: string): Type | undefined {
    if (this.#open.length >= mostLevels) {
      const message = `${what} is the ${mostLevels}th alias that names another`;
      this.#problems.add(at, message, "Make it simpler.");
      return undefined;
    }
    if (!this.#open.includes(alias)) return this.#alias(alias);
    const path = [...this.#open.slice(this.#open.indexOf(alias)), alias].join(" → ");
    this.#problems.add(at, `${what} contains itself: ${path}`, "A type cannot contain itself.");
    return undefined;
  }

  #alias(name: string): Type | undefined {
    if (this.#read.has(name)) return this.#read.get(name);
    const entry = this.#aliases?.entries.get(name);
    if (entry === undefined) return undefined;
    this.#open.push(name);
    const type = this.read(entry.node, `types.${name}`);
    this.#open.pop();
    this.#read.set(name, type);
    return type;
  }

  #extentOf(type: Type): Extent {
    const known = this.#extents.get(type);
    if (known !== undefined) return known;
    const inner = partsOf(type).map((part) => this.#extentOf(part));
    const parts = inner.reduce((sum, extent) => sum + extent.parts, 1);
    const levels = 1 + inner.reduce((most, extent) => Math.max(most, extent.levels), 0);
    this.#extents.set(type, { parts, levels });
    return { parts, levels };
  }
}

interface Extent {
  readonly parts: number;
  readonly levels: number;
}

function partsOf(type: Type): readonly Type[] {
  if (type.kind === "object") return [...type.fields.values()];
  return type.kind === "list" ? [type.item] : type.kind === "optional" ? [type.type] : [];
}

export function checkIdentifier(name: string, at: Place, { what, problems }: Reading): void {
  if (identifier.test(name)) return;
  problems.add(at, `${what}: "${name}" is no name`, "Use letters, digits and _, and begin with a letter or _.");
}

const schemas = new WeakMap<Type, z.ZodType>();

/** The schema that stands for a type in the manifest. Unknown fields are let through: a task may return more than is asked. */
export function schemaOf(type: Type): z.ZodType {
  const known = schemas.get(type);
  if (known !== undefined) return known;
  const schema = makeSchema(type);
  schemas.set(type, schema);
  return schema;
}

function makeSchema(type: Type): z.ZodType {
  switch (type.kind) {
    case "builtin":
      return builtins[type.name].schema;
    case "list":
      return z.array(schemaOf(type.item));
    case "optional":
      return schemaOf(type.type).nullable();
    case "object":
      return z.object(Object.fromEntries([...type.fields].map(([name, field]) => [name, schemaOf(field)])));
  }
}

/** The type as people write it. */
export function typeText(type: Type): string {
  switch (type.kind) {
    case "builtin":
      return type.name;
    case "list":
      return `[${typeText(type.item)}]`;
    case "optional":
      return `${typeText(type.type)}?`;
    case "object": {
      const fields = [...type.fields].map(([name, field]) => `${name}: ${typeText(field)}`);
      return fields.length <= 6 ? `{${fields.join(", ")}}` : `{${fields.slice(0, 6).join(", ")}, …}`;
    }
  }
}
