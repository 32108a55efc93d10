import { limits, textDefect } from "@holdfast/protocol";
import type { Asset } from "./assets.ts";
import { makeDefinition } from "./definition.ts";
import { OptionReader, show } from "./options.ts";
import { callerPosition } from "./source-position.ts";
import { isStandardSchema, type StandardSchema } from "./standard-schema.ts";

/** `M`, `E`, `S`: any Standard Schemas. */
export interface AssetOptions<
  Id extends string = string,
  M extends StandardSchema | undefined = StandardSchema | undefined,
  E extends StandardSchema | undefined = StandardSchema | undefined,
  S extends StandardSchema | undefined = StandardSchema | undefined,
> {
  /** Letters, digits and `_ . - /`; unique in the project. */
  readonly id: Id;
  /** Another name of it, unique in its namespace: who names one, names the other. */
  readonly uri?: string;
  /** What its watermarks are: numbers, texts, or lists of them. */
  readonly watermark?: M;
  /** What its events say. */
  readonly event?: E;
  /** What its state holds: an object of keys and values. */
  readonly state?: S;
}

const known = ["id", "uri", "watermark", "event", "state"];

/** Declares a named thing that tasks read or write. Mistakes are reported when the project is compiled. */
export function asset<
  const Id extends string,
  M extends StandardSchema | undefined = undefined,
  E extends StandardSchema | undefined = undefined,
  S extends StandardSchema | undefined = undefined,
>(options: AssetOptions<Id, M, E, S>): Asset<Id, M, E, S> {
  const position = callerPosition();
  const id = readId(options);
  const reader = new OptionReader(options, `asset ${show(id)}`, position);
  reader.onlyKnown(known);
  if (id === "") reader.add('it has no "id"', 'Give it one: asset({ id: "orders" }).');
  else reader.id("id");
  checkUri(reader);
  for (const name of ["watermark", "event", "state"]) checkSchema(reader, name);
  const data = { kind: "asset", options, id, position, problems: reader.problems.found } as const;
  return makeDefinition(data) as Asset<Id, M, E, S>;
}

function checkUri(reader: OptionReader): void {
  const uri = reader.text("uri");
  if (uri === undefined) return;
  if (uri === "" || uri.length > limits.uriCharacters || textDefect(uri) !== undefined) {
    reader.add(`"uri" is ${show(uri)}`, `It must be a text of 1 to ${limits.uriCharacters} characters, without NUL.`);
  } else if (!uri.includes(":")) {
    // Else it might be the id of another asset.
    reader.add(`"uri" is ${show(uri)}`, 'A URI begins with its scheme, as in "s3://lake/orders".');
  }
}

export function readId(options: unknown): string {
  if (typeof options !== "object" || options === null || !("id" in options)) return "";
  return typeof options.id === "string" ? options.id : "";
}

export function checkSchema(reader: OptionReader, name: string): void {
  const value = reader.value(name);
  if (value !== undefined && !isStandardSchema(value)) {
    reader.add(
      `"${name}" is ${show(value)}`,
      "It must be a schema of a library with Standard Schema, as z.object({ … }) of zod 4.",
    );
  }
}
