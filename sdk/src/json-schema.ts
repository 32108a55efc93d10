import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { canonicalText, type Json, type JsonObject } from "@holdfast/protocol";
import { fieldName } from "./field-name.ts";
import type { StandardSchema } from "./standard-schema.ts";
import { steadyPart } from "./steady-defaults.ts";

/** What a schema says of itself. `jsonSchema` is undefined when its library offers none: then the type is opaque. */
export interface SchemaReading {
  readonly jsonSchema: JsonObject | undefined;
  /** What no JSON value can satisfy, one sentence a place. */
  readonly defects: readonly string[];
  /** Where parsing gives another value than it was given, defaults apart. */
  readonly transforms: readonly string[];
  /** Where a default is another value each time. It is left out of `jsonSchema`. */
  readonly unsteady: readonly string[];
  /** Whether fields that it does not know are dropped, somewhere in it. Its objects that say nothing of other fields do that. */
  readonly drops: boolean;
}

type Side = "input" | "output";

/** The JSON Schema (2020-12) of one side of a schema. zod is asked with `io`; others through the standard's own trait. */
export async function readJsonSchema(schema: StandardSchema, side: Side): Promise<SchemaReading> {
  if (isZod(schema)) {
    const toJsonSchema = schema.toJSONSchema?.bind(schema) ?? (await zodFunction(schema));
    const first = readZod(toJsonSchema, side);
    return { ...first, ...steadyPart(first.jsonSchema, () => readZod(toJsonSchema, side).jsonSchema) };
  }
  const opaque = { jsonSchema: undefined, defects: [], transforms: [], unsteady: [], drops: false };
  const { jsonSchema } = schema["~standard"];
  if (jsonSchema === undefined) return opaque;
  try {
    const read = () => plain(jsonSchema[side]({ target: "draft-2020-12" }));
    return { ...opaque, ...steadyPart(read(), read) };
  } catch {
    // The library cannot say this schema in JSON Schema: opaque, and checked where the body runs.
    return opaque;
  }
}

interface ZodInternals {
  readonly def: {
    readonly type: string;
    readonly shape?: Readonly<Record<string, { readonly _zod: ZodInternals }>>;
    readonly innerType?: { readonly _zod: ZodInternals };
    readonly options?: readonly { readonly _zod: ZodInternals }[];
    readonly coerce?: boolean;
    readonly catchall?: { readonly _zod: ZodInternals };
    /** Of a pipe: what comes first. */
    readonly in?: { readonly _zod: ZodInternals };
    readonly pattern?: RegExp;
    readonly checks?: readonly {
      readonly _zod: { readonly def: { readonly check: string; readonly pattern?: RegExp } };
    }[];
  };
}
interface ZodSchema extends StandardSchema {
  readonly _zod: ZodInternals;
  readonly toJSONSchema?: (options: ZodOptions) => object;
}
interface ZodOptions {
  readonly io: Side;
  readonly unrepresentable: "any";
  readonly override: (context: ZodPlace) => void;
}
interface ZodPlace {
  readonly zodSchema: { readonly _zod: ZodInternals };
  readonly jsonSchema: Record<string, unknown>;
  readonly path?: readonly (string | number)[];
}

function isZod(schema: StandardSchema): schema is ZodSchema {
  return schema["~standard"].vendor === "zod" && "_zod" in schema;
}

function readZod(toJsonSchema: ToJsonSchema, side: Side) {
  const defects: string[] = [];
  const transforms: string[] = [];
  let drops = false;
  const json = toJsonSchema({
    io: side,
    unrepresentable: "any",
    override: (place) => {
      inspectZod(place, { side, defects, transforms });
      drops ||= isDropping(place);
    },
  });
  return { jsonSchema: plain(json), defects, transforms, drops };
}

interface Findings {
  readonly side: Side;
  readonly defects: string[];
  readonly transforms: string[];
}

const neverJson = new Set(["bigint", "symbol", "function", "map", "set", "promise", "file", "nan"]);

