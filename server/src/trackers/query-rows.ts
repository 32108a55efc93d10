import type { Json } from "@holdfast/protocol";
import { z } from "zod";

// Rows of BigQuery as values of JSON. The service writes every value as a text, in cells `{v}` of rows `{f}`; a record is a row in a cell,
// a repeated field a list of cells. What JSON's numbers cannot hold stays a text.

const fieldSchema = z.object({
  name: z.string(),
  type: z.string(),
  mode: z.string().optional(),
  get fields() {
    return z.array(fieldSchema).optional();
  },
});
type Field = z.infer<typeof fieldSchema>;

/** What getQueryResults answers of a query that is done. */
export const rowsSchema = z.object({
  schema: z.object({ fields: z.array(fieldSchema).optional() }).optional(),
  rows: z.array(z.unknown()).optional(),
  totalRows: z.string().optional(),
});

const rowSchema = z.object({ f: z.array(z.object({ v: z.unknown() })) });

/** Each row as an object by the names of its columns. Timestamps were asked for in whole microseconds. */
export function rowObjects({ schema, rows }: z.infer<typeof rowsSchema>): Json {
  const fields = schema?.fields ?? [];
  return (rows ?? []).map((row) => rowObject(row, fields));
}

function rowObject(row: unknown, fields: readonly Field[]): Json {
  const cells = rowSchema.safeParse(row).data?.f ?? [];
  return Object.fromEntries(fields.map((field, index) => [field.name, cellValue(cells[index]?.v, field)]));
}

function cellValue(value: unknown, field: Field): Json {
  if (value === null || value === undefined) return null;
  if (field.mode !== "REPEATED") return oneValue(value, field);
  const items = z.array(z.object({ v: z.unknown() })).safeParse(value).data ?? [];
  return items.map(({ v }) => (v === null ? null : oneValue(v, field)));
}

function oneValue(value: unknown, field: Field): Json {
  if (field.type === "RECORD" || field.type === "STRUCT") return rowObject(value, field.fields ?? []);
  const text = String(value);
  switch (field.type) {
    case "BOOLEAN":
    case "BOOL":
      return text === "true";
    case "INTEGER":
    case "INT64":
      return Number.isSafeInteger(Number(text)) ? Number(text) : text;
    case "FLOAT":
    case "FLOAT64":
      return Number.isFinite(Number(text)) ? Number(text) : text;
    case "TIMESTAMP":
      return timestamp(text);
    case "JSON":
      return parseJson(text);
    default:
      return text;
  }
}

/** RFC 3339 with microseconds. */
function timestamp(microseconds: string): Json {
  if (!/^-?\d+$/.test(microseconds)) return microseconds;
  const all = BigInt(microseconds);
  const rest = ((all % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((all - rest) / 1_000n));
  if (Number.isNaN(seconds.getTime())) return microseconds;
  return seconds.toISOString().replace(/\.\d+Z$/, `.${String(rest).padStart(6, "0")}Z`);
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
