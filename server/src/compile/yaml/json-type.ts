import type { JsonObject } from "@holdfast/protocol";
import { readJsonSchema } from "@holdfast/sdk/definitions";
import type { z } from "zod";
import { schemaOf, type Type } from "./type-expression.ts";

const known = new WeakMap<Type, Partial<Record<"input" | "output", JsonObject>>>();

/** JSON Schema of a type, the same as of the zod schema that says it in TypeScript. */
export async function jsonOfType(type: Type, side: "input" | "output"): Promise<JsonObject> {
  const sides = known.get(type) ?? {};
  known.set(type, sides);
  const schema = sides[side] ?? (await jsonSchemaOf(schemaOf(type), side));
  sides[side] = schema;
  return schema;
}

export async function jsonSchemaOf(schema: z.ZodType, side: "input" | "output"): Promise<JsonObject> {
  const { jsonSchema } = await readJsonSchema(schema, side);
  if (jsonSchema === undefined) throw new Error("a type of a workflow file has no JSON Schema");
  return jsonSchema;
}
