import { AppError, type Json } from "@holdfast/protocol";
import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";

/** The value as the schema makes it (with defaults, where asked for), or what is wrong with it and where. */
export type Fit = (value: Json) => { readonly value: Json } | { readonly problem: string };

export interface FitOptions {
  /** Whose schema it is, for messages: `input schema of "load"`. */
  readonly what: string;
  readonly useDefaults: boolean;
}

/** Compiles a JSON Schema (2020-12). Throws `invalid_definition` when it is none. */
export function compileSchema(schema: object, { what, useDefaults }: FitOptions): Fit {
  // Formats are the schema library's business: it checks them where the body runs.
  const ajv = new Ajv2020({ strict: false, validateFormats: false, useDefaults, verbose: true });
  const validate = compiled(ajv, schema, what);
  return (given) => {
    const value: Json = useDefaults ? structuredClone(given) : given;
    if (validate(value)) return { value };
    const first = validate.errors?.[0];
    return { problem: first === undefined ? "it was refused" : sentence(first) };
  };
}

const longestPattern = 40;

function sentence({ instancePath, message, params, keyword, parentSchema, data }: ErrorObject): string {
  const place = instancePath === "" ? "it" : instancePath.slice(1).replaceAll("/", ".");
  const property: unknown = params.additionalProperty;
  const named = typeof property === "string" ? ` ("${property}")` : "";
  const pattern: unknown = params.pattern;
  if (keyword === "pattern" && typeof pattern === "string" && pattern.length > longestPattern) {
    // Patterns of dates and the like say nothing to people.
    const format: unknown = parentSchema?.format;
    const wanted = typeof format === "string" ? `a ${format}` : "of its pattern";
    return `${place} is ${JSON.stringify(String(data).slice(0, 80))}, but must be ${wanted}`;
  }
  return `${place} ${message ?? "is wrong"}${named}`;
}

function compiled(ajv: Ajv2020, schema: object, what: string): ValidateFunction {
  try {
    return ajv.compile(schema);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("invalid_definition", `The ${what} is no JSON Schema that can be used: ${why}`, { cause });
  }
}
