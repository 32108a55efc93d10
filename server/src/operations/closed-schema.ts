import type { WorkflowSpec } from "@holdfast/protocol";
import type { Schema } from "./schema-fit.ts";

type Part = Readonly<Record<string, unknown>>;

/** Schemas live as long as their manifest: each is closed once, and compiled once. */
const closedOnes = new WeakMap<Schema, Schema>();

/**
 * What whoever starts a workflow from outside has to give: its schema, in which objects that say nothing of other fields take
 * none, where the manifest says that these would be dropped. Calls by other workflows are the compiler's to check, and what
 * they bind may have more fields than are read.
 */
export function givenSchema(schema: Schema, { onlyKnown }: Pick<WorkflowSpec, "onlyKnown">): Schema {
  if (onlyKnown !== true) return schema;
  let closed = closedOnes.get(schema);
  if (closed === undefined) {
    closed = closeValue(schema as Part, schema as Part) as Schema;
    closedOnes.set(schema, closed);
  }
  return closed;
}

/** The schema of a value. What says it in alternatives or elsewhere is closed around them: a field that one knows is known. */
function closeValue(schema: unknown, root: Part): unknown {
  if (!isPart(schema)) return schema;
  const inner = closeInside(schema, root);
  if (!namesItsFields(schema, root)) return inner;
  const isPlain = combining.every((word) => schema[word] === undefined) && schema.$ref === undefined;
  return { ...inner, [isPlain ? "additionalProperties" : "unevaluatedProperties"]: false };
}

const combining = ["anyOf", "oneOf", "allOf"];
const namedValues = ["properties", "patternProperties"];
const oneValue = ["items", "additionalProperties"];

/** Closes the values within; of alternatives and definitions their fields only, since these may be parts of one object. */
function closeInside(schema: Part, root: Part): Part {
  const closed = Object.entries(schema).map(([word, part]): [string, unknown] => {
    if (oneValue.includes(word)) return [word, closeValue(part, root)];
    if (word === "prefixItems" && Array.isArray(part)) return [word, part.map((item) => closeValue(item, root))];
    if (combining.includes(word) && Array.isArray(part)) return [word, part.map((item) => closeBranch(item, root))];
    if (!isPart(part)) return [word, part];
    const close = namedValues.includes(word) ? closeValue : word === "$defs" ? closeBranch : undefined;
    if (close === undefined) return [word, part];
    return [word, Object.fromEntries(Object.entries(part).map(([name, item]) => [name, close(item, root)]))];
  });
  return Object.fromEntries(closed);
}

function closeBranch(schema: unknown, root: Part): unknown {
  return isPart(schema) ? closeInside(schema, root) : schema;
}

const deepest = 20;

/** Whether all that may be an object here lists its fields, and at least one part says nothing of others. */
function namesItsFields(schema: Part, root: Part): boolean {
  const found = leaves(schema, root, 0);
  return found.every((leaf) => leaf !== "unknown") && found.includes("silent");
}

type Leaf = "silent" | "said" | "unknown";

function leaves(schema: unknown, root: Part, depth: number): readonly Leaf[] {
  if (!isPart(schema) || depth > deepest) return ["unknown"];
  if (typeof schema.$ref === "string") return leaves(pointed(root, schema.$ref), root, depth + 1);
  for (const word of combining) {
    const parts = schema[word];
    if (Array.isArray(parts)) return parts.flatMap((part) => leaves(part, root, depth + 1));
  }
  if (schema.additionalProperties !== undefined) return ["said"];
  if (schema.properties !== undefined) return ["silent"];
  const { type } = schema;
  const isOther = typeof type === "string" && type !== "object";
  return isOther || schema.const !== undefined || schema.enum !== undefined || schema.not !== undefined
    ? ["said"]
    : ["unknown"];
}

function pointed(root: Part, reference: string): unknown {
  if (!reference.startsWith("#")) return undefined;
  let part: unknown = root;
  for (const step of reference.slice(1).split("/").slice(1)) {
    if (!isPart(part)) return undefined;
    part = part[step.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return part;
}

function isPart(value: unknown): value is Part {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
