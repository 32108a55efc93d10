import type { KeptStateSpec } from "@holdfast/protocol";
import { readJsonSchema } from "./json-schema.ts";
import { isStandardSchema } from "./standard-schema.ts";
import type { StateDeclaration } from "./state.ts";
import { isClosed } from "./state-schema.ts";

/** What a task's manifest says of its state. */
export interface StateSpecs {
  readonly state?: KeptStateSpec;
  readonly taskState?: KeptStateSpec;
}

/** What a task declares of its state, as JSON Schema where its library can say it; the rest is checked where bodies run. */
export async function readStates(options: {
  readonly state?: StateDeclaration | undefined;
  readonly taskState?: StateDeclaration | undefined;
}): Promise<StateSpecs> {
  const [state, taskState] = await Promise.all([readOne(options.state), readOne(options.taskState)]);
  return { ...(state === undefined ? {} : { state }), ...(taskState === undefined ? {} : { taskState }) };
}

async function readOne(declared: StateDeclaration | undefined): Promise<KeptStateSpec | undefined> {
  if (declared === undefined) return undefined;
  const { schema, version } = isStandardSchema(declared) ? { schema: declared, version: 1 } : declared;
  try {
    // What is kept is what the schema has made of a value.
    const { jsonSchema, defects } = await readJsonSchema(schema, "output");
    if (jsonSchema === undefined || defects.length > 0) return { version };
    return { version, schema: isClosed(schema) ? { ...jsonSchema, additionalProperties: false } : jsonSchema };
  } catch {
    return { version };
  }
}
