import type { JsonObject } from "@holdfast/protocol";
import { z } from "zod";
import { jsonOf, type MapNode } from "./document.ts";
import { type FileProblems, readFields } from "./fields.ts";
import { paramForm } from "./form.ts";
import { jsonSchemaOf } from "./json-type.ts";
import { checkConstant } from "./type-check.ts";
import { checkIdentifier, schemaOf, type Type, type TypeReader } from "./type-expression.ts";

/** A parameter of a workflow; its type is undefined when there is a mistake in it. */
interface Param {
  readonly type: Type | undefined;
  readonly schema: z.ZodType;
}

export interface Params {
  readonly types: ReadonlyMap<string, Type | undefined>;
  /** JSON Schema of what the workflow is started with; undefined when it has no parameters. */
  readonly input: JsonObject | undefined;
}

export interface ParamsReading {
  readonly types: TypeReader;
  readonly problems: FileProblems;
  /** Whether events start the workflow: they come as `events`, by asset, which needs no type of its own. */
  readonly takesEvents: boolean;
}

/** Reads `params`: each a type, or {type, default, required, description}. */
export async function readParams(map: MapNode | undefined, reading: ParamsReading): Promise<Params> {
  const params = new Map<string, Param>();
  for (const [name, { at, node }] of map?.entries ?? []) {
    const what = `params.${name}`;
    checkIdentifier(name, at, { what, problems: reading.problems });
    if (node.kind !== "map") params.set(name, plainParam(reading.types.read(node, what)));
    else params.set(name, readLong(node, what, reading));
  }
  if (reading.takesEvents && !params.has("events")) {
    params.set("events", { type: undefined, schema: z.record(z.string(), z.array(z.unknown())).default({}) });
  }
  const types = new Map([...params].map(([name, { type }]) => [name, type]));
  if (map === undefined && !reading.takesEvents) return { types, input: undefined };
  // A parameter that nobody knows would be accepted and ignored.
  const schema = z.strictObject(Object.fromEntries([...params].map(([name, param]) => [name, param.schema])));
  return { types, input: await jsonSchemaOf(schema, "input") };
}

function plainParam(type: Type | undefined): Param {
  return { type, schema: type === undefined ? z.unknown() : schemaOf(type) };
}

function readLong(node: MapNode, what: string, { types, problems }: ParamsReading): Param {
  const fields = readFields(node, { form: paramForm, what, problems, elsewhere: ["type", "default"] });
  const typeEntry = fields?.entries.get("type");
  const type = typeEntry && types.read(typeEntry.node, `${what}.type`);
  let { schema } = plainParam(type);
  const given = fields?.entries.get("default");
  if (given !== undefined) {
    if (type !== undefined) checkConstant(given.node, type, { what: `${what}.default`, problems });
    schema = schema.default(jsonOf(given.node));
  } else if (fields?.values.required === false) {
    problems.add(node, `${what} is not required, but has no "default"`, "Give it a default, or require it.");
  }
  const description = fields?.values.description;
  return { type, schema: description === undefined ? schema : schema.describe(description) };
}
