import { type Asset, makeDefinition } from "./definition.ts";
import { OptionReader, show } from "./options.ts";
import { callerPosition } from "./source-position.ts";
import { isStandardSchema, type StandardSchema } from "./standard-schema.ts";

export interface AssetOptions {
  readonly id: string;
  readonly uri?: string;
  /** The type of its watermark, any Standard Schema. */
  readonly watermark?: StandardSchema;
}

/** Declares a named thing that tasks read or write. Mistakes are reported when the project is compiled. */
export function asset(options: AssetOptions): Asset {
  const position = callerPosition();
  const id = readId(options);
  const reader = new OptionReader(options, `asset ${show(id)}`, position);
  reader.onlyKnown(["id", "uri", "watermark"]);
  if (id === "") reader.add('it has no "id"', 'Give it one: asset({ id: "orders" }).');
  else reader.id("id");
  reader.text("uri");
  checkSchema(reader, "watermark");
  const data = { kind: "asset", options, id, position, problems: reader.problems.found } as const;
  return makeDefinition(data) as Asset;
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