function inspectZod(place: ZodPlace, { side, defects, transforms }: Findings): void {
  const { def } = place.zodSchema._zod;
  const where = fieldName(place.path ?? []);
  if (def.coerce === true || def.type === "transform" || def.type === "pipe") transforms.push(where);
  if (neverJson.has(def.type) && !(def.coerce === true && side === "input")) {
    defects.push(`${where} is a ${def.type}, which JSON cannot keep`);
  }
  if (def.type === "date") {
    if (side === "output") Object.assign(place.jsonSchema, { type: "string", format: "date-time" });
    else if (def.coerce !== true) {
      defects.push(`${where} is a Date, but it arrives as JSON: use z.coerce.date() or z.iso.datetime()`);
    }
  }
  if (side === "input") openWhatZodChanges(place);
  // An object that merely strips unknown fields stays open in what is published, so that fields can be added later.
  if (isDropping(place)) delete place.jsonSchema.additionalProperties;
}

function isDropping({ zodSchema }: ZodPlace): boolean {
  const { def } = zodSchema._zod;
  return def.type === "object" && def.catchall === undefined;
}

/**
 * Where zod changes a value before it looks at it, or looks in a way that JSON Schema has no words for, what zod writes
 * down would refuse values that it takes. The body's own check remains.
 */
function openWhatZodChanges({ zodSchema, jsonSchema }: ZodPlace): void {
  const { def } = zodSchema._zod;
  const preprocessed = isPreprocessed(def);
  if (def.shape !== undefined && Array.isArray(jsonSchema.required)) {
    const { shape } = def;
    jsonSchema.required = jsonSchema.required.filter((name: string) => !mayBeMissing(shape[name]?._zod));
  }
  if (def.coerce === true || def.type === "catch" || preprocessed) {
    for (const name of Object.keys(jsonSchema))
      if (name !== "default" && name !== "description") delete jsonSchema[name];
    return;
  }
  const checks = [def, ...(def.checks ?? []).map((check) => check._zod.def)];
  const overwritten = checks.some((check) => "check" in check && check.check === "overwrite");
  if (overwritten) {
    for (const name of checkedAfterwards) delete jsonSchema[name];
    if (jsonSchema.type === "integer") jsonSchema.type = "number";
  }
  // What is a multiple of a fraction is a matter of rounding, which libraries and validators do differently.
  if (!Number.isSafeInteger(jsonSchema.multipleOf)) delete jsonSchema.multipleOf;
  if (!overwritten && checks.every(({ pattern }) => pattern === undefined || isPlainPattern(pattern))) return;
  delete jsonSchema.pattern;
  delete jsonSchema.allOf;
}

function isPreprocessed(def: ZodInternals["def"]): boolean {
  return def.type === "pipe" && def.in?._zod.def.type === "transform";
}

/** Whether a field may be left out although zod writes that it is required: something makes a value of nothing. */
function mayBeMissing(zod: ZodInternals | undefined): boolean {
  if (zod === undefined) return false;
  const { def } = zod;
  if (def.type === "catch" || isPreprocessed(def)) return true;
  if (def.type === "union") return def.options?.some((option) => mayBeMissing(option._zod)) === true;
  if (def.type === "pipe") return mayBeMissing(def.in?._zod);
  return mayBeMissing(def.innerType?._zod);
}

/** What a check before them may have changed. */
const checkedAfterwards = [
  ...["minLength", "maxLength", "format", "minItems", "maxItems", "uniqueItems", "minimum", "maximum"],
  ...["exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minProperties", "maxProperties"],
];

/** JSON Schema's patterns have no flags and are read as Unicode ones. */
function isPlainPattern({ source, flags }: RegExp): boolean {
  if (/[imsvy]/.test(flags)) return false;
  try {
    new RegExp(source, "u");
    return true;
  } catch {
    return false;
  }
}

type ToJsonSchema = (options: ZodOptions) => object;

/** zod/mini has no method for it: the zod that the protocol uses anyway reads schemas of every copy of zod 4. */
async function zodFunction(schema: ZodSchema): Promise<ToJsonSchema> {
  const require = createRequire(fileURLToPath(import.meta.resolve("@holdfast/protocol")));
  const zod = (await import(pathToFileURL(require.resolve("zod")).href)) as {
    readonly toJSONSchema: (schema: ZodSchema, options: ZodOptions) => object;
  };
  return (options) => zod.toJSONSchema(schema, options);
}

/** Plain JSON without the dialect's address and the library's own marks. */
function plain(schema: object): JsonObject {
  const { $schema: _, ...rest } = JSON.parse(JSON.stringify(schema)) as Record<string, Json>;
  canonicalText(rest);
  return rest;
}
