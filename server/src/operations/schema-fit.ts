import { AppError, type Json, nameHint } from "@holdfast/protocol";
import { Ajv2020, type ErrorObject, type FuncKeywordDefinition, type ValidateFunction } from "ajv/dist/2020.js";
import { doPart } from "./bounded-work.ts";

/** A JSON Schema that says something: an object. */
export type Schema = object & Json;

/** The value as the schema makes it (with defaults, where asked for), or what is wrong with it and where. */
export type Fitted = { readonly value: Json } | { readonly problem: string };

/** A schema that values can be held against. */
export interface Fit {
  /** May take for ever, but for what is light: see bounded-work.ts. */
  readonly hold: (value: Json) => Fitted;
  /** True for a value that takes no time worth a bound: it is small, and so is what its schema does with it. */
  readonly isLight: (value: Json) => boolean;
}

export interface FitOptions {
  /** Whose schema it is, for messages: `input schema of "load"`. */
  readonly what: string;
  readonly useDefaults: boolean;
}

/** An instance keeps something of each schema that it has compiled. */
const schemasPerInstance = 1_000;

/** Compiles JSON Schemas (2020-12). */
export class SchemaCompiler {
  // A new instance costs a hundred times what a schema costs.
  readonly #instances = new Map<boolean, { readonly ajv: Ajv2020; compiled: number }>();

  /** Throws `invalid_definition` when the schema is none, or when values cannot be held against it at once. */
  compile(schema: Json, { what, useDefaults }: FitOptions): Fit {
    if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
      throw unusable(what, `it is ${JSON.stringify(schema).slice(0, 80)}, but must be an object.`);
    }
    const place = asyncPlace(schema, "");
    if (place !== undefined) throw unusable(what, `"$async"${place} makes it answer with promises.`, "Remove it.");
    const validate = this.#validator(schema, what, false);
    const fill =
      useDefaults && JSON.stringify(schema).includes('"default":') ? this.#validator(schema, what, true) : undefined;
    const judge = (given: Json): Fitted => {
      // Only true is a yes: a promise would count as one, too.
      const isFit = validate(given) === true;
      const first = validate.errors?.[0];
      if (fill !== undefined) {
        const value: Json = structuredClone(given);
        // A library's default need not fit its own schema; and what is required may have one.
        if (fill(value) === true || isFit) return { value };
      } else if (isFit) return { value: given };
      return { problem: first === undefined ? "it was refused" : sentence(first) };
    };
    const hold = (given: Json): Fitted => {
      try {
        return judge(given);
      } catch (error) {
        // A schema that calls itself for ever, or a value of too many levels.
        if (!(error instanceof RangeError)) throw error;
        return { problem: "it, or what its schema asks of it, has too many levels" };
      }
    };
    const size = lightSize(schema);
    return { hold, isLight: (value) => isSmall(value, size) };
  }

  /** Forgets what a compilation that was cut off may have left behind. */
  renew(): void {
    this.#instances.clear();
  }

  #validator(schema: object, what: string, useDefaults: boolean): ValidateFunction {
    // Names that a schema gives to its parts would be known to those that come after it.
    const ajv = /"\$(?:id|anchor|dynamicAnchor)"/.test(JSON.stringify(schema))
      ? newAjv(useDefaults)
      : this.#instance(useDefaults);
    try {
      const validate = ajv.compile(schema);
      ajv.removeSchema(schema);
      return validate;
    } catch (cause) {
      this.#instances.delete(useDefaults);
      if (cause instanceof RangeError)
        throw unusable(what, "it has too many parts or levels.", "Say less of the value, or split it.", cause);
      const why = cause instanceof Error ? cause.message : String(cause);
      const isFar = why.startsWith("can't resolve reference");
      const hint = isFar ? 'A schema is one piece: each "$ref" begins with # and stays inside of it.' : undefined;
      throw unusable(what, `${why}.`, hint, cause);
    }
  }

  #instance(useDefaults: boolean): Ajv2020 {
    let instance = this.#instances.get(useDefaults);
    if (instance === undefined || instance.compiled >= schemasPerInstance) {
      instance = { ajv: newAjv(useDefaults), compiled: 0 };
      this.#instances.set(useDefaults, instance);
    }
    instance.compiled += 1;
    return instance.ajv;
  }
}

function newAjv(useDefaults: boolean): Ajv2020 {
  const ajv = new Ajv2020({
    strict: false,
    // Formats are the schema library's business: it checks them where the body runs.
    validateFormats: false,
    useDefaults,
    // All defaults are filled in, also behind one that does not fit.
    allErrors: useDefaults,
    verbose: true,
    logger: false,
    // 0.07 divided by 0.01 is 7.000000000000001.
    multipleOfPrecision: 6,
    // What it saves a validator of a few fields is less than it costs: compiling takes three to eight times as long.
    code: { optimize: false, regExp: namedPattern },
  });
  // A word that old dialects had for $id; schema libraries write their own names of types there.
  ajv.removeKeyword("id");
  ajv.removeKeyword("minLength");
  ajv.addKeyword(leastLength);
  return ajv;
}

/**
 * Some libraries count characters, some UTF-16 units, of which a text has as many or more. What either of them takes may pass:
 * the least length counts units, the greatest (Ajv's own) characters.
 */
const leastLength: FuncKeywordDefinition = {
  keyword: "minLength",
  type: "string",
  schemaType: "number",
  validate: (least: number, text: string) => text.length >= least,
  errors: false,
  error: { message: ({ schema }) => `must NOT have fewer than ${String(schema)} characters` },
};

/** A pattern that says that it is at work. Ajv asks for the name of its maker, which generated files would import. */
function namedPattern(source: string, flags: string): { test: (text: string) => boolean } {
  const pattern = new RegExp(source, flags);
  const ofUnits = withoutUnicode(source);
  // What a library reads as units may be said of characters here: either may pass.
  const test = (text: string) => pattern.test(text) || (/[\ud800-\udfff]/.test(text) && ofUnits?.test(text) === true);
  const shown = source.length > 200 ? `${source.slice(0, 200)}…` : source;
  const hint = "What repeats within what repeats can take for ever: write it otherwise, or check the text in the task.";
  return {
    test: (text) => doPart(`the pattern ${shown}`, hint, () => test(text)),
    // Ajv takes patterns that look alike for one.
    toString: () => String(pattern),
  } as { test: (text: string) => boolean };
}

function withoutUnicode(source: string): RegExp | undefined {
  try {
    return new RegExp(source);
  } catch {
    return undefined;
  }
}
namedPattern.code = "namedPattern";

/** What a schema may do with a value without a bound: characters of the one times characters and parts of the other. */
const lightSteps = 2_000_000;
/** What looks at a part of a value more often than once, or for longer than the part is. */
const costly = /"(?:pattern|patternProperties|uniqueItems|\$ref|\$dynamicRef|\$recursiveRef)":/;

/** How large a value may be to be light for this schema: each mention in it may look at all of the value. */
function lightSize(schema: object): number {
  const text = JSON.stringify(schema);
  return costly.test(text) ? 0 : Math.floor(lightSteps / text.length);
}

/** Whether a value has at most so many parts and characters, those of names included. */
function isSmall(value: Json, size: number): boolean {
  let left = size;
  const open: Json[] = [value];
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    left -= typeof item === "string" ? item.length + 1 : 1;
    if (typeof item === "object" && item !== null) {
      const inner = Object.values(item) as Json[];
      left -= inner.length;
      if (left < 0) return false;
      if (!Array.isArray(item)) for (const name of Object.keys(item)) left -= name.length;
      open.push(...inner);
    }
    if (left < 0) return false;
  }
  return true;
}

const longestPattern = 40;

function sentence({ instancePath, message, params, keyword, parentSchema, data }: ErrorObject): string {
  const place = instancePath === "" ? "it" : instancePath.slice(1).replaceAll("/", ".");
  const extra: unknown = params.additionalProperty ?? params.unevaluatedProperty;
  if (typeof extra === "string") return `${place} has an unknown field "${extra}" (${knownHint(extra, parentSchema)})`;
  const pattern: unknown = params.pattern;
  if (keyword === "pattern" && typeof pattern === "string" && pattern.length > longestPattern) {
    // Patterns of dates and the like say nothing to people.
    const format: unknown = parentSchema?.format;
    const wanted = typeof format === "string" ? `a ${format}` : "of its pattern";
    return `${place} is ${JSON.stringify(String(data).slice(0, 80))}, but must be ${wanted}`;
  }
  return `${place} ${message ?? "is wrong"}`;
}

/** Which field may have been meant. */
function knownHint(name: string, schema: Readonly<Record<string, unknown>> | undefined): string {
  const parts = [schema, ...["anyOf", "oneOf", "allOf"].flatMap((word) => schema?.[word] ?? [])];
  const known = parts.flatMap((part) => Object.keys((part as { properties?: object } | undefined)?.properties ?? {}));
  return known.length === 0 ? "it takes none" : lowered(nameHint(name, [...new Set(known)]));
}

/** A sentence as part of another. */
function lowered(sentence: string): string {
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1).replace(/\.$/, "")}`;
}

function unusable(what: string, why: string, hint = "It must be JSON Schema 2020-12.", cause?: unknown): AppError {
  return new AppError("invalid_definition", `The ${what} is no JSON Schema that can be used: ${why}`, {
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Their keys are users' names, their values schemas. */
const named = new Set(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"]);
/** Their values are values, not schemas. */
const data = new Set(["const", "enum", "default", "examples"]);

/**
 * Where a schema says `$async`. Ajv would answer a promise then, which counts as a yes and whose failure nobody awaits:
 * one such schema would end the node.
 */
function asyncPlace(schema: unknown, path: string): string | undefined {
  if (typeof schema !== "object" || schema === null) return undefined;
  if (!Array.isArray(schema) && Object.hasOwn(schema, "$async")) return path === "" ? "" : ` at ${path.slice(1)}`;
  for (const [key, part] of Object.entries(schema)) {
    if (data.has(key)) continue;
    const parts = named.has(key) && typeof part === "object" && part !== null ? Object.entries(part) : [["", part]];
    for (const [name, inner] of parts) {
      const found = asyncPlace(inner, `${path}.${key}${name === "" ? "" : `.${name}`}`);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
